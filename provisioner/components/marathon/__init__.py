"""Marathon."""
