"""The app gets a name: Registrator puts it into Consul, DNS finds it, HTTP answers by it from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from provisioner.cluster.model import Host
from provisioner.errors import UnreachableError
from provisioner.hosts.openssh import fan_out
from provisioner.hosts.remote_calls import BrokenLink
from provisioner.verbs.proofs.proof import Instance, Scene

REGISTER_SECONDS = 20.0
RESOLVE_SECONDS = 10.0


def registered(scene: Scene) -> str:
    """Consul's catalogue, asked on another host than the agent's, has every instance with its address and port."""
    left = {i.agent.name: i for i in scene.instances}

    def all_there() -> bool | None:
        watchers = {h.name: h for h in (elsewhere(scene, i) for i in left.values())}
        rows = {name: catalogue(scene, host) for name, host in watchers.items()}
        for instance in list(left.values()):
            if any(_is(row, instance) for row in rows[elsewhere(scene, instance).name]):
                del left[instance.agent.name]
        return None if left else True

    if scene.until(REGISTER_SECONDS, all_there) is None:
        instance = next(iter(left.values()))
        why = f"the app runs there on port {instance.port}, but Consul does not know it after {REGISTER_SECONDS:.0f} s"
        raise scene.blame(why, ("registrator", instance.agent), ("consul", instance.agent),
                          ("consul", elsewhere(scene, instance)))
    return f"{scene.name} on {', '.join(i.agent.name for i in scene.instances)}"


def answers_by_name(scene: Scene) -> str:
    """Each instance answers by the app's name, resolved by the DNS of a host that does not run it."""
    by_agent = {i.agent.name: i for i in scene.instances}
    told = fan_out([i.agent for i in scene.instances], lambda agent: _answer(scene, by_agent[agent.name]))
    for said in told.values():
        if isinstance(said, UnreachableError):
            raise said
    return ", ".join(str(said) for said in told.values())


def _answer(scene: Scene, instance: Instance) -> str:
    client = elsewhere(scene, instance)
    name = f"{scene.name}.service.{scene.variable(client, 'dns_probe', {}).get('domain', 'consul')}"
    _resolve(scene, client, name)
    reply = scene.errands.http(client, "GET", f"{instance.address}:{instance.port}", "/", name=f"{name}:{instance.port}")
    if not reply.ok or reply.body.strip() != scene.name:
        where = f"the way from {client.name} to {instance.agent.name}:{instance.port}"
        raise BrokenLink(where, f"http://{name}:{instance.port}/ gives: {reply}")
    return f"{client.name} → {instance.agent.name}"


def gone(scene: Scene) -> None:
    """Nothing of the app is left in Consul; what is left anyway is taken out. Raises BrokenLink when something was."""
    watcher = scene.cluster.members("consul")[0] if scene.cluster.members("consul") else None
    if watcher is None:
        return
    if scene.until(REGISTER_SECONDS, lambda: None if catalogue(scene, watcher) else True):
        return
    rows = catalogue(scene, watcher)
    for row in rows:
        for agent in scene.agents:
            if agent.name == row.get("Node"):
                path = f"/v1/agent/service/deregister/{quote(str(row.get('ServiceID')), safe='')}"
                scene.errands.http(agent, "PUT", scene.consul(agent), path)
    stale = [a for a in scene.agents if a.name in {r.get("Node") for r in rows}] or [watcher]
    raise scene.blame("the app is gone, but Consul still has its name", *(("registrator", a) for a in stale))


def catalogue(scene: Scene, host: Host) -> list[Mapping[str, Any]]:
    """Consul's rows for the app, as one host sees them."""
    found = scene.errands.get(host, scene.consul(host), f"/v1/catalog/service/{scene.name}").json()
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def elsewhere(scene: Scene, instance: Instance) -> Host:
    """A host other than the instance's own, by preference one that is no agent; in a cluster of one host that one."""
    others = [h for h in scene.cluster.hosts if h.name != instance.agent.name and "consul" in h.groups]
    return next((h for h in others if "mesos_agent" not in h.groups), others[0] if others else instance.agent)


def _is(row: Mapping[str, Any], instance: Instance) -> bool:
    address = row.get("ServiceAddress") or row.get("Address")
    return address == instance.address and row.get("ServicePort") == instance.port


def _resolve(scene: Scene, client: Host, name: str) -> None:
    """Consul gives a plain question a few of the addresses only, so no more is asked than that all given ones are right."""
    known = {i.address for i in scene.instances}
    last: list[Any] = []

    def right() -> bool | None:
        said = scene.errands.send(client, "resolve", name=name)
        found = set(said.get("addresses", []))
        last[:] = [said.get("error") or f"it resolves to {', '.join(sorted(found)) or 'nothing'}"]
        return True if found and found <= known else None

    if scene.until(RESOLVE_SECONDS, right) is None:
        raise scene.blame(f"Consul knows the app, but {name} on {client.name}: {last[0]}", ("dns", client), ("consul", client))
