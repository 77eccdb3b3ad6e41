"""The site's mirror."""
