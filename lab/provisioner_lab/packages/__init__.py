"""Packages of the distribution: downloaded, read, built, and laid out as signed repositories."""
