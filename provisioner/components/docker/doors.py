"""Docker's doors: whoever speaks to the engine is root on the host."""

from collections.abc import Mapping
from typing import Any

from provisioner.components.door import GOSSIP, Door, Knock, Place, get
from provisioner.components.model import Port

DOORS = (
    Door((2377,), "a certificate of the swarm, or a token that joins it", knocks=(
        Knock("a connection without TLS", "tls", tls_is_enough=True),
    )),
    Door((7946,), "the key of the swarm's gossip", knocks=GOSSIP),
    Door((4789,), "a network of the cluster; whether packets in clear are taken can't be tried from outside"),
    Door(lock="nobody is to reach it", knocks=(get("/version"),), port=Port(2375, "Docker's API over TCP", public=False)),
    Door(lock="nobody is to reach it", knocks=(get("/version"),), port=Port(2376, "Docker's API over TLS", public=False)),
    Door(lock="root", knocks=(Knock("GET /version on the socket", "unix", "/run/docker.sock"),),
         port=Port(0, "Docker's socket", public=False)),
)


def networks(variables: Mapping[str, Any]) -> dict[Place, str]:
    """The networks of containers from which doors are tried, on a host with these role variables."""
    overlay = variables.get("docker_overlay", "none") != "none" and str(variables.get("docker_overlay_network") or "")
    return {"container": "bridge", **({"overlay": overlay} if overlay else {})}
