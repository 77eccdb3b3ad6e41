"""Containers on different agents reach each other over the overlay network."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.errors import UnreachableError
from provisioner.hosts.openssh import fan_out
from provisioner.hosts.remote_calls import BrokenLink
from provisioner.verbs.proofs.app import CONTAINER_PORT
from provisioner.verbs.proofs.proof import Scene, Skipped

PULL_SECONDS = 120.0
REACH_SECONDS = 20.0


def reach(scene: Scene) -> str:
    """A web server in the network on one agent, and from a container on every other agent a question to it."""
    if len(scene.agents) < 2:
        raise Skipped("there is only one agent")
    first, *others = scene.agents
    request = scene.variable(first, "docker_probe", {})
    if request.get("overlay", "none") == "none":
        raise Skipped("docker_overlay is none")
    network = str(request["network"])
    scene.begun.add("overlay")
    address = _start(scene, first, network)
    for other in others:
        _fetch(scene, first, other, network, address)
    return f"{', '.join(o.name for o in others)} → {first.name} in the network {network}"


def remove(scene: Scene) -> None:
    """Remove the containers. Raises BrokenLink when Docker does not."""
    for answer in fan_out(scene.agents, lambda agent: _remove(scene, agent)).values():
        if isinstance(answer, UnreachableError):
            raise answer


def _remove(scene: Scene, agent: Host) -> None:
    name = _server(scene) if agent.name == scene.agents[0].name else _client(scene, agent)
    code, said = scene.errands.run(agent, "docker", "rm", "-f", name)
    if code and "No such container" not in said:
        raise BrokenLink(f"Docker on {agent.name}", f"the container {name} can not be removed: {said}")


def _start(scene: Scene, host: Host, network: str) -> str:
    """Start the web server; returns its address in the network."""
    command = f"mkdir -p /www && echo {scene.name} > /www/index.html && exec httpd -f -p {CONTAINER_PORT} -h /www"
    code, said = scene.errands.run(host, "docker", "run", "-d", "--name", _server(scene), "--network", network, scene.image,
                                   "sh", "-c", command, timeout=PULL_SECONDS)
    if code:
        raise scene.blame(f"no container can be started in the network {network}: {said[-300:]}", ("docker", host))
    where = f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}'
    code, said = scene.errands.run(host, "docker", "inspect", "-f", where, _server(scene))
    if code or not said:
        raise scene.blame(f"the container has no address in the network {network}: {said[-300:]}", ("docker", host))
    return said


def _fetch(scene: Scene, first: Host, other: Host, network: str, address: str) -> None:
    """By name and else by address: the network is the link that is proven, not its names."""
    urls = [f"http://{server}:{CONTAINER_PORT}/" for server in (_server(scene), address)]
    # Not wget's own -T: with it the statically linked busybox of Debian crashes.
    command = " || ".join(f"timeout 5 wget -q -O - {url}" for url in urls)
    last: list[str] = [""]

    def answered() -> bool | None:
        code, last[0] = scene.errands.run(
            other, "docker", "run", "--rm", "--name", _client(scene, other), "--network", network, scene.image,
            "sh", "-c", command, timeout=PULL_SECONDS)
        return True if code == 0 and last[0].endswith(scene.name) else None

    if scene.until(REACH_SECONDS, answered) is None:
        why = f"a container on {other.name} does not reach {urls[-1]} on {first.name}: {last[0][-300:] or 'no answer'}"
        raise scene.blame(why, ("docker", other), ("docker", first))


def _server(scene: Scene) -> str:
    return f"{scene.name}-server"


def _client(scene: Scene, host: Host) -> str:
    return f"{scene.name}-client-{host.name}"
