"""Containers on different agents reach each other over the overlay network."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.errors import UnreachableError
from provisioner.hosts.openssh import fan_out
from provisioner.hosts.remote_calls import BrokenLink
from provisioner.observe.proof import CONTAINER_PORT, Cleaning, Link, Proof, Skipped

PULL_SECONDS = 120.0
REACH_SECONDS = 20.0
#: More than the largest packet of any network (jumbo frames: 9,000).
FULL_BYTES = 20_000
#: What a client says before it asks for a small page only.
SMALL_ONLY = "no full packet"


def reach(proof: Proof) -> str:
    """A web server in the network on one agent, and from a container on every other agent a question to it."""
    if len(proof.agents) < 2:
        raise Skipped("there is only one agent")
    first, *others = proof.agents
    request = proof.variable(first, "docker_probe", {})
    if request.get("overlay", "none") == "none":
        raise Skipped("docker_overlay is none")
    network = str(request["network"])
    proof.begun.add("overlay")
    address = _start(proof, first, network)
    for other in others:
        _fetch(proof, first, other, network, address)
    return f"{', '.join(o.name for o in others)} → {first.name} in the network {network}"


def remove(proof: Proof) -> None:
    """Remove the containers. Raises BrokenLink when Docker does not."""
    for answer in fan_out(proof.agents, lambda agent: _remove(proof, agent)).values():
        if isinstance(answer, UnreachableError):
            raise answer


def _remove(proof: Proof, agent: Host) -> None:
    name = _server(proof) if agent.name == proof.agents[0].name else _client(proof, agent)
    code, said = proof.calls.run(agent, "docker", "rm", "-f", name)
    if code and "No such container" not in said:
        raise BrokenLink(f"Docker on {agent.name}", f"the container {name} can not be removed: {said}")


def _start(proof: Proof, host: Host, network: str) -> str:
    """Start the web server; returns its address in the network."""
    # The page's last line is the word; what is before fills packets, which a network with a smaller MTU than Docker was told drops.
    pages = f"echo {proof.name} > /www/word && {{ head -c {FULL_BYTES} /dev/zero | tr '\\0' .; echo; cat /www/word; }} > /www/index.html"
    command = f"mkdir -p /www && {pages} && exec httpd -f -p {CONTAINER_PORT} -h /www"
    code, said = proof.calls.run(host, "docker", "run", "-d", "--name", _server(proof), "--network", network, proof.image,
                                   "sh", "-c", command, timeout=PULL_SECONDS)
    if code:
        raise proof.cause_of(f"no container can be started in the network {network}: {said[-300:]}", ("docker", host))
    where = f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}'
    code, said = proof.calls.run(host, "docker", "inspect", "-f", where, _server(proof))
    if code or not said:
        raise proof.cause_of(f"the container has no address in the network {network}: {said[-300:]}", ("docker", host))
    return said


def _fetch(proof: Proof, first: Host, other: Host, network: str, address: str) -> None:
    """By name and else by address: the network is the link that is proven, not its names."""
    urls = [f"http://{server}:{CONTAINER_PORT}/" for server in (_server(proof), address)]
    # Not wget's own -T: with it the statically linked busybox of Debian crashes.
    whole = " || ".join(f"timeout 5 wget -q -O /page {url}" for url in urls)
    word = " || ".join(f"timeout 5 wget -q -O - {url}word" for url in urls)
    command = f"if {whole}; then tail -n 1 /page; else echo {SMALL_ONLY}; {word}; fi"
    last: list[str] = [""]

    def answered() -> bool | None:
        code, last[0] = proof.calls.run(
            other, "docker", "run", "--rm", "--name", _client(proof, other), "--network", network, proof.image,
            "sh", "-c", command, timeout=PULL_SECONDS)
        return True if code == 0 and last[0].endswith(proof.name) and SMALL_ONLY not in last[0] else None

    if proof.until(REACH_SECONDS, answered) is None:
        if SMALL_ONLY in last[0] and last[0].endswith(proof.name):
            raise BrokenLink(f"the network between {other.name} and {first.name}",
                             "small packets of the overlay get through, full ones do not: it carries less than Docker believes; compare "
                             "'ip link' on all hosts and every hop with docker_overlay_mtu")
        why = f"a container on {other.name} does not reach {urls[-1]} on {first.name}: {last[0][-300:] or 'no answer'}"
        raise proof.cause_of(why, ("docker", other), ("docker", first))


def _server(proof: Proof) -> str:
    return f"{proof.name}-server"


def _client(proof: Proof, host: Host) -> str:
    return f"{proof.name}-client-{host.name}"


LINKS = (Link("containers reach each other over the overlay", "Docker's overlay network", reach),)
CLEANING: tuple[Cleaning, ...] = (("overlay", remove),)
