"""Doing: executes a plan through Ansible, under a lock."""
