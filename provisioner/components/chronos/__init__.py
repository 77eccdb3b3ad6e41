"""Chronos."""
