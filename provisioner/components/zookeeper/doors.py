"""ZooKeeper's doors: its protocol can't be encrypted for Mesos' client, so that what is stored is locked by rules on each node."""

import re

from provisioner.components.door import Door, Knock, Login

DOORS = (
    Door(("zookeeper_client_port",), "a network of the cluster, and the password of a node's owner", knocks=(
        Knock("srvr", "say", b"srvr".hex(), for_members=True),
        Knock("list /", "jute", "list"),
        Knock("create /…", "jute", "create"),
    )),
    Door(("zookeeper_peer_port", "zookeeper_election_port"), "a network of the cluster; a certificate where its members speak TLS", knocks=(
        Knock("a connection without a certificate", "tls"),
    )),
)
LOGINS = (Login("super", "zookeeper_super_password", "everything, from a host of the cluster", digest=True),)
SECRETS = {
    "zookeeper_super_password": "the driver changes rules and saves nodes with it",
    "zookeeper_super_digest": "what ZooKeeper knows of that password",
}
PRIVATE = ("/etc/zookeeper/provisioner/super.args",)


def weak(version: str) -> dict[str, str]:
    """Members of this version speak in clear."""
    if [int(part) for part in re.findall(r"\d+", version)[:3]] >= [3, 5, 5]:
        return {}
    return dict.fromkeys(("zookeeper_peer_port", "zookeeper_election_port"), f"members of ZooKeeper {version} speak no TLS")
