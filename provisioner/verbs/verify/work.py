"""`provision verify`: proves end to end that the stack works, and leaves nothing behind, also when it fails or is interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from types import ModuleType
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.cluster.names import counted, host_list
from provisioner.components import COMPONENTS, SCHEDULERS, component
from provisioner.errors import ProvisionError, UnreachableError
from provisioner.hosts.openssh import Transport
from provisioner.hosts.remote_calls import BrokenLink
from provisioner.observe import registration
from provisioner.observe.proof import Link, Proof, Skipped, make_proof

Say = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """One proven, broken or skipped part of the chain. `link` names what it goes over; where it broke, what broke it."""

    name: str
    link: str
    ok: bool
    seconds: float
    detail: str
    skipped: bool = False

    def describe(self) -> str:
        """One line for people."""
        mark = "skip" if self.skipped else "ok" if self.ok else "FAIL"
        text = self.detail if self.ok else f"{self.link}: {self.detail}"
        return f"{mark:<4} {self.name:<46} {self.seconds:6.1f} s  {text}"


@dataclass(frozen=True)
class Report:
    """All steps that were tried, in order; the first one that is not ok stopped the rest."""

    cluster: str
    steps: tuple[Step, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Nothing broke."""
        return all(step.ok for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """The object that `verify --json` prints; `broken` is the first link that does not hold."""
        broken = next((step.link for step in self.steps if not step.ok), "")
        return {"cluster": self.cluster, "ok": self.ok, "broken": broken, "seconds": round(self.seconds, 1),
                "steps": [asdict(step) for step in self.steps]}


def hosts_answer(proof: Proof) -> str:
    """Every host can be reached, and the components' proofs are prepared."""
    seen = proof.look(())
    away = [(name, host.error) for name, host in seen.hosts.items() if not host.reachable]
    if away:
        raise BrokenLink(f"SSH to {host_list([name for name, _ in away])}", "; ".join(dict.fromkeys(error for _, error in away)))
    said = [part.prepare(proof, seen) for part in _parts() if hasattr(part, "prepare")]
    return "; ".join([counted(len(seen.hosts), "host answers", "hosts answer"), *filter(None, said)])


def links(cluster: Cluster | None = None) -> tuple[Link, ...]:
    """All that is proven: what everything needs, then the components in build order, as each needs the ones before it.

    Of a `cluster` without the proofs of components that it need not have, and has not.
    """
    schedulers = ", ".join(component(name).title for name in SCHEDULERS)
    return (Link("every host answers", "SSH", hosts_answer),
            Link("Mesos knows the frameworks of the leaders", f"{schedulers} → Mesos", registration.registered),
            *(link for part in _parts(cluster) for link in part.LINKS))


def _parts(cluster: Cluster | None = None) -> list[ModuleType]:
    there = (c for c in COMPONENTS if cluster is None or c.shorthand or cluster.members(c.name))
    return [part for c in there if (part := c.part("proof"))]


def verify(cluster: Cluster, rendered: Mapping[str, Any], transport: Transport, say: Say) -> Report:
    """Prove the whole chain on the running cluster; each step is said when it is over. Never raises for a broken link."""
    return prove(make_proof(cluster, rendered, transport), say)


def prove(proof: Proof, say: Say) -> Report:
    """The same on a given proof."""
    begin = time.monotonic()
    say(f"proving {proof.cluster.name} with {proof.name}")
    steps: list[Step] = []
    try:
        for link in links(proof.cluster):
            steps.append(_try(link.name, link.link, partial(link.prove, proof)))
            say(steps[-1].describe())
            if not steps[-1].ok:
                break
    finally:
        # On Ctrl-C too; a second Ctrl-C leaves it.
        if proof.begun:
            steps.append(_try("nothing is left behind", "cleaning up", partial(_clean, proof)))
            say(steps[-1].describe())
    return Report(proof.cluster.name, tuple(steps), time.monotonic() - begin)


def _try(name: str, link: str, function: Callable[[], str]) -> Step:
    begin = time.monotonic()

    def step(ok: bool, where: str, detail: str, skipped: bool = False) -> Step:
        return Step(name, where, ok, round(time.monotonic() - begin, 1), detail, skipped)

    try:
        return step(True, link, function())
    except Skipped as reason:
        return step(True, link, f"skipped: {reason}", skipped=True)
    except BrokenLink as broken:
        return step(False, broken.link, str(broken))
    except UnreachableError as error:
        return step(False, f"SSH to {error.where}" if error.where else "SSH", error.message)
    except ProvisionError as error:
        return step(False, link, str(error))


def _clean(proof: Proof) -> str:
    """Every undoing is tried; the first that did not work is what is said."""
    failed: list[BrokenLink] = []
    if proof.begun & {"app", "job"}:
        registration.await_settled(proof)
    cleaning = [undo for part in _parts() for begun, undo in getattr(part, "CLEANING", ()) if begun in proof.begun]
    for function in cleaning:
        try:
            function(proof)
        except BrokenLink as broken:
            failed.append(broken)
        except ProvisionError as error:
            failed.append(BrokenLink("cleaning up", error.message))
    if failed:
        raise BrokenLink(failed[0].link, "; ".join(str(f) for f in failed))
    return ""
