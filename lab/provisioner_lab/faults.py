"""What a test may break in a lab: hosts without power, frozen ones, single processes, the network between hosts, what vendors serve."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Literal, Self

from provisioner.components import component, component_names
from provisioner.errors import ProvisionError, UsageError
from provisioner.mirror.programs import failure
from provisioner_lab.hosts import inventory, nodes
from provisioner_lab.model import VENDORS, Lab
from provisioner_lab.work import start_node

#: How the chains of packet filter rules that make a partition begin; what an earlier test run left is found by it.
CHAIN = "provision-cut-"

# FORWARD as well, for what goes to and from containers. Each side drops what the other sends: nobody hears a refusal.
_CUT = """
set -e; chain=$1; shift
iptables -w -N "$chain"
for address; do iptables -w -A "$chain" -s "$address" -j DROP; done
iptables -w -I INPUT -j "$chain"; iptables -w -I FORWARD -j "$chain"
"""
# A host that was started again in the meantime has no chain any more, and one that was never brought up no iptables.
_MEND = """
command -v iptables >/dev/null || exit 0
set -e
for chain in $(iptables -w -S | sed -n "s/^-N \\($1.*\\)/\\1/p"); do
  for hook in INPUT FORWARD; do
    while iptables -w -C "$hook" -j "$chain" 2>/dev/null; do iptables -w -D "$hook" -j "$chain"; done
  done
  iptables -w -F "$chain"; iptables -w -X "$chain"
done
"""

#: What may go wrong with what a vendor serves: `lab/vendors/serve.py` says what each is.
Wrong = Literal["status", "slow", "cut", "damaged", "expired", "loop"]


class Fault:
    """Something that is broken on purpose, until `undo` or the end of a `with` block. `undo` may be called again."""

    def __init__(self, undo: Callable[[], None]) -> None:
        self._undo: Callable[[], None] | None = undo

    def undo(self) -> None:
        """Make it whole again, as far as that takes something to do. Raises ProvisionError."""
        if self._undo:
            self._undo()
        self._undo = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.undo()


def kill_host(lab: Lab, host: str) -> Fault:
    """No power, without warning."""
    nodes.kill(lab, host)
    return Fault(lambda: _start(lab, host))


def kill_component(lab: Lab, host: str, name: str) -> Fault:
    """Every process of a component's unit on a host ends without warning; systemd starts the unit again by itself."""
    if name not in component_names() or not component(name).unit:
        raise UsageError(f"{name!r} runs no unit that could be killed", hint="one of " + ", ".join(
            each for each in component_names() if component(each).unit))
    unit = component(name).unit
    _on(lab, host, "systemctl kill --signal=KILL \"$1\"", unit)
    return Fault(lambda: _on(lab, host, "systemctl start \"$1\"", unit))


def pause_host(lab: Lab, host: str) -> Fault:
    """Every process of a host is frozen: it neither answers nor refuses."""
    nodes.pause(lab, host)
    return Fault(lambda: _start(lab, host))


def partition(lab: Lab, hosts: Sequence[str], others: Sequence[str]) -> Fault:
    """No packet gets from one of `hosts` to one of `others` or back. This machine and the mirror still reach all of them."""
    chain = f"{CHAIN}{secrets.token_hex(4)}"
    away = {name: [lab.node(other).address for other in far] for near, far in ((hosts, others), (others, hosts)) for name in near}
    fault = Fault(lambda: mend(lab, list(away), chain))
    try:
        _side_by_side(lambda name: _on(lab, name, _CUT, chain, *away[name]), list(away))
    except ProvisionError:
        fault.undo()
        raise
    return fault


def spoil(lab: Lab, where: str, what: Wrong, amount: int = 0) -> Fault:
    """Something goes wrong with what the played vendors serve at `where`, a shell pattern of `name/path`; an earlier fault there is over.

    `amount` is the status of `status`, the bytes a second of `slow`, the bytes after which `cut` ends. Raises UsageError in a lab without
    them.
    """
    if VENDORS not in nodes.read_states(lab):
        raise UsageError(f"no vendors are played in the lab {lab.name!r}", hint=f"provision lab up --vendors --name {lab.name}")
    _ask_for(lab, [{"where": where, "what": what, "amount": amount}, *_others(lab, where)])
    return Fault(lambda: _ask_for(lab, _others(lab, where)))


def unspoil(lab: Lab) -> None:
    """The vendors serve everything as it is."""
    _ask_for(lab, [])


def _others(lab: Lab, where: str) -> list[dict[str, Any]]:
    path = lab.vendors_folder / "faults.json"
    asked: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return [each for each in asked if each["where"] != where]


def _ask_for(lab: Lab, faults: list[dict[str, Any]]) -> None:
    if lab.vendors_folder.is_dir():
        inventory.save(lab.vendors_folder / "faults.json", json.dumps(faults, indent=1) + "\n")


def mend(lab: Lab, hosts: Sequence[str], chain: str = CHAIN) -> None:
    """Take away the chains on these hosts whose names begin like this."""
    _side_by_side(lambda name: _on(lab, name, _MEND, chain), hosts)


def _start(lab: Lab, host: str) -> None:
    start_node(lab, host, say=lambda _: None)


def _side_by_side(act: Callable[[str], None], hosts: Sequence[str]) -> None:
    with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
        list(pool.map(act, hosts))


def _on(lab: Lab, host: str, script: str, *arguments: str) -> None:
    done = nodes.exec_in(lab, host, ["sh", "-c", script, "sh", *arguments])
    if done.returncode:
        raise failure(f"a command on {host}", done.returncode, (done.stderr + done.stdout).decode(errors="replace"))
