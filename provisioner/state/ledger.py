"""Identities that were handed out once and are never handed out again. The file lies beside the inventory."""

from __future__ import annotations

import ipaddress
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from provisioner.cluster.model import Cluster, Host, name_order
from provisioner.errors import InventoryError
from provisioner.state.files import private_dir, write_private
from provisioner.state.yaml_document import parse, read_text

SCHEMA_VERSION = 1
#: ZooKeeper administrator's guide: `myid` is 1 to 255.
ID_MAX = 255
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RESTORE = "restore it from a backup: without it ZooKeeper ids could be handed out twice"


@dataclass(frozen=True)
class Ledger:
    """`zookeeper_ids`: member → its id. `retired_ids`: id → the host that had it and left; nobody else gets it.

    `drained`: hosts whose Mesos agent is to take no work until `provision undrain`. `small`: hosts with the sizes of a cluster on one
    machine, because theirs was one in the beginning; they stay so, as an agent can't offer less than it once did. `addresses`: DNS name
    → the IPv4 address that the cluster knows it by. `inventory`: the file that the cluster was described by last, and `machines`: its
    voters' SSH addresses then. `access`: whether the cluster is closed or open, as `cluster_access` means it, and `switching`: a run has
    begun to make it so and none has completed it yet.
    """

    cluster_id: str
    zookeeper_ids: Mapping[str, int] = field(default_factory=dict)
    retired_ids: Mapping[int, str] = field(default_factory=dict)
    drained: frozenset[str] = frozenset()
    small: frozenset[str] = frozenset()
    addresses: Mapping[str, str] = field(default_factory=dict)
    inventory: str = ""
    machines: Mapping[str, str] = field(default_factory=dict)
    access: str = ""
    switching: bool = False


def ledger_path(cluster: Cluster) -> Path:
    """Where the ledger of a cluster is kept."""
    return cluster.state_dir / "ledger.yml"


def load(cluster: Cluster) -> Ledger:
    """The ledger of a cluster; a new one with a fresh cluster id when there is none yet.

    Raises InventoryError, also when it is that of another cluster: of another file beside this one, with none of its machines.
    """
    path = ledger_path(cluster)
    if not path.exists():
        return Ledger(str(uuid.uuid4()))
    found = _stored(path)
    _refuse_namesake(found, cluster)
    return found


def take_over(cluster: Cluster) -> None:
    """Make a ledger that was put back that of this inventory: its machines may be other ones. Raises InventoryError, ProvisionError."""
    save(cluster, replace(_stored(ledger_path(cluster)), addresses={}, **_owner(cluster)))


def _stored(path: Path) -> Ledger:
    source = str(path)
    root = parse(read_text(path, source), source)
    try:
        return _read(root.plain() if root else {}, source)
    except KeyError as error:
        raise InventoryError(f"the ledger has no {error}", where=source, hint=_RESTORE) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise InventoryError(f"this is not a ledger: {error}", where=source, hint=_RESTORE) from error


def _owner(cluster: Cluster) -> dict[str, Any]:
    return {"inventory": cluster.path.name, "machines": {h.name: h.address for h in cluster.members("zookeeper")}}


def _refuse_namesake(found: Ledger, cluster: Cluster) -> None:
    """Whoever renames an inventory keeps its machines, whoever moves to other machines keeps the file: who does neither has another
    cluster, which would get the identities and secrets of this one."""
    if found.inventory in ("", cluster.path.name) or {*found.machines.values()} & {host.address for host in cluster.hosts}:
        return
    machines = ", ".join(f"{name} {address}" for name, address in found.machines.items())
    raise InventoryError(
        f"cluster_name {cluster.name} is that of {found.inventory} in the same directory, a cluster of other machines ({machines})",
        where=str(cluster.path), hint="give this inventory a cluster_name of its own; if all machines of that cluster got new addresses, "
                                      f"change them in {found.inventory}")


def save(cluster: Cluster, ledger: Ledger) -> None:
    """Write the ledger when it differs from what is there. Raises ProvisionError."""
    path = ledger_path(cluster)
    text = _text(ledger)
    if not path.exists() or path.read_text() != text:
        private_dir(path.parent)
        write_private(path, text.encode())


def assign(ledger: Ledger, cluster: Cluster) -> Ledger:
    """The ledger with an id for every ZooKeeper member, the ids of those that left retired, and the inventory that it is for.

    An id never changes. A new member gets the lowest id that nobody has or had; a host that comes back gets its own
    again. Raises InventoryError when an id written in the inventory contradicts the ledger.
    """
    members, everybody = cluster.members("zookeeper"), {h.name for h in cluster.hosts}
    small = everybody if len(everybody) == 1 and not (ledger.zookeeper_ids or ledger.retired_ids) else ledger.small & everybody
    names = {h.name for h in members}
    retired = dict(ledger.retired_ids) | {i: name for name, i in ledger.zookeeper_ids.items() if name not in names}
    ids = {name: i for name, i in ledger.zookeeper_ids.items() if name in names}
    for host in members:
        wanted = host.variables.get("zookeeper_id")
        if isinstance(wanted, int):
            _agree(host, wanted, ids, retired)
            ids[host.name] = wanted
            retired.pop(wanted, None)
    for host in members:
        if host.name not in ids:
            ids[host.name] = _own(host, retired) or _free(host, {*ids.values(), *retired})
            retired.pop(ids[host.name], None)
    return replace(ledger, zookeeper_ids=_sorted(ids), retired_ids=dict(sorted(retired.items())), access=wanted_access(ledger, cluster),
                   drained=ledger.drained & everybody, small=frozenset(small), **_owner(cluster))


def switch(ledger: Ledger, cluster: Cluster) -> str:
    """What a cluster that was built becomes by its inventory, `closed` or `open`; '' where it stays what it is."""
    built = bool(ledger.zookeeper_ids or ledger.retired_ids)
    now, wanted = access(ledger), wanted_access(ledger, cluster)
    return wanted if built and wanted != now else ""


def access(ledger: Ledger) -> str:
    """What a cluster is that was built, `closed` or `open`: one from before there was a choice is open. Of a new one what it will be."""
    return ledger.access or "open"


def access_doubt(ledger: Ledger, cluster: Cluster) -> str:
    """A sentence, with the command, where a cluster is not as closed or open as its inventory says, or only in part; '' where it is."""
    if wanted := switch(ledger, cluster):
        return f"cluster_access in the inventory is {wanted}, and this cluster is still {access(ledger)}: 'provision up' changes that"
    if ledger.switching:
        return f"this cluster is only in part {ledger.access}: a run that was to make it so did not come to its end; 'provision up' goes on"
    return ""


def wanted_access(ledger: Ledger, cluster: Cluster) -> str:
    """As the inventory says, else as it was; one that was built before there was a choice, or wants no passwords, is open."""
    built = ledger.zookeeper_ids or ledger.retired_ids or cluster.variables.get("cluster_authentication") is False
    return str(cluster.variables.get("cluster_access") or ledger.access or ("open" if built else "closed"))


def _agree(host: Host, wanted: int, ids: Mapping[str, int], retired: Mapping[int, str]) -> None:
    known = ids.get(host.name)
    owner = next((name for name, i in ids.items() if i == wanted), retired.get(wanted))
    where, hint = host.where, "remove the line zookeeper_id, or write the id it has: ids are never changed or used twice"
    if known is not None and known != wanted:
        raise InventoryError(f"{host.name} has zookeeper_id {wanted} here, but {known} in the ledger", where=where, hint=hint)
    if owner is not None and owner != host.name:
        message = f"{host.name} can't have zookeeper_id {wanted}: the ledger gave it to {owner}"
        raise InventoryError(message, where=where, hint=hint)


def _own(host: Host, retired: Mapping[int, str]) -> int:
    return min((i for i, name in retired.items() if name == host.name), default=0)


def _free(host: Host, taken: set[int]) -> int:
    found = next(i for i in count(1) if i not in taken)
    if found > ID_MAX:
        raise InventoryError(
            f"all ZooKeeper ids from 1 to {ID_MAX} were handed out; {host.name} can't get one",
            where=host.where,
            hint="delete the lines of machines that no longer exist below retired_zookeeper_ids in the ledger",
        )
    return found


def _sorted(ids: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(ids.items(), key=lambda item: name_order(item[0])))


def _text(ledger: Ledger) -> str:
    retired = {str(i): host for i, host in ledger.retired_ids.items()}
    lines = [
        "# Written by 'provision': identities that must never change. Keep a backup.",
        f"version: {SCHEMA_VERSION}",
        f"cluster_id: {ledger.cluster_id}",
        *_block("zookeeper_ids", ledger.zookeeper_ids),
        "# Ids of hosts that left. They are never given to another host.",
        *_block("retired_zookeeper_ids", retired),
        "# Agents that take no work until 'provision undrain'.",
        f"drained: {json.dumps(sorted(ledger.drained))}",
        "# Hosts with the sizes of a cluster on one machine.",
        f"small: {json.dumps(sorted(ledger.small))}",
        "# The inventory, and the machines that vote: another inventory of this name is another cluster.",
        f"inventory: {json.dumps(ledger.inventory)}",
        "# Whether nobody gets in without a password (cluster_access).",
        f"access: {json.dumps(ledger.access)}",
        *(["# A run began to make it so and did not complete it.", "switching: true"] if ledger.switching else []),
        *_block("machines", ledger.machines),
    ]
    if ledger.addresses:
        lines += ["# What these names were when the cluster was built. It goes by the addresses.", *_block("addresses", ledger.addresses)]
    return "\n".join(lines) + "\n"


def _block(name: str, entries: Mapping[str, object]) -> list[str]:
    # A JSON string is a quoted YAML string: a host named 10 must not turn into a number.
    rows = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in entries.items()]
    return [f"{name}:", *rows] if rows else [f"{name}: {{}}"]


def _read(content: Mapping[str, Any], source: str) -> Ledger:
    version = content["version"]
    if not isinstance(version, int) or version < 1:
        raise ValueError("its version is not a number")
    if version > SCHEMA_VERSION:
        message = f"a newer 'provision' wrote this ledger (version {version}; this one knows {SCHEMA_VERSION})"
        raise InventoryError(message, where=source, hint="use the newer 'provision' for this cluster")
    ids = {str(name): i for name, i in content["zookeeper_ids"].items()}
    retired = {int(i): str(host) for i, host in content["retired_zookeeper_ids"].items()}
    every = [*ids.values(), *retired]
    if not all(isinstance(i, int) and 1 <= i <= ID_MAX for i in every) or len(set(every)) < len(every):
        raise ValueError("its ids are not different numbers from 1 to 255")
    if not _UUID.fullmatch(content["cluster_id"]):
        raise ValueError("its cluster_id is not a UUID")
    marked = {name: content.get(name, []) for name in ("drained", "small")}
    for name, hosts in marked.items():
        if not isinstance(hosts, list):
            raise ValueError(f"{name} is not a list of hosts")
    texts = {key: {str(k): str(v) for k, v in content.get(key, {}).items()} for key in ("addresses", "machines")}
    for address in texts["addresses"].values():
        ipaddress.IPv4Address(address)
    return Ledger(content["cluster_id"], _sorted(ids), retired, frozenset(map(str, marked["drained"])),
                  frozenset(map(str, marked["small"])), texts["addresses"], str(content.get("inventory", "")), texts["machines"],
                  str(content.get("access", "")), content.get("switching") is True)
