"""The base system."""
