"""What every host keeps to itself, and whom its network rules let in."""

from collections.abc import Mapping
from typing import Any

SECRETS = {
    "cluster_ca_key": "the cluster's authority signs certificates with it, on the controller alone",
    "cluster_ca_certificate": "what the cluster's members trust; it is no secret",
}
#: Keys lie in the folders of the services that they are for.
PRIVATE = ("/etc/provisioner/credentials/*", "/etc/**/key.pem", "/etc/**/*.p12")


def members(variables: Mapping[str, Any]) -> list[str]:
    """The networks of the cluster's members, on a host with these role variables; none where there are no rules."""
    return list(variables.get("common_networks") or [])
