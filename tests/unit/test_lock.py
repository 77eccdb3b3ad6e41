"""The lock with its real keepers, as processes of this machine instead of the hosts'."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.cluster.model import Host
from provisioner.errors import LockedError, UnreachableError
from provisioner.hosts.failures import SshError
from provisioner.run import lock
from provisioner.run.lock import Lock, unlock
from tests.unit.builders import cluster, masters

CLUSTER = cluster(*masters(3, ("zookeeper",)))


class Local:
    """A keeper on this machine; each host has a lock file of its own."""

    def __init__(self, folder: Path, host: Host, command: str) -> None:
        text = command.replace(lock.PATH, str(folder / host.name))
        self.process = subprocess.Popen(["sh", "-c", f"exec {text}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, text: str) -> None:
        with contextlib.suppress(OSError):
            if self.process.stdin:
                self.process.stdin.write(text.encode() + b"\n")
                self.process.stdin.flush()

    def line(self, timeout: float) -> str:
        assert self.process.stdout
        with selectors.DefaultSelector() as ready:
            ready.register(self.process.stdout, selectors.EVENT_READ)
            return self.process.stdout.readline().decode().strip() if ready.select(timeout) else ""

    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        if self.process.stdin:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        self.process.wait(10)
        if self.process.stdout:
            self.process.stdout.close()


class World:
    """Where keepers run; remembers them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.keepers, self.away = folder, list[Local](), dict[str, UnreachableError]()

    def hold(self, host: Host, command: str) -> Local:
        if host.name in self.away:
            raise self.away[host.name]
        self.keepers.append(Local(self.folder, host, command))
        return self.keepers[-1]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_second_operator_is_told_who_the_first_is(world: World) -> None:
    with Lock(CLUSTER, world.hold, "looking").acquire() as first:
        first.check("up ZooKeeper on m1")
        until(lambda: "up ZooKeeper" in str(unlock(CLUSTER, world.hold, force=False)))
        with pytest.raises(LockedError, match=r"on .+ \(process \d+\), for \d+ s, up ZooKeeper on m1") as error:
            Lock(CLUSTER, world.hold, "looking").acquire()
        assert error.value.exit_code == 6
    assert unlock(CLUSTER, world.hold, force=False).holders == {}
    Lock(CLUSTER, world.hold, "looking").acquire().release()


def test_of_two_that_start_at_once_exactly_one_goes_on(world: World) -> None:
    for _ in range(3):
        got: list[Lock] = []
        refused: list[LockedError] = []
        start = threading.Barrier(2)

        def operator(start: threading.Barrier = start, got: list[Lock] = got, refused: list[LockedError] = refused) -> None:
            start.wait()
            try:
                got.append(Lock(CLUSTER, world.hold, "looking").acquire())
            except LockedError as error:
                refused.append(error)

        threads = [threading.Thread(target=operator) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(got), len(refused)) == (1, 1)
        got[0].release()


def test_a_holder_that_says_nothing_loses_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(lock, "BEAT_SECONDS", 100.0)
    silent = Lock(CLUSTER, world.hold, "looking").acquire()
    until(lambda: unlock(CLUSTER, world.hold, force=False).holders == {})
    monkeypatch.setattr(lock, "SILENCE_SECONDS", 60.0)  # the next one is not to lose it while this machine is busy
    with Lock(CLUSTER, world.hold, "looking").acquire(), pytest.raises(LockedError):
        silent.check("the next step")
    silent.release()


def test_a_keeper_that_a_reboot_ended_is_started_again(world: World) -> None:
    with Lock(CLUSTER, world.hold, "looking").acquire() as mine:
        os.kill(world.keepers[0].process.pid, signal.SIGKILL)
        until(lambda: not world.keepers[0].alive())
        mine.check("the next step")
        assert set(unlock(CLUSTER, world.hold, force=False).holders) == {"m1", "m2", "m3"}


def test_a_broken_lock_stops_its_holder_before_the_next_step(world: World) -> None:
    with Lock(CLUSTER, world.hold, "looking").acquire() as mine:
        assert set(unlock(CLUSTER, world.hold, force=True).holders) == {"m1", "m2", "m3"}
        with Lock(CLUSTER, world.hold, "looking").acquire(), pytest.raises(LockedError):
            mine.check("the next step")


def test_a_silent_voter_is_left_to_the_look_at_the_hosts_but_a_refused_login_is_tried_once(world: World) -> None:
    world.away["m1"] = SshError("timeout", "no answer", where="m1")
    with Lock(CLUSTER, world.hold, "looking").acquire():
        found = unlock(CLUSTER, world.hold, force=False)
        assert (set(found.holders), found.silent) == ({"m2", "m3"}, ("m1",))
    world.away |= {name: SshError("timeout", f"{name} is away", where=name, hint="start it") for name in ("m2", "m3")}
    with pytest.raises(UnreachableError, match="can't tell whether the cluster is locked: m1, m2, m3 do not answer: no answer"):
        unlock(CLUSTER, world.hold, force=False)
    world.away = {"m1": SshError("auth", "refused", where="m1")}
    count = len(world.keepers)
    with pytest.raises(SshError, match="refused"):
        Lock(CLUSTER, world.hold, "looking").acquire()
    assert len(world.keepers) == count
