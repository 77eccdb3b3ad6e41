"""Turns a list of machines into a working DC/OS-like cluster and keeps it so."""

__version__ = "0.1.0"
