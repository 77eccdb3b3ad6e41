"""Deciding: from a cluster and an observation to a list of steps. Pure functions."""
