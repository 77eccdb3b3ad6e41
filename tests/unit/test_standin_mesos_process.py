"""The Mesos stand-in as processes on 127.0.0.1: a framework runs command tasks, agents come and go."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.mesos_standin_processes import CHECKPOINTED, Framework, Programs, active, agents, ask, free_port, until

JAR = Path("/usr/share/java/zookeeper.jar")


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Processes that end with the test."""
    started = Programs(tmp_path)
    yield started
    started.end()


def test_tasks_run_and_survive_their_agent(programs: Programs) -> None:
    master, port = free_port(), free_port()
    programs.master(master)
    agent = programs.agent(port, f"127.0.0.1:{master}")
    (agent_id,) = until(lambda: active(master))
    framework = Framework(master, CHECKPOINTED)
    framework.launch("good", "echo out; echo err >&2; pwd")
    framework.launch("bad", "exit 3")
    framework.launch("long", "sleep 1.5; exit 7")
    until(lambda: "TASK_FINISHED" in framework.states("good") and "TASK_FAILED" in framework.states("bad"))
    until(lambda: "TASK_RUNNING" in framework.states("long"))
    assert framework.states("good") == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]
    runs = programs.folder / f"a{port}/slaves/{agent_id}/frameworks/{framework.id['value']}/executors/good/runs"
    assert (runs / "latest/stdout").read_text().splitlines()[0] == "out"
    assert (runs / "latest/stderr").read_text() == "err\n"

    agent.send_signal(signal.SIGTERM)
    assert agent.wait(5) == -signal.SIGTERM
    until(lambda: not active(master))
    programs.agent(port, f"127.0.0.1:{master}")
    assert until(lambda: active(master)) == [agent_id]
    until(lambda: "TASK_FAILED" in framework.states("long"))

    framework.launch("endless", "sleep 100")
    until(lambda: "TASK_RUNNING" in framework.states("endless"))
    framework.call("KILL", {"task_id": {"value": "endless"}})
    until(lambda: "TASK_KILLED" in framework.states("endless"))


def test_agents_leave_and_are_sent_away(programs: Programs) -> None:
    master, port = free_port(), free_port()
    leader = programs.master(master)
    agent = programs.agent(port, f"127.0.0.1:{master}")
    (agent_id,) = until(lambda: active(master))
    agent.send_signal(signal.SIGUSR1)
    assert agent.wait(5) == 0
    assert agents(master) == []
    agent = programs.agent(port, f"127.0.0.1:{master}")
    assert until(lambda: active(master)) == [agent_id]
    call = {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": agent_id}}}
    assert ask(master, "POST", "/api/v1", call)[0] == 200
    assert agent.wait(5) == 0
    assert programs.agent(port, f"127.0.0.1:{master}").wait(10) == 0
    (programs.folder / f"a{port}/meta/slaves/latest").unlink()
    programs.agent(port, f"127.0.0.1:{master}")
    assert until(lambda: active(master)) != [agent_id]
    leader.send_signal(signal.SIGTERM)
    assert leader.wait(5) == -signal.SIGTERM
    assert ask(port, "GET", "/health") == (200, b"")


def test_a_taken_port_aborts(programs: Programs) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert programs.master(port).wait(10) == -signal.SIGABRT
    log = (programs.folder / f"m{port}.log").read_text()
    assert f"Failed to bind on 127.0.0.1:{port}: Address already in use" in log


@pytest.fixture
def zookeeper(tmp_path: Path) -> Iterator[int]:
    """The client port of a real ZooKeeper."""
    port = free_port()
    config = tmp_path / "zoo.cfg"
    config.write_text(f"tickTime=500\ndataDir={tmp_path}/zk\nclientPort={port}\nadmin.enableServer=false\n")
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    argv = ["java", "-Xmx64m", "-cp", str(JAR), f"-Dzookeeper.log.dir={tmp_path}", main, str(config)]
    with (tmp_path / "zk.log").open("wb") as log:
        child = subprocess.Popen(argv, stdout=log, stderr=log)
    yield port
    child.kill()
    child.wait()


@pytest.mark.skipif(not JAR.exists(), reason="needs ZooKeeper's jar")
def test_a_killed_leader_is_replaced_and_tasks_go_on(programs: Programs, zookeeper: int) -> None:
    zk = f"zk://127.0.0.1:{zookeeper}/mesos"
    ports = [free_port() for _ in range(3)]
    masters = {port: programs.master(port, f"--zk={zk}", "--quorum=2", "--zk_session_timeout=5secs") for port in ports}
    programs.agent(free_port(), zk)
    old = until(lambda: next((port for port in ports if active(port)), 0), 30)
    framework = Framework(old, CHECKPOINTED)
    framework.launch("long", "sleep 100")
    until(lambda: "TASK_RUNNING" in framework.states("long"))
    masters[old].kill()
    new = until(lambda: next((port for port in ports if port != old and active(port)), 0), 30)
    again = Framework(new, {**CHECKPOINTED, "id": framework.id})
    again.call("RECONCILE", {"tasks": []})
    assert until(lambda: again.states("long")) == ["TASK_RUNNING"]
    again.call("KILL", {"task_id": {"value": "long"}})
    until(lambda: "TASK_KILLED" in again.states("long"))
