"""The app gets a name: Registrator puts it into Consul, DNS finds it, HTTP answers by it from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from provisioner.cluster.model import Host
from provisioner.errors import UnreachableError
from provisioner.hosts.openssh import fan_out
from provisioner.hosts.remote_calls import BrokenLink
from provisioner.observe.proof import Cleaning, Instance, Link, Proof

REGISTER_SECONDS = 20.0
RESOLVE_SECONDS = 10.0


def registered(proof: Proof) -> str:
    """Consul's catalogue, asked on another host than the agent's, has every instance with its address and port."""
    left = {i.agent.name: i for i in proof.instances}

    def all_there() -> bool | None:
        watchers = {h.name: h for h in (elsewhere(proof, i) for i in left.values())}
        rows = {name: catalogue(proof, host) for name, host in watchers.items()}
        for instance in list(left.values()):
            if any(_is(row, instance) for row in rows[elsewhere(proof, instance).name]):
                del left[instance.agent.name]
        return None if left else True

    if proof.until(REGISTER_SECONDS, all_there) is None:
        instance = next(iter(left.values()))
        why = f"the app runs there on port {instance.port}, but Consul does not know it after {REGISTER_SECONDS:.0f} s"
        raise proof.cause_of(why, ("registrator", instance.agent), ("consul", instance.agent),
                          ("consul", elsewhere(proof, instance)))
    return f"{proof.name} on {', '.join(i.agent.name for i in proof.instances)}"


def answers_by_name(proof: Proof) -> str:
    """Each instance answers by the app's name, resolved by the DNS of a host that does not run it."""
    by_agent = {i.agent.name: i for i in proof.instances}
    told = fan_out([i.agent for i in proof.instances], lambda agent: _answer(proof, by_agent[agent.name]))
    for said in told.values():
        if isinstance(said, UnreachableError):
            raise said
    return ", ".join(str(said) for said in told.values())


def _answer(proof: Proof, instance: Instance) -> str:
    client = elsewhere(proof, instance)
    name = f"{proof.name}.service.{proof.variable(client, 'dns_probe', {}).get('domain', 'consul')}"
    _resolve(proof, client, name)
    reply = proof.calls.http(client, "GET", f"{instance.address}:{instance.port}", "/", name=f"{name}:{instance.port}")
    if not reply.ok or reply.body.strip() != proof.name:
        where = f"the way from {client.name} to {instance.agent.name}:{instance.port}"
        raise BrokenLink(where, f"http://{name}:{instance.port}/ gives: {reply}")
    return f"{client.name} → {instance.agent.name}"


def gone(proof: Proof) -> None:
    """Nothing of the app is left in Consul; what is left anyway is taken out. Raises BrokenLink when something was."""
    watcher = proof.cluster.members("consul")[0] if proof.cluster.members("consul") else None
    if watcher is None:
        return
    if proof.until(REGISTER_SECONDS, lambda: None if catalogue(proof, watcher) else True):
        return
    rows = catalogue(proof, watcher)
    for row in rows:
        for agent in proof.agents:
            if agent.name == row.get("Node"):
                path = f"/v1/agent/service/deregister/{quote(str(row.get('ServiceID')), safe='')}"
                proof.calls.http(agent, "PUT", proof.consul(agent), path, credentials="registrator")
    stale = [a for a in proof.agents if a.name in {r.get("Node") for r in rows}] or [watcher]
    raise proof.cause_of("the app is gone, but Consul still has its name", *(("registrator", a) for a in stale))


def catalogue(proof: Proof, host: Host) -> list[Mapping[str, Any]]:
    """Consul's rows for the app, as one host sees them."""
    found = proof.calls.get(host, proof.consul(host), f"/v1/catalog/service/{proof.name}", credentials="consul").json()
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def elsewhere(proof: Proof, instance: Instance) -> Host:
    """A host other than the instance's own, by preference one that is no agent; in a cluster of one host that one."""
    others = [h for h in proof.cluster.hosts if h.name != instance.agent.name and "consul" in h.groups]
    return next((h for h in others if "mesos_agent" not in h.groups), others[0] if others else instance.agent)


def _is(row: Mapping[str, Any], instance: Instance) -> bool:
    address = row.get("ServiceAddress") or row.get("Address")
    return address == instance.address and row.get("ServicePort") == instance.port


def _resolve(proof: Proof, client: Host, name: str) -> None:
    """Consul gives a plain question a few of the addresses only, so no more is asked than that all given ones are right."""
    known = {i.address for i in proof.instances}
    last: list[Any] = []

    def right() -> bool | None:
        said = proof.calls.send(client, "resolve", name=name)
        found = set(said.get("addresses", []))
        last[:] = [said.get("error") or f"it resolves to {', '.join(sorted(found)) or 'nothing'}"]
        return True if found and found <= known else None

    if proof.until(RESOLVE_SECONDS, right) is None:
        raise proof.cause_of(f"Consul knows the app, but {name} on {client.name}: {last[0]}", ("dns", client), ("consul", client))


LINKS = (
    Link("each instance has a name in Consul", "Registrator → Consul", registered),
    Link("it answers by its name from another host", "DNS → Docker's port mapping", answers_by_name),
)
CLEANING: tuple[Cleaning, ...] = (("app", gone),)
