"""Asking hosts and judging the answers: the probe's client, preflight, status, workload."""
