"""The master: election, registry, frameworks, offers and the operator API."""
