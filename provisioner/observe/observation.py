"""Asking the hosts: one exec per host, all at the same time, answered by the probe."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioner.cluster.facts import to_ansible_facts
from provisioner.cluster.model import Cluster, Host
from provisioner.components import COMPONENTS
from provisioner.errors import UnreachableError
from provisioner.hosts.failures import printable
from provisioner.hosts.login import login
from provisioner.hosts.openssh import Transport, fan_out, first_contact
from provisioner.inventory.render import host_variables
from provisioner.observe.probe_client import ask

#: A probe answers within a second; its own time-outs add up to a few seconds on a host where much hangs.
TIMEOUT_SECONDS = 30.0
#: A few hosts that answer nothing for so long after the others are called silent; a connection is waited for as long.
PATIENCE_SECONDS = 9.0
#: Characters about one component on one host; it may have lost everything.
MAX_REASONS = 4000
STATES = ("ok", "degraded", "down")


@dataclass(frozen=True)
class HostObservation:
    """What one host answered. `error` says why there is no answer, or no usable one; `hint` what to do about that.

    `unsettled` holds, for each component that was asked about, why its role must run, all that differs with '; ' between; '' when
    everything is still as applied.
    """

    reachable: bool
    error: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    health: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unsettled: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""


@dataclass(frozen=True)
class Observation:
    """What all hosts answered, by name."""

    hosts: Mapping[str, HostObservation]

    def silent(self) -> dict[str, UnreachableError]:
        """The hosts that did not answer, with the reason."""
        return {name: UnreachableError(host.error, where=name, hint=host.hint) for name, host in self.hosts.items() if not host.reachable}

    def facts(self) -> dict[str, dict[str, Any]]:
        """Those of the hosts that answered and were asked for them, in Ansible's words."""
        return {name: to_ansible_facts(host.facts) for name, host in self.hosts.items() if host.reachable and host.facts}

    def health(self, host: str, component: str) -> Mapping[str, Any] | None:
        """The answer about one component on one host; None when there is none."""
        seen = self.hosts.get(host)
        return seen.health.get(component) if seen else None

    def drift(self, host: str, component: str) -> str:
        """What of a component is no longer as it was applied; '' only when the host answered that everything is."""
        seen = self.hosts.get(host)
        return "not known" if seen is None else seen.unsettled.get(component, "not known")

    def why(self, host: str, component: str) -> str:
        """Why a component's role must run on a host; '' only when the host answered that everything is as applied, and works."""
        health = self.health(host, component) or {}
        state = health.get("state", "not known")
        ill = f"it {health['detail']}" if state == "down" and health.get("leader") else f"it is {state}"
        return self.drift(host, component) or ("" if state == "ok" else ill)


def observe(cluster: Cluster, rendered: Mapping[str, Any], transport: Transport, *, hosts: Sequence[str] = (),
            components: Collection[str] = (), sections: Sequence[str] = ("facts", "health"),
            applied: Mapping[str, Any] | None = None, silent: Mapping[str, UnreachableError] | None = None,
            patience: float | None = None) -> Observation:
    """Ask every host, or only those named, for its facts and for the health of what it runs, or only of the components named.

    Never raises for a host.

    Those in `silent` are known not to answer and not waited for again. With `applied` (by host, see `fingerprint.questions`) also
    whether what was applied is still so. `patience`: see `fan_out`.
    """
    lost = dict(silent or {})
    asked = [h for h in cluster.hosts if (not hosts or h.name in hosts) and h.name not in lost]

    def one(host: Host) -> HostObservation:
        health = {name: asked for name, asked in questions(rendered, host).items() if not components or name in components}
        request: dict[str, Any] = {"sections": list(sections), "health": health}
        if applied and host.name in applied:
            request["sections"].append("unsettled")
            request["applied"] = applied[host.name]
        return _ask(host, request, transport)

    answers = fan_out(asked, one, patience=patience)
    return Observation({name: HostObservation(False, said.message, hint=said.hint) if isinstance(said, UnreachableError) else said
                        for name, said in {**answers, **lost}.items()})


def observe_once(cluster: Cluster, rendered: Mapping[str, Any], transport: Transport, shortcut: Transport, applied: Mapping[str, Any],
                 components: Collection[str]) -> Observation:
    """Ask the hosts of `applied` all there is to ask, once: facts, health, and whether what was applied is still so.

    It goes by `shortcut`; by `transport` one host of each login is tried before where it is by password, as several wrong ones lock an
    account (a refused key locks none). Hosts that answer nothing for PATIENCE_SECONDS after the others are silent. Raises the SshError
    of a refused login.
    """
    lost = first_contact(cluster, [h for h in cluster.hosts if h.name in applied and login(h).password], transport)
    return observe(cluster, rendered, shortcut, hosts=[*applied], components=components, applied=applied, silent=lost,
                   patience=PATIENCE_SECONDS)


def questions(rendered: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """The probe requests of the components that this host is to run: the same that their roles' checks send."""
    variables = host_variables(rendered, host.name)
    return {c.name: variables[c.probe_variable] for c in COMPONENTS
            if c.name in host.groups and c.probe_variable in variables}


def _ask(host: Host, request: Mapping[str, Any], transport: Transport) -> HostObservation:
    answer = ask(transport, host, request, timeout=TIMEOUT_SECONDS)
    why = "; ".join(f"{section}: {text}" for section, text in answer.errors.items())
    unsettled = {component: _text(answer.unsettled[component], MAX_REASONS) for component in request.get("applied", {})
                 if isinstance(answer.unsettled.get(component), str)}
    return HostObservation(True, why, answer.facts, _trusted(answer.health, request["health"]), unsettled)


def _trusted(health: object, asked: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Only what was asked, in the promised types: hosts are not trusted."""
    found: dict[str, Mapping[str, Any]] = {}
    for component in asked:
        said = health.get(component) if isinstance(health, dict) else None
        if not isinstance(said, dict):
            continue
        state, facts = said.get("state"), said.get("facts")
        found[component] = {
            "state": state if state in STATES else "down",
            "leader": bool(said.get("leader")),
            "version": _text(said.get("version", ""), 100),
            "stand_in": bool(said.get("stand_in")),
            "detail": _text(said.get("detail", ""), 1000),
            "facts": facts if isinstance(facts, dict) else {},
        }
    return found


def _text(value: object, limit: int) -> str:
    """Short and without control characters: it ends up on terminals."""
    return printable(str(value)[:limit].encode("utf-8", "replace"))
