"""Masters elect one of them, agents register as what they are, strangers are refused, and changes keep an agent's id or are refused.

What becomes of tasks, over a restart of their agent too, stands in test_tasks.py.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.support.checkout import eventually
from tests.lab.support.mesos_api import Masters, ask

On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
Converge = Callable[..., subprocess.CompletedProcess[str]]
Variable = Callable[[str, str], Any]


def test_one_master_leads_and_it_really_does(masters: Masters, members: Members) -> None:
    """A lone master looks healthy everywhere but in /api/v1, which answers 503 until it leads with a quorum."""
    chief = masters.leader()
    metrics = {h: masters.get(h, "/metrics/snapshot")["master/elected"] for h in members("mesos_master")}
    assert metrics == {h: float(h == chief) for h in members("mesos_master")}
    assert set(masters.agents()) == set(members("mesos_agent"))


def test_a_master_that_does_not_lead_sends_clients_to_the_one_that_does(masters: Masters, members: Members) -> None:
    chief = masters.leader()
    for host, address in members("mesos_master").items():
        status, where, _ = ask(f"http://{address}:5050/master/state", login=masters.login)
        if host == chief:
            assert status == 200
        else:
            assert status == 307
            assert chief in where or members("mesos_master")[chief] in where


def test_every_master_counts_the_same_quorum(masters: Masters, members: Members) -> None:
    flags = {h: masters.get(h, "/flags")["flags"]["quorum"] for h in members("mesos_master")}
    assert set(flags.values()) == {"2"}, flags


def test_wrong_credentials_are_refused(masters: Masters, members: Members, variable: Variable) -> None:
    master = members("mesos_master")[masters.leader()]
    call = {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "root", "name": "stranger", "principal": "marathon"}}}
    assert ask(f"http://{master}:5050/api/v1/scheduler", call, "marathon:wrong")[0] == 401
    assert ask(f"http://{master}:5050/api/v1/scheduler", call)[0] == 401
    assert variable("m1", "vault_marathon_secret") not in str(masters.get(masters.leader(), "/flags"))


def test_an_agent_with_a_wrong_secret_does_not_register(masters: Masters, on: On, members: Members, converge: Converge) -> None:
    try:
        done = converge("mesos_agent", "a2", mesos_check_seconds=15,
                        mesos_agent_credential={"principal": "agent", "secret": "wrong"})
        assert done.returncode != 0, "an agent with a wrong secret counts as well"
        assert "a2" not in masters.agents()
    finally:
        assert converge("mesos_agent", "a2").returncode == 0
    eventually("a2 is registered again", 60, lambda: "a2" in masters.agents())


def test_an_agent_without_credentials_does_not_register(masters: Masters, on: On, members: Members) -> None:
    """Started past the role, which makes no such agent: the same program and flags but for this one, and a memory of its own."""
    known, memory = masters.agents()["a2"]["agent_info"]["id"]["value"], "/var/lib/mesos/stranger"
    try:
        on("a2").check_output(
            "systemctl stop mesos-agent\n"
            f"sed -e /^MESOS_CREDENTIAL=/d -e s,^MESOS_WORK_DIR=.*,MESOS_WORK_DIR={memory}, /etc/mesos/agent.env >/run/stranger\n"
            "systemd-run --quiet --unit=stranger --property=EnvironmentFile=/run/stranger /bin/sh -c 'exec mesos-agent'")
        for _ in range(10):
            found = masters.agents().get("a2")
            assert found is None or found["agent_info"]["id"]["value"] == known, "an agent without credentials counts as well"
            time.sleep(1)
        assert "without authentication" in on("a2").check_output("journalctl --unit=stranger --no-pager"), "it did not even try"
    finally:
        on("a2").run(f"systemctl stop stranger; rm -rf /run/stranger {memory}; systemctl start mesos-agent")
    eventually("a2 is registered again", 60, lambda: "a2" in masters.agents())


@pytest.fixture
def another_agent(masters: Masters, on: On, converge: Converge, members: Members) -> Iterator[str]:
    """The agent a2, which gets a new identity afterwards: attributes can't be taken from an old one."""
    yield "a2"
    on("a2").check_output("systemctl stop mesos-agent; rm -f /var/lib/mesos/agent/meta/slaves/latest")
    assert converge("mesos_agent", "a2").returncode == 0
    eventually("a2 is registered again", 60, lambda: "a2" in masters.agents())


def test_an_addition_keeps_the_agents_id_and_a_contradiction_is_refused_untouched(masters: Masters, on: On, converge: Converge,
                                                                                   another_agent: str) -> None:
    before, had = masters.agents()[another_agent]["agent_info"]["id"]["value"], masters.cpus(another_agent)
    done = converge("mesos_agent", another_agent, mesos_agent_attributes={"rack": "r1"}, mesos_agent_resources=f"cpus:{had + 1:g}")
    assert done.returncode == 0, done.stdout[-3000:]

    def attributes() -> dict[str, str]:
        found = masters.agents().get(another_agent, {"agent_info": {}})["agent_info"].get("attributes", [])
        return {a["name"]: a.get("text", {}).get("value", "") for a in found}

    eventually("the agent has its new attribute", 60, lambda: attributes() == {"rack": "r1"})
    assert masters.cpus(another_agent) == had + 1, "the agent was told to offer one CPU more, and the leading master does not know of it"
    assert masters.agents()[another_agent]["agent_info"]["id"]["value"] == before, "an addition must not cost the agent its id"

    pid = on(another_agent).check_output("systemctl show -p MainPID --value mesos-agent")
    done = converge("mesos_agent", another_agent, mesos_agent_attributes={"rack": "r2"}, mesos_agent_resources=f"cpus:{had:g}")
    assert done.returncode != 0, "a change that costs the agent its id was made without asking"
    said = " ".join(done.stdout.split())
    assert "attribute rack changes from r1 to r2" in said, said[-3000:]
    assert "resource cpus shrinks" in said, said[-3000:]
    assert on(another_agent).check_output("systemctl show -p MainPID --value mesos-agent") == pid
    assert on(another_agent).check_output("grep -c 'rack:r1' /etc/mesos/agent.env") == "1"


def test_an_unknown_flag_is_refused_because_mesos_would_ignore_it(converge: Converge) -> None:
    done = converge("mesos_agent", "a1", mesos_agent_extra_flags={"no_such_flag": "1"})
    assert done.returncode != 0
    assert "no_such_flag" in done.stdout


def test_a_new_leader_takes_over_and_the_agents_follow(masters: Masters, on: On, members: Members) -> None:
    before, chief = set(masters.agents()), masters.leader()
    on(chief).check_output("systemctl kill --signal=KILL mesos-master")

    def settled() -> bool:
        try:
            return set(masters.agents()) == before and masters.leader() != chief
        except (AssertionError, OSError, KeyError, ValueError, StopIteration):
            return False

    eventually("another master leads with all agents", 60, settled)
