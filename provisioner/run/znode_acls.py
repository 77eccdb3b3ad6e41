"""Who may read and write the nodes that Mesos, Marathon and Chronos keep in ZooKeeper: the step `protect` of a plan.

Nodes that are made while everybody brings a password get the right rules by themselves; those that were there before keep
`world:anyone` for ever, and with it anyone could add a Mesos master.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from provisioner.context import Context
from provisioner.hosts.zookeeper import Node, open_tree
from provisioner.inventory.render import host_variables
from provisioner.plan.steps import Step
from provisioner.run.outcome import Event, Outcome
from provisioner.state import secrets

#: ZooKeeper's permission bits (ZooDefs.Perms): read, and read + write + create + delete + administer.
READ, ALL = 1, 31
Rules = tuple[tuple[int, str, str], ...]


class Nodes(Protocol):
    """What is needed of ZooKeeper here; see `KazooTree`."""

    def walk(self, *, top: str) -> Iterable[Node]:
        """Every lasting node from `top` on."""

    def own(self, path: str, acl: Rules) -> None:
        """Give a node these rules."""


def rules(path: str, digest: str, *, closed: bool = False) -> Rules:
    """What a node is to have: its owner everything, everybody reading where a leader's address is found; nobody else in a closed cluster.

    As the programs make them (recorded from Mesos 1.11; Marathon elects below `leader-curator`, older ones below `leader`).
    """
    owner = (ALL, "digest", digest)
    found_by_all = not closed and (path.split("/")[1] == "mesos" or path.rpartition("/")[2] in ("leader", "leader-curator"))
    return ((READ, "world", "anyone"), owner) if found_by_all else (owner,)


def give_owners(tree: Nodes, digests: Mapping[str, str], *, closed: bool = False) -> int:
    """Give every node below these paths the rules of its owner, `digests` by path; how many had others."""
    changed = 0
    for top, digest in digests.items():
        for node in list(tree.walk(top=top)):
            wanted = rules(node.path, digest, closed=closed)
            if sorted(node.acl) != sorted(wanted):
                tree.own(node.path, wanted)
                changed += 1
    return changed


class Owners:
    """Carries out the step `protect`; see outcome.Executor. From here: it takes a ZooKeeper client, and no host has one for certain."""

    def __init__(self, tree: Callable[[str], AbstractContextManager[Nodes]], digests: Callable[[], Mapping[str, str]], *,
                 closed: bool = False) -> None:
        self._tree = tree
        self._digests = digests
        self._closed = closed

    def __call__(self, step: Step, hosts: Sequence[str], on_event: Callable[[Event], None]) -> Outcome:
        """See outcome.Executor. Raises StepFailed, UnreachableError."""
        host = hosts[0]
        with self._tree(host) as tree:
            changed = give_owners(tree, self._digests(), closed=self._closed)
        return Outcome(changed=changed, tasks=1, changed_tasks=[f"{host}: {changed} nodes got their owner"] if changed else [])


def owners(context: Context) -> Owners:
    """For this cluster's ZooKeeper."""
    def value(host: str, name: str) -> Any:
        return host_variables(context.rendered, host).get(name, context.defaults[name])

    def tree(host: str) -> AbstractContextManager[Nodes]:
        passwords = secrets.counting(secrets.load(context.cluster), "vault_zookeeper_super_password")
        return open_tree(context.cluster, context.cluster.host(host), int(value(host, "zookeeper_client_port")), passwords)

    def digests() -> dict[str, str]:
        known = secrets.load(context.cluster)
        chronos = str(value(context.cluster.hosts[0].name, "chronos_zk_path")).strip("/").split("/")[0]
        paths = {"/mesos": "mesos", "/marathon": "marathon", f"/{chronos}": "chronos"}
        return {path: known[f"vault_zookeeper_{user}_digest"] for path, user in paths.items()}

    return Owners(tree, digests, closed=context.ledger.access == "closed")
