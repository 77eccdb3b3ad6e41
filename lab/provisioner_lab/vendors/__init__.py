"""The vendors' hosts, played: what they serve, and the container that serves it under their names inside a lab."""
