"""Reaching machines: logins, host keys, sudo, and programs that run on them."""
