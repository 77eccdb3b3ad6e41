"""What Chronos's role refuses of its variables."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.components import COMPONENTS
from provisioner.inventory.role_rules import filters, internals, known_flags
from provisioner.inventory.settings import Problem, Values

FLAGS = "chronos_extra_flags"


def problems(values: Values) -> Iterator[Problem]:
    """The problems of one host."""
    flags, extra = filters("flags"), values.get(FLAGS, {})
    for message in flags.flag_problems(extra, FLAGS, known_flags("chronos"), internals("chronos")["__chronos_owned"]):
        yield FLAGS, message
    for message in flags.scallop_problems(extra, "Chronos"):
        yield FLAGS, message
    top = str(values.get("chronos_zk_path", "")).strip("/").partition("/")[0]
    taken = {"zookeeper": "ZooKeeper itself"} | {node.strip("/").partition("/")[0]: c.title for c in COMPONENTS for node in c.znodes
                                                 if not node.startswith("{")}
    if top in taken:
        yield "chronos_zk_path", f"chronos_zk_path: /{top} belongs to {taken[top]}: choose a path of its own, like /chronos/state"
