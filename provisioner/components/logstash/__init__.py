"""Logstash."""
