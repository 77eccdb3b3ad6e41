"""Who is in the cluster: a host that is gone for good is taken out by one that stays."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from provisioner.cluster.model import Host
from provisioner.hosts.remote_calls import RemoteCalls


def forget(calls: RemoteCalls, working: Sequence[Host], name: str) -> None:
    """Take a lost host out: Consul keeps one that went without a word for days. `working`: the servers that do."""
    if working:
        calls.http(working[0], "PUT", "127.0.0.1:8500", f"/v1/agent/force-leave/{quote(name, safe='')}?prune", credentials="consul")
