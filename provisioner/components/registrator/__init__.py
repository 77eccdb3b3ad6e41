"""Registrator."""
