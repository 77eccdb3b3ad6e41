"""Images of containers: bootstrapped from packages, or put together from folders."""
