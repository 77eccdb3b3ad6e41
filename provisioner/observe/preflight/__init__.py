"""The look before any change: every host is asked once, all at the same time, and everything that would fail later is said now."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from provisioner.cluster.model import Cluster, Host
from provisioner.components import COMPONENTS, SERVER_GROUPS, component_names
from provisioner.errors import UnreachableError
from provisioner.hosts.openssh import Transport, fan_out, first_contact
from provisioner.inventory import site
from provisioner.inventory.render import host_variables
from provisioner.inventory.schema import load_schema
from provisioner.observe.preflight import fleet, others, ports, size, sources, system
from provisioner.observe.preflight.report import Finding, Report, Seen
from provisioner.observe.preflight.sources import Sources
from provisioner.observe.probe_client import Answer, ask

__all__ = ["Finding", "Report", "Seen", "preflight"]

Rule = Callable[[Seen], Iterator[Finding]]
#: Seconds a host may take: its slowest part is trying the package sources, all at the same time.
PROBE_SECONDS = 120.0
HOST_RULES = (*system.RULES, *size.RULES, *ports.RULES, *sources.RULES, *others.RULES)


def preflight(cluster: Cluster, rendered: Mapping[str, Any], transport: Transport, *, hosts: Collection[str] = (),
              components: Collection[str] | None = None, silent: Mapping[str, UnreachableError] | None = None) -> Report:
    """Look at every host (or those named) for what it is to run (or for the named components). Changes nothing.

    Those in `silent` are known not to answer and not waited for again.

    `rendered` is the rendered inventory. A host that can't be reached is a finding, not an error. Raises UnreachableError
    when a login is refused: then no other host with the same login was tried.
    """
    asked = [h for h in cluster.hosts if not hosts or h.name in hosts]
    requests = _requests(asked, rendered, cluster, components)
    lost = dict(silent or {})
    lost |= first_contact(cluster, [h for h in asked if h.name not in lost], transport)
    answers: dict[str, Answer | UnreachableError] = {
        **fan_out((h for h in asked if h.name not in lost),
                  lambda h: ask(transport, h, requests[h.name].probe_request, timeout=PROBE_SECONDS)),
        **lost,
    }
    seen = [requests[h.name].seen(said) for h in asked if isinstance(said := answers[h.name], Answer)]
    errors = {h.name: said for h in asked if isinstance(said := answers[h.name], UnreachableError)}
    findings = [Finding("fail", name, "ssh", error.message, error.hint) for name, error in errors.items()]
    whole = [one for one in seen if not one.errors]
    findings += [finding for one in seen for finding in _entered(one)]
    findings += [finding for one in whole for rule in rules_of(one.components) for finding in rule(one)]
    findings += [finding for rule in fleet.RULES for finding in rule(whole)]
    return Report(tuple(findings), {one.host: one.facts for one in whole}, errors)


def rules_of(groups: frozenset[str]) -> list[Rule]:
    """Those for every host, and those of the components that it is to run: `RULES` in `components/<name>/preflight.py`.

    What a component's rules need of the host is asked by its `question(variables)`, a part of the probe's request.
    """
    return [*HOST_RULES, *(rule for part in _parts(groups) for rule in part.RULES)]


def _parts(groups: frozenset[str]) -> list[ModuleType]:
    return [part for c in COMPONENTS if c.name in groups and (part := c.part("preflight"))]


@dataclass(frozen=True)
class _Request:
    """One host, what it is to run, and what it is asked."""

    host: str
    components: frozenset[str]
    variables: Mapping[str, Any]
    sources: Sources
    neighbours: Mapping[str, str]

    @property
    def probe_request(self) -> dict[str, Any]:
        """The probe's request."""
        needed = ports.needed_ports(self.components, self.variables)
        return {
            "sections": ["facts", "preflight"],
            "preflight": {
                "ports": [{"port": p.port, "protocol": p.protocol} for p in needed],
                "disks": list(size.directories(self.components, self.variables)),
                "overlay": bool(self.variables.get("kernel_overlay")),
                "others": others.question(self.components, self.variables),
                "sources": self.sources.questions,
                "proxies": {name.replace("_proxy", ""): value for name, value in self.variables.get("proxy_environment", {}).items()},
                **{key: value for part in _parts(self.components) if hasattr(part, "question")
                   for key, value in part.question(self.variables).items()},
            },
        }

    def seen(self, answer: Answer) -> Seen:
        """The host as the rules see it."""
        return Seen(self.host, self.components, self.variables, answer.facts, answer.preflight, answer.errors, answer.ahead, self.sources,
                    self.neighbours)


def _requests(hosts: Collection[Host], rendered: Mapping[str, Any], cluster: Cluster,
              components: Collection[str] | None) -> dict[str, _Request]:
    """One request per host. What a mirror serves is hashed by the first host that needs it, the others only look for it."""
    mirror, hashed = str(cluster.variables.get("cluster_mirror", "") or ""), set[str]()
    own = site.addresses(cluster)
    wanted = {*(component_names() if components is None else components), *SERVER_GROUPS}
    neighbours = {h.name: h.cluster_address for h in cluster.hosts}
    requests, defaults = {}, load_schema().all_defaults()
    for host in hosts:
        runs, variables = host.groups & wanted, ChainMap(host_variables(rendered, host.name), defaults)
        found = Sources.of(runs, variables, mirror, hashed, own)
        hashed |= found.hashed
        requests[host.name] = _Request(host.name, runs, variables, found, neighbours)
    return requests


def _entered(seen: Seen) -> Iterator[Finding]:
    """A section that broke on the host proves nothing, so it must not pass for well."""
    yield seen.ok("ssh", "SSH and sudo work")
    for section, text in seen.errors.items():
        yield seen.fail("probe", f"its section {section} broke: {text}", "this is a defect of the tool: please report the text")
