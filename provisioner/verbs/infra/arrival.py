"""Waiting for new machines: until each shows its key and lets us in."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from provisioner.cluster.model import Cluster, Host
from provisioner.cluster.names import host_list
from provisioner.errors import UnreachableError
from provisioner.hosts.host_keys import establish
from provisioner.hosts.login import login
from provisioner.hosts.openssh import SshError, Transport, fan_out
from provisioner.observe.wait import wait_until

PAUSE_SECONDS = 2.0
#: Longest that one login may take: a frozen host holds an open connection that long.
LOGIN_SECONDS = 20.0
#: What time does not heal.
FINAL = frozenset({"host-key-changed", "host-key-unknown", "key-file", "configuration"})


def await_hosts(cluster: Cluster, wanted: Collection[str], transport: Transport, *, seconds: float, again: str,
                say: Callable[[str], None]) -> None:
    """Until every host of these lets us in; the keys of new ones are recorded as they come, side by side.

    A round begins only within `seconds`, and lasts 30 s at most. Raises UnreachableError that names who did not come and why;
    `again` is the command that goes on.
    """
    began = time.monotonic()
    missing = [host for host in cluster.hosts if host.name in wanted]
    said: dict[str, UnreachableError] = {}

    def look() -> list[Host]:
        nonlocal missing, said
        said = _round(cluster, missing, transport, say)
        missing = [host for host in missing if host.name in said]
        return missing

    def over(left: list[Host]) -> bool:
        waited = time.monotonic() - began
        if waited >= seconds or not any(_may_come(said[host.name], host, cluster) for host in left):
            return True
        say(f"waiting for SSH on {host_list([h.name for h in left])}: {waited:.0f} s of {seconds:.0f} s")
        return False

    if wait_until(look, over, seconds, pause=PAUSE_SECONDS):
        waited = time.monotonic() - began
        reasons = "".join(f"\n  {h.name} ({h.address}): {said[h.name].message}; {said[h.name].hint}" for h in missing)
        names = host_list([h.name for h in missing])
        raise UnreachableError(f"no way in by SSH after {waited:.0f} s to {names}; all others are there:{reasons}",
                               hint=f"check the machine's console; the same command goes on from here: {again}")


def answers(cluster: Cluster, hosts: Sequence[Host], transport: Transport) -> dict[str, UnreachableError]:
    """Asks each host once; the error of each that lets nobody in."""

    def enter(host: Host) -> None:
        done = transport.run(host, "true", timeout=LOGIN_SECONDS)
        if done.code:  # a shell such as nologin, or a connection that broke without a word
            said = (done.stderr + done.stdout).decode(errors="replace").strip()
            raise UnreachableError(f"the login works, but commands fail (exit {done.code}): {said}", where=host.name,
                                   hint="check this user's shell")

    return {name: said for name, said in fan_out(hosts, enter).items() if isinstance(said, UnreachableError)}


def _round(cluster: Cluster, hosts: Sequence[Host], transport: Transport, say: Callable[[str], None]) -> dict[str, UnreachableError]:
    silent = establish(cluster, say=say, hosts=[h.name for h in hosts])
    return {**silent, **answers(cluster, [h for h in hosts if h.name not in silent], transport)}


def _may_come(error: UnreachableError, host: Host, cluster: Cluster) -> bool:
    """A login by key is refused until cloud-init has made the user; a password is not tried twice, which could lock the account."""
    if not isinstance(error, SshError):
        return True
    return error.cause not in FINAL and not (error.cause == "auth" and login(host).password)
