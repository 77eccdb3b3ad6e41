"""The engine runs with our options, pulls from the site's registry, and carries an overlay network between hosts."""

from __future__ import annotations

import ipaddress
import subprocess
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from docker import DockerClient
from docker.errors import APIError, ContainerError

from tests.lab.support.checkout import eventually

On = Callable[[str], Any]
Engine = Callable[[str], DockerClient]
Converge = Callable[..., subprocess.CompletedProcess[str]]
Variable = Callable[[str, str], Any]
#: The package's unit gives up at the fourth start within a minute; ours must not.
CRASHES = 4
#: Of the ports that tasks have.
PUBLISHED = 31999


@pytest.fixture
def busybox(variable: Variable) -> str:
    """A small image, by its name in the site's registry."""
    return f"{variable('a1', 'docker_registry')}/busybox:1.35"


@pytest.fixture
def network(variable: Variable) -> str:
    """The name of the overlay network."""
    return str(variable("a1", "docker_probe")["network"])


@pytest.fixture
def far(engine: Engine, busybox: str, network: str) -> Iterator[Any]:
    """A container on a1 that says a word to whoever asks over the overlay network; its name there is the word."""
    word = f"far-{uuid.uuid4().hex[:12]}"
    container = engine("a1").containers.run(busybox, ["sh", "-c", f"echo {word} > /tmp/index.html; httpd -f -h /tmp"], name=word,
                                            network=network, detach=True)
    yield container
    container.remove(force=True)


def test_the_running_engine_has_our_options(engine: Engine, variable: Variable) -> None:
    for host in ("m1", "a1"):
        said = engine(host).info()
        assert said["LoggingDriver"] == "journald", f"{host} writes the output of containers as {said['LoggingDriver']}, not to the journal"
        assert variable(host, "docker_registry") in said["RegistryConfig"]["IndexConfigs"], f"{host} does not know the site's registry"


def test_an_image_is_pulled_from_the_sites_registry_and_runs(engine: Engine, on: On, busybox: str) -> None:
    client, word = engine("a1"), uuid.uuid4().hex
    if busybox in {tag for image in client.images.list() for tag in image.tags}:
        client.images.remove(busybox, force=True)
    client.images.pull(busybox)
    assert client.containers.run(busybox, ["echo", word], remove=True).split() == [word.encode()]
    assert word in on("a1").check_output("journalctl -o cat --no-pager --since -120s"), "what the container said is not in the journal"


def test_containers_ask_the_hosts_own_name_server(engine: Engine, busybox: str, variable: Variable) -> None:
    servers = engine("a1").containers.run(busybox, ["cat", "/etc/resolv.conf"], remove=True).decode()
    assert variable("a1", "docker_dns")[0] in servers, servers


def test_containers_on_two_hosts_talk_over_the_overlay_network(engine: Engine, busybox: str, far: Any, network: str) -> None:
    other = engine("a2")

    def answers() -> bool:
        try:
            # Not wget's own -T: with it the statically linked busybox of Debian crashes.
            said = other.containers.run(busybox, f"timeout 5 wget -q -O - http://{far.name}/", network=network, remove=True)
        except (APIError, ContainerError):
            return False
        return bool(said.decode().strip() == far.name)

    eventually("the container on the other host answers by its name", 60, answers)
    far.reload()
    address = ipaddress.ip_address(far.attrs["NetworkSettings"]["Networks"][network]["IPAddress"])
    (subnet,) = (part["Subnet"] for part in engine("m1").networks.get(network).attrs["IPAM"]["Config"])
    assert address in ipaddress.ip_network(subnet), "they talked, but not over the overlay network"


@pytest.fixture
def published(engine: Engine, busybox: str) -> Iterator[Any]:
    """A web server in a container on a1, whose port is published; it says its name."""
    name = f"published-{uuid.uuid4().hex[:12]}"
    container = engine("a1").containers.run(busybox, ["sh", "-c", f"echo {name} > /tmp/index.html; httpd -f -h /tmp"], name=name,
                                            ports={"80/tcp": PUBLISHED}, detach=True)
    container.reload()
    yield container
    container.remove(force=True)


def test_a_published_port_is_reached_from_everywhere_and_a_neighbour_by_nothing_else(
        engine: Engine, on: On, busybox: str, published: Any, variable: Variable) -> None:
    address = variable("a1", "docker_address")
    fetch = "python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())'"
    eventually("it answers", 20, lambda: bool(on("a1").run(f"{fetch} http://{address}:{PUBLISHED}/").rc == 0))
    for host, server in (("a1", address), ("a1", "127.0.0.1"), ("m1", address), ("mirror", address)):
        assert on(host).run(f"{fetch} http://{server}:{PUBLISHED}/").stdout.strip() == published.name, f"not from {host} at {server}"
    inside = published.attrs["NetworkSettings"]["IPAddress"]

    def neighbour(url: str) -> bytes:
        return bytes(engine("a1").containers.run(busybox, ["sh", "-c", f"timeout 5 wget -q -O - {url} || true"], remove=True))

    assert neighbour(f"http://{address}:{PUBLISHED}/").strip() == published.name.encode(), "a container does not reach its neighbour's port"
    assert neighbour(f"http://{inside}/") == b"", "a container reaches its neighbour past what that published"


def test_the_engine_is_roots_alone_and_gives_programs_no_new_rights(engine: Engine, on: On, busybox: str) -> None:
    for host in ("m1", "a1"):
        assert b"NoNewPrivs:\t1" in engine(host).containers.run(busybox, ["cat", "/proc/1/status"], remove=True)
        socket = on(host).file("/run/docker.sock")
        assert (socket.user, socket.group, socket.mode) == ("root", "docker", 0o660)
        assert on(host).check_output("getent group docker").endswith(":"), f"on {host} somebody is root by the group docker"
        ports = on(host).check_output("ss -Hltnp | grep dockerd | awk '{print $4}'").split()
        assert {port.rpartition(":")[2] for port in ports} <= {"2377", "7946"}, f"{host} offers more than the swarm: {ports}"


@pytest.mark.parametrize("where", ["bridge", "overlay"])
def test_a_container_reaches_nothing_that_only_members_need(engine: Engine, on: On, busybox: str, network: str, variable: Variable,
                                                            where: str) -> None:
    """By the host's own Python in the container's network, to the swarm's manager: its TLS answers whoever gets there."""
    client, asked = engine("a1"), {"network": network} if where == "overlay" else {}
    container = client.containers.run(busybox, ["sleep", "300"], detach=True, **asked)
    try:
        process = client.api.inspect_container(container.id)["State"]["Pid"]
        knock = f"python3 -c 'import socket; socket.create_connection((\"{variable('m1', 'docker_address')}\", 2377), 5)'"
        assert on("a1").run(knock).rc == 0
        assert on("a1").run(f"nsenter -t {process} -n {knock}").rc != 0, "a container passes as its host"
        on("a1").check_output("nft insert rule inet provisioner members_only accept")
        assert on("a1").run(f"nsenter -t {process} -n {knock}").rc == 0, "something else keeps it out"
    finally:
        on("a1").check_output("systemctl reload provisioner-network")
        container.remove(force=True)


def test_what_let_a_host_join_is_worth_nothing_afterwards(on: On, converge: Converge) -> None:
    ticket = "docker swarm join-token --quiet worker"
    before = on("m1").check_output(ticket)
    on("a2").check_output("docker swarm leave --force")
    done = converge("docker", "a2")
    assert done.returncode == 0, done.stdout[-3000:]
    assert on("a2").check_output("docker info --format '{{.Swarm.LocalNodeState}}'") == "active"
    after = on("m1").check_output(ticket)
    assert before != after, "the same ticket still lets others in"
    assert after not in done.stdout


@pytest.mark.nightly
def test_a_run_that_was_cut_off_before_tickets_were_changed_is_made_up_for(on: On, converge: Converge) -> None:
    ticket = "docker swarm join-token --quiet worker"
    before = on("m1").check_output(ticket)
    on("m1").check_output("sed -i 1d /etc/docker/provisioner-joined")
    for changes in (True, False):
        done = converge("docker", "a2")
        assert done.returncode == 0, done.stdout[-3000:]
        assert (on("m1").check_output(ticket) != before) is changes
        before = on("m1").check_output(ticket)


def test_the_engine_comes_back_however_often_it_crashes(engine: Engine, on: On) -> None:
    client = engine("a2")

    def pings() -> bool:
        try:
            return bool(client.ping())
        except (APIError, OSError):
            return False

    for crash in range(1, CRASHES + 1):
        on("a2").check_output("systemctl kill --signal=KILL --kill-who=main docker")
        eventually(f"the engine is back after crash {crash}", 60, pings)


def test_a_changed_option_reaches_the_engine_and_one_that_it_refuses_fails_the_role(engine: Engine, on: On, converge: Converge) -> None:
    try:
        done = converge("docker", "a2", docker_daemon_options={"debug": True})
        assert done.returncode == 0, done.stdout[-3000:]
        assert engine("a2").info()["Debug"] is True, "the engine was not restarted with its new options"
        done = converge("docker", "a2", docker_daemon_options={"no-such-option": 1})
        assert done.returncode != 0, "the role passed with an engine that does not start"
        # Engines before 23.0 can judge options by starting only; their journal is what `provision up` shows then.
        said = done.stdout + on("a2").check_output("journalctl -u docker -o cat --no-pager -n 50")
        assert "no-such-option" in said, f"nothing names the option that was refused:\n{said[-3000:]}"
    finally:
        mended = converge("docker", "a2")
    assert mended.returncode == 0, f"the next run does not mend it:\n{mended.stdout[-3000:]}"
    assert engine("a2").info()["Debug"] is False


@pytest.mark.nightly
def test_opening_and_closing_a_living_host_ends_no_container(engine: Engine, on: On, converge: Converge, busybox: str) -> None:
    """Without live restore a restart would; what CIS asks for counts from the next start on."""
    container = engine("a2").containers.run(busybox, ["sleep", "600"], detach=True)
    try:
        for closed in (False, True):
            done = converge("docker", "a2", docker_closed=closed)
            assert done.returncode == 0, done.stdout[-3000:]
            told = on("a2").check_output("cat /etc/docker/daemon.json")
            assert ('"no-new-privileges": true' in told) is closed, told
            container.reload()
            assert container.status == "running", "the engine was restarted"
    finally:
        container.remove(force=True)
