"""Waiting for machines, with the real ssh client and servers on this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import UnreachableError
from provisioner.hosts import login
from provisioner.hosts.known_hosts import KnownHosts, record
from provisioner.hosts.openssh import OpenSsh
from provisioner.verbs.infra import arrival
from provisioner.verbs.infra.arrival import await_hosts
from tests.unit.ssh_servers import SshServer

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIFtJuNl+kWFyEsmxYaiFyIsCcQXZ/pjtYYFPQW5S8iXt"
Make = Callable[..., SshServer]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setattr(login, "CONNECT_SECONDS", 1)
    monkeypatch.setattr(arrival, "PAUSE_SECONDS", 0.1)
    servers: list[SshServer] = []

    def one(*, refusals: int = 0, silent: bool = False) -> SshServer:
        servers.append(SshServer(refusals=refusals, silent=silent))
        return servers[-1]

    yield one
    for server in servers:
        server.stop()


def of(folder: Path, **servers: SshServer) -> Cluster:
    hosts = tuple(Host(name, "127.0.0.1", server.port, "me", variables={}) for name, server in servers.items())
    return Cluster("new", folder / "inventory.yml", hosts)


def wait(cluster: Cluster, seconds: float, *names: str) -> list[str]:
    said: list[str] = []
    await_hosts(cluster, names or [h.name for h in cluster.hosts], OpenSsh(cluster), seconds=seconds, again="provision infra up --dir x",
                say=said.append)
    return said


def test_a_host_that_starts_late_and_one_whose_user_is_made_late_are_waited_for(make: Make, tmp_path: Path) -> None:
    late, slow = make(), make(refusals=2).start()
    threading.Timer(0.8, late.start).start()
    cluster = of(tmp_path, m1=late, a1=slow)
    said = wait(cluster, 20)
    assert len([line for line in said if "new host key SHA256:" in line]) == 2
    assert any(line.startswith("waiting for SSH on m1, a1: ") for line in said)
    assert KnownHosts.of(cluster).knows(f"[127.0.0.1]:{late.port}")
    assert wait(cluster, 20) == [], "the second time nothing is new"


def test_a_host_that_never_answers_is_named_and_the_others_are_recorded(make: Make, tmp_path: Path) -> None:
    frozen, well, other = make(silent=True).start(), make().start(), make()
    cluster = of(tmp_path, m1=well, a1=frozen, mine=other)
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=r"no way in by SSH after [0-9]+ s to a1; all others are there") as error:
        wait(cluster, 1, "m1", "a1")
    assert time.monotonic() - began < 8
    assert "a1 (127.0.0.1): " in error.value.message
    assert error.value.hint.endswith("the same command goes on from here: provision infra up --dir x")
    known = KnownHosts.of(cluster)
    assert (known.knows(f"[127.0.0.1]:{well.port}"), known.knows(f"[127.0.0.1]:{frozen.port}")) == (True, False)
    assert other.logins == 0, "a host of the operator's own is not waited for"


def test_another_key_than_the_recorded_one_is_said_at_once(make: Make, tmp_path: Path) -> None:
    server = make().start()
    cluster = of(tmp_path, m1=server)
    record(cluster, [f"[127.0.0.1]:{server.port} ssh-ed25519 {KEY}"])
    with pytest.raises(UnreachableError, match="m1"):
        wait(cluster, 60)
    assert server.logins == 0
