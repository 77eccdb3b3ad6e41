"""The lab's Mesos behaves as a recorded one: command lines, redirects, answers with and without a leader or a password, agents that go.

The recordings (tests/data/mesos_contract) are of Apache Mesos 1.12.0-dev of August 2024, built as Apache's RPMs are; where the lab's
1.11.0 differs, `lab` in the row has what it does instead, and why. One recorded refusal is left out: an agent without its
`launcher_dir` ended there because that build seals its launcher, and this one starts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.probe.health import mesos
from tests.lab.support.checkout import eventually
from tests.lab.support.mesos_container import Json, MesosContainer, lab_system

pytestmark = [pytest.mark.own_lab, pytest.mark.skipif(lab_system().red_hat, reason="the programs in the packages are debian12's")]
DATA = Path(__file__).parents[1] / "data" / "mesos_contract"
#: Headers that say what an answer means.
TELLING = ("Content-Type", "Location", "WWW-Authenticate", "Allow", "Retry-After")
WAIT_SECONDS = 60
#: What the recorded ensemble was: three masters, named by their ports.
PORTS = (5050, 5060, 5070)
AGENT_FLAGS = ("--ip=127.0.0.1", "--hostname=127.0.0.1", "--launcher=posix", "--isolation=posix/cpu,posix/mem",
               "--no-systemd_enable_support")


def recorded(name: str) -> Any:
    """One file of recordings."""
    return json.loads((DATA / f"{name}.json").read_text())


# --- command lines ---------------------------------------------------------------------------------------------------

LINES: list[Json] = recorded("command_lines")
#: Recorded port → the first of those that stand for it.
OWN_PORTS = {"15050": 20000, "15051": 25000, "5150": 30000, "5151": 35000}


@pytest.fixture(scope="module")
def endings(box: MesosContainer) -> dict[str, tuple[int | None, str]]:
    """How each recorded command line ended: its exit status, and what it said on stderr."""
    for name, text in {"afile": "x", "cred.txt": "agent1 secret1\n", "badcred.json": '{"credentials": [', "empty": "",
                       "p.txt": "agent s3cret\n", "good.txt": "agent s3cret\n"}.items():
        box.write(f"/run/{name}", text)
    # What the recording's machine had taken.
    for port in (20000, 25000):
        box.start(f"taken{port}", "python3", "-c", f"import socket,time; s=socket.create_server(('127.0.0.1',{port})); time.sleep(3600)")
    taken = [row for row in LINES if "port-in-use" in row["case"]]
    free = [row for row in LINES if row not in taken]
    found = _run(box, taken)
    for port in (20000, 25000):
        box.signal(f"taken{port}", "TERM")
    return {**found, **_run(box, free)}


def _run(box: MesosContainer, rows: list[Json]) -> dict[str, tuple[int | None, str]]:
    """Several at a time, so each gets ports of its own; what it says of them is told back as recorded."""
    commands = [[f"mesos-{row['program']}", *(_own_ports(word.replace("{tmp}", "/run"), row) for word in row["args"])] for row in rows]
    return {row["case"]: (code, _recorded_ports(err, row)) for row, (code, _, err) in zip(rows, box.run_all(commands), strict=True)}


def _own_ports(text: str, row: Json) -> str:
    number = 0 if "port-in-use" in row["case"] else LINES.index(row)
    for port, first in OWN_PORTS.items():
        text = text.replace(port, str(first + number))
    return text


def _recorded_ports(text: str, row: Json) -> str:
    for port in OWN_PORTS:
        text = text.replace(_own_ports(port, row), port)
    return text


@pytest.mark.parametrize("row", LINES, ids=lambda row: str(row["case"]))
def test_a_wrong_command_line_ends_as_recorded(row: Json, endings: dict[str, tuple[int | None, str]]) -> None:
    expected = {**row, **row.get("lab", {})}
    code, said = endings[row["case"]]
    message = expected["message"].replace("{tmp}", "/run")
    assert (code, message in said) == (expected["exit"], True), said[-1500:]


# --- answers ---------------------------------------------------------------------------------------------------------

ANSWERS: list[Json] = recorded("answers")


def problems(box: MesosContainer, port: int, *kinds: str) -> list[str]:
    """Where a program answers otherwise than recorded."""
    rows = [row for row in ANSWERS if row["to"] in kinds]
    found = []
    for row, (status, headers, text) in zip(rows, box.exchange([{**row, "port": port} for row in rows]), strict=True):
        expected = {**row, **row.get("lab", {})}
        telling = {name: value for name, value in headers.items() if name in TELLING}
        if status != expected["status"]:
            found.append(f"{row['case']}: status {expected['status']} recorded, {status} answered: {text[:200]}")
        if telling != expected["answer_headers"]:
            found.append(f"{row['case']}: headers {expected['answer_headers']} recorded, {telling} answered")
        if "text" in expected and row["method"] != "HEAD" and text.strip() != expected["text"]:
            found.append(f"{row['case']}: {expected['text']!r} recorded, {text!r} answered")
    return found


def start_master(box: MesosContainer, port: int, *flags: str) -> None:
    box.start(f"m{port}", "mesos-master", "--ip=127.0.0.1", f"--port={port}", "--hostname=127.0.0.1", "--cluster=contract",
              f"--work_dir=/run/m{port}.work", *flags)


def start_agent(box: MesosContainer, port: int, master: str, *flags: str) -> None:
    box.start(f"a{port}", "mesos-agent", f"--port={port}", f"--master={master}", f"--work_dir=/run/a{port}.work",
              f"--runtime_dir=/run/a{port}.run", "--containerizers=mesos", *AGENT_FLAGS, *flags)


def agents(box: MesosContainer, port: int) -> dict[str, Json]:
    """What a leading master says of its agents, by id; nothing while it does not lead."""
    status, found = box.call(port, "GET_AGENTS")
    if status != 200:
        return {}
    return {a["agent_info"]["id"]["value"]: a for a in found["get_agents"].get("agents", [])}


def active(box: MesosContainer, port: int) -> set[str]:
    return {agent for agent, row in agents(box, port).items() if row["active"]}


def test_without_a_leader_most_is_503(box: MesosContainer) -> None:
    start_master(box, 5050, "--zk=zk://127.0.0.1:2181/mesos", "--quorum=2")
    eventually("the master answers", WAIT_SECONDS, lambda: box.get(5050, "/health")[0] == 200)
    found = problems(box, 5050, "leaderless")
    box.signal("m5050", "KILL")
    assert found == []


@pytest.fixture(scope="module")
def ensemble(box: MesosContainer) -> Iterator[MesosContainer]:
    """ZooKeeper, and the first of three masters."""
    box.start_zookeeper()
    start_master(box, PORTS[0], "--zk=zk://127.0.0.1:2181/mesos", "--quorum=2")
    eventually("the first master is elected", WAIT_SECONDS, lambda: box.get(PORTS[0], "/redirect")[0] == 307)
    yield box
    for name in [f"m{port}" for port in PORTS] + ["zookeeper"]:
        box.shell(f"kill -KILL $(cat /run/{name}.pid) || true")


def test_a_lone_elected_master_looks_well_but_for_the_operator_api(ensemble: MesosContainer) -> None:
    assert problems(ensemble, PORTS[0], "recovering") == []


@pytest.fixture(scope="module")
def whole(ensemble: MesosContainer) -> Iterator[MesosContainer]:
    """All three masters, the first of which leads, and two agents."""
    for port in PORTS[1:]:
        start_master(ensemble, port, "--zk=zk://127.0.0.1:2181/mesos", "--quorum=2")
    for number in (1, 2):
        start_agent(ensemble, 5050 + number, "zk://127.0.0.1:2181/mesos", f"--attributes=rack:a{number};zone:z1")
    eventually("two agents are registered", WAIT_SECONDS, lambda: len(active(ensemble, PORTS[0])) == 2)
    eventually("the followers know the leader", WAIT_SECONDS, lambda: ensemble.get(PORTS[1], "/redirect")[0] == 307)
    yield ensemble
    for number in (1, 2):
        ensemble.shell(f"kill -KILL $(cat /run/a{5050 + number}.pid) || true")


def test_an_agent_answers_as_recorded(whole: MesosContainer) -> None:
    assert problems(whole, 5051, "agent") == []


#: Recorded body → who answers it: a path, or a call of the operator API.
SHAPES = {
    "master-leader-state": (5050, "/state"), "master-leader-slaves": (5050, "/slaves"),
    "master-leader-state-summary": (5050, "/state-summary"), "master-leader-version": (5050, "/version"),
    "master-leader-api-GET_AGENTS": (5050, "GET_AGENTS"), "master-leader-api-GET_MASTER": (5050, "GET_MASTER"),
    "master-leader-api-GET_STATE": (5050, "GET_STATE"),
    "agent-state": (5051, "/state"), "agent-api-GET_STATE": (5051, "GET_STATE"), "agent-api-GET_AGENT": (5051, "GET_AGENT"),
}
#: A release was built from a tag, the recorded head from a branch.
RELEASED = ("/git_branch missing", "/git_tag extra")


def differences(want: Any, got: Any, path: str = "") -> list[str]:
    """Where two JSON values differ in keys or types; lists are compared by their first entries."""
    if isinstance(want, dict) and isinstance(got, dict):
        found = [f"{path}/{key} missing" for key in want.keys() - got.keys()]
        found += [f"{path}/{key} extra" for key in got.keys() - want.keys()]
        return found + [d for key in want.keys() & got.keys() for d in differences(want[key], got[key], f"{path}/{key}")]
    if isinstance(want, list) and isinstance(got, list):
        return differences(want[0], got[0], f"{path}[]") if want and got else []
    return [] if type(want) is type(got) else [f"{path}: {type(want).__name__} recorded, {type(got).__name__} answered"]


@pytest.mark.parametrize("name", SHAPES)
def test_bodies_have_the_recorded_shape(whole: MesosContainer, name: str) -> None:
    """Keys and types; which flags there are depends on how a Mesos was started, and tasks on what ran."""
    port, asked = SHAPES[name]
    answered = json.loads(whole.get(port, asked)[1]) if asked.startswith("/") else whole.call(port, asked)[1]
    found = differences(recorded("bodies")[name], answered)
    assert [d for d in found if "/flags/" not in d and d not in RELEASED] == []


def test_an_agent_is_listed_alone_as_among_all(whole: MesosContainer) -> None:
    """What the probe of each agent asks for, instead of all of them."""
    among_all = {row["id"]: row for row in mesos.agents(whole.call(PORTS[0], "GET_AGENTS")[1])}
    alone = {own: json.loads(whole.get(PORTS[0], f"/slaves?slave_id={own}")[1])["slaves"] for own in (*among_all, "nobody")}
    assert {own: [mesos.row(each) for each in listed] for own, listed in alone.items()} == {
        **{own: [row] for own, row in among_all.items()}, "nobody": []}
    assert len(among_all) == 2


def test_a_follower_sends_clients_to_the_leader(whole: MesosContainer) -> None:
    assert problems(whole, PORTS[1], "follower") == []


def test_a_leader_answers_as_recorded(whole: MesosContainer) -> None:
    """With the maintenance calls among them, after which the agents have ended: the machine was down."""
    assert problems(whole, PORTS[0], "leader") == []
    eventually("the agent has ended", WAIT_SECONDS, lambda: not whole.runs("a5051"))


def test_a_locked_master_asks_for_a_password(box: MesosContainer) -> None:
    box.write("/run/op.json", json.dumps({"credentials": [{"principal": "op", "secret": "oppw"}]}))
    start_master(box, 5150, "--registry=in_memory", "--authenticate_http_readonly", "--authenticate_http_readwrite",
                 "--credentials=/run/op.json")
    eventually("the master answers", WAIT_SECONDS, lambda: box.get(5150, "/health")[0] == 200)
    found = problems(box, 5150, "locked")
    ((status, _, _),) = box.exchange([{"port": 5150, "path": "/state", "headers": {"Authorization": "Basic b3A6b3Bwdw=="}}])
    box.signal("m5150", "KILL")
    assert (found, status) == ([], 200)


# --- agents ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def master(box: MesosContainer) -> Iterator[int]:
    """The port of a master on its own, whose agents' memories are empty."""
    box.shell("rm -rf /run/a5061.*")
    start_master(box, 5250, "--registry=in_memory", "--agent_reregister_timeout=10mins")
    eventually("the master leads", WAIT_SECONDS, lambda: box.call(5250, "GET_AGENTS")[0] == 200)
    yield 5250
    for name in ("a5061", "m5250"):
        box.shell(f"kill -KILL $(cat /run/{name}.pid) 2>/dev/null || true")


def registered(box: MesosContainer, master: int, *flags: str) -> str:
    """Start the agent with these flags; its id, once it is registered."""
    start_agent(box, 5061, f"127.0.0.1:{master}", *flags)
    eventually("the agent is registered", WAIT_SECONDS, lambda: len(active(box, master)) == 1)
    return next(iter(active(box, master)))


def ended(box: MesosContainer) -> bool:
    return not box.runs("a5061")


def test_an_agent_that_is_told_to_leave_is_gone_at_once_and_returns_under_its_id(box: MesosContainer, master: int) -> None:
    first = registered(box, master)
    box.signal("a5061", "USR1")
    eventually("the agent ended", WAIT_SECONDS, lambda: ended(box))
    assert agents(box, master) == {}
    assert registered(box, master) == first


def test_an_agent_that_is_gone_is_sent_away_until_it_forgets_its_id(box: MesosContainer, master: int) -> None:
    first = registered(box, master)
    assert box.call(master, "MARK_AGENT_GONE", mark_agent_gone={"agent_id": {"value": first}})[0] == 200
    eventually("the agent ended", WAIT_SECONDS, lambda: ended(box))
    start_agent(box, 5061, f"127.0.0.1:{master}")
    eventually("it ended again", WAIT_SECONDS, lambda: ended(box))
    box.shell("rm /run/a5061.work/meta/slaves/latest")
    assert registered(box, master) != first


def test_an_empty_agent_is_drained_and_comes_back(box: MesosContainer, master: int) -> None:
    agent = {"agent_id": {"value": registered(box, master)}}
    assert box.call(master, "DRAIN_AGENT", drain_agent={**agent, "max_grace_period": {"seconds": 5}}) == (200, "")

    def drained() -> bool:
        return [row.get("drain_info", {}).get("state") for row in agents(box, master).values()] == ["DRAINED"]

    eventually("it is drained", WAIT_SECONDS, drained)
    ((_, row),) = agents(box, master).items()
    assert (row["active"], row["deactivated"]) == (False, True)
    assert box.call(master, "REACTIVATE_AGENT", reactivate_agent=agent)[0] == 200
    eventually("it accepts tasks again", WAIT_SECONDS, lambda: len(active(box, master)) == 1)


@pytest.mark.parametrize(
    ("policy", "flags", "refusal"),
    [
        ("additive", ("--attributes=rack:a;more:b", "--resources=cpus:3;mem:256;disk:512"), ""),
        ("additive", ("--attributes=rack:b", "--resources=cpus:2;mem:256;disk:512"), "text attribute 'rack' changed from a to b"),
        ("additive", ("--attributes=rack:a", "--resources=cpus:1;mem:256;disk:512"), "'cpus' decreased from 2 to 1"),
        ("equal", ("--attributes=rack:a;more:b", "--resources=cpus:2;mem:256;disk:512"), "Incompatible agent info detected"),
    ],
    ids=["additions keep the id", "another attribute", "fewer resources", "an addition where nothing may change"],
)
def test_an_agent_that_contradicts_its_memory_does_not_start(box: MesosContainer, master: int, policy: str, flags: tuple[str, ...],
                                                             refusal: str) -> None:
    before = registered(box, master, "--attributes=rack:a", "--resources=cpus:2;mem:256;disk:512")
    box.signal("a5061", "TERM")
    eventually("the agent ended", WAIT_SECONDS, lambda: ended(box))
    if refusal:
        start_agent(box, 5061, f"127.0.0.1:{master}", f"--reconfiguration_policy={policy}", *flags)
        eventually("it refuses to start", WAIT_SECONDS, lambda: ended(box))
        assert refusal in box.log("a5061")
    else:
        assert registered(box, master, f"--reconfiguration_policy={policy}", *flags) == before
