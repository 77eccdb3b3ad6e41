"""What a backup keeps of ZooKeeper: the nodes of applications."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import AbstractContextManager

from provisioner.cluster.names import counted
from provisioner.hosts.zookeeper import Node, Tree, open_tree
from provisioner.run.backup_parts import Part, Sources
from provisioner.state.secrets import counting

#: What belongs to ZooKeeper itself and to services that are saved through their own interface or keep nothing that outlives them.
OWN_TREES = ("/zookeeper", "/mesos", "/marathon", "/chronos")


def part(sources: Sources) -> Part:
    """Through a member that works, as the one who may do everything."""
    member, cluster = sources.working[0], sources.context.cluster
    port, passwords = int(sources.value(member, "zookeeper_client_port")), counting(sources.secrets, "vault_zookeeper_super_password")
    return ZooKeeperNodes(lambda: open_tree(cluster, member, port, passwords))


class ZooKeeperNodes:
    """What applications keep in ZooKeeper."""

    file = "zookeeper.json"

    def __init__(self, tree: Callable[[], AbstractContextManager[Tree]]) -> None:
        self._tree = tree

    def save(self) -> bytes:
        """See Part."""
        with self._tree() as tree:
            nodes = [{"path": n.path, "data": base64.b64encode(n.data).decode(), "acl": n.acl} for n in tree.walk(OWN_TREES)]
        return json.dumps(nodes).encode()

    def put_back(self, data: bytes) -> str:
        """See Part. The rules who may read and write a node come back with it."""
        nodes = [Node(str(n["path"]), base64.b64decode(n["data"]), tuple((int(p), str(s), str(i)) for p, s, i in n["acl"]))
                 for n in json.loads(data)]
        with self._tree() as tree:
            for node in nodes:
                tree.put(node)
        return counted(len(nodes), "node")
