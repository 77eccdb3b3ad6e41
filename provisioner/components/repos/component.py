"""Package sources: the repositories of the site or of the vendors."""

from provisioner.components.model import Component

COMPONENT = Component("repos", "repos", "all", "Package sources", after=("mirror",))
