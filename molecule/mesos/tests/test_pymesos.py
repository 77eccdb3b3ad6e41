"""Mesos under a framework that nobody here wrote: pymesos is refused without our credentials, and its task outlives the leading master."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.lab.support.checkout import ClusterUnderTest, eventually
from tests.lab.support.pymesos_client import Framework, framework

On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
Variable = Callable[[str, str], Any]
Start = Callable[[str | None], AbstractContextManager[Framework]]

#: What `provision verify` uses too, so no framework of the cluster's own is touched.
PRINCIPAL = "verify"
#: Another in each run, should an earlier one have left its task.
SECONDS = str(10_000_000 + os.getpid())


@pytest.fixture
def start(cluster: ClusterUnderTest, members: Members, variable: Variable) -> Start:
    """`start(secret)`: a framework of the cluster's masters."""
    zookeeper = cluster.zookeeper, f"mesos:{variable('m1', 'vault_zookeeper_mesos_password')}"
    return lambda secret: framework(members("mesos_master"), zookeeper, PRINCIPAL, secret, f"exec sleep {SECONDS}")


def processes(on: On, members: Members) -> dict[str, list[str]]:
    """The task's processes by agent; the brackets keep the search from finding itself."""
    return {host: on(host).run(f"pgrep -f 'sleep [{SECONDS[0]}]{SECONDS[1:]}'").stdout.split() for host in members("mesos_agent")}


@pytest.mark.parametrize("secret", [None, "wrong"])
def test_a_framework_without_the_secret_is_refused(start: Start, secret: str | None) -> None:
    with start(secret) as stranger:
        assert "Failed with HTTP 401" in stranger.event("refused")["message"]
        assert stranger.ended() == 1


def test_a_framework_and_its_task_outlive_the_leading_master(cluster: ClusterUnderTest, on: On, members: Members, variable: Variable,
                                                             start: Start) -> None:
    with start(variable("m1", "vault_verify_secret")) as client:
        name = client.event("registered")["framework"]
        client.event("update", state="TASK_RUNNING")
        before, chief = processes(on, members), cluster.leader("mesos_master")
        assert any(before.values())
        # It stays away: back at once it would answer 404 until it has started, which pymesos takes for the end.
        on(chief).check_output("systemctl kill --signal=KILL mesos-master && systemctl stop mesos-master")
        try:
            again = client.event("reregistered", 90)
        finally:
            on(chief).check_output("systemctl start mesos-master")
        assert (again["framework"], again["master"] == members("mesos_master")[chief]) == (name, False)
        assert client.state() == "TASK_RUNNING"
        assert processes(on, members) == before, "the task was started again"
        client.tell("kill")
        client.event("update", state="TASK_KILLED")
    assert client.ended() == 0
    eventually("the task has ended", 30, lambda: not any(processes(on, members).values()))
