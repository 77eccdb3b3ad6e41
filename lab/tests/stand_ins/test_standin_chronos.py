"""The stand-in of Chronos, without ZooKeeper and without Mesos."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path
from typing import Any

import pytest

from chronos_standin.api import ChronosApi
from chronos_standin.config import configure, flags
from chronos_standin.jobs import InvalidJobError, normalize, parse_task_id, task_id
from chronos_standin.schedule import ScheduleError, parse
from chronos_standin.scheduler import Scheduler, Settings
from mesos_framework.flags import FlagError
from mesos_framework.http_api import Answer, Api, Leadership, Manners
from mesos_framework.mesos_client import Credential
from mesos_framework.state_store import MemoryStore

Json = dict[str, Any]
SIZES = {"cpus": 0.1, "mem": 32.0, "disk": 0.0}
FAR = "R1/2099-01-01T00:00:00Z/PT1H"


def offer(number: int = 1) -> Json:
    scalars = {"cpus": 2.0, "mem": 512.0, "disk": 100.0}
    return {
        "id": {"value": f"O{number}"}, "agent_id": {"value": "S1"}, "hostname": "a1", "attributes": [],
        "resources": [{"name": n, "type": "SCALAR", "scalar": {"value": v}, "role": "*"} for n, v in scalars.items()],
    }


class Leader:
    """A scheduler with its API, and the Mesos calls it made."""

    def __init__(self, store: MemoryStore | None = None, settings: Settings | None = None) -> None:
        self.calls: list[tuple[str, Json]] = []
        emit = self.calls.append
        self.scheduler = Scheduler(store or MemoryStore(), lambda kind, body: emit((kind, body)), settings or Settings())
        self.scheduler.load()
        api = ChronosApi(self.scheduler, SIZES, lambda: "m1:4400")
        self.api = Api(api.routes(), Leadership("m1:4400", lambda: "m1:4400", lambda: True), Manners())

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        return self.api.answer(method, path, b"" if body is None else json.dumps(body).encode(), {})

    def job(self, name: str, **more: object) -> Json:
        kind = "dependency" if "parents" in more else "iso8601"
        document = {"name": name, "command": "true", **({} if "parents" in more else {"schedule": FAR}), **more}
        assert self.ask("POST", f"/v1/scheduler/{kind}", document).status == 204
        return self.scheduler.jobs[name]

    def launched(self) -> list[Json]:
        """Makes an offer; returns the TaskInfos that were launched on it."""
        self.calls.clear()
        self.scheduler.on_event({"type": "OFFERS", "offers": {"offers": [offer()]}})
        accepted = [b["accept"] for k, b in self.calls if k == "ACCEPT"]
        return [t for a in accepted for o in a["operations"] for t in o["launch"]["task_infos"]]

    def update(self, task: Json, state: str) -> None:
        about = {"task_id": task["task_id"], "agent_id": {"value": "S1"}, "uuid": "dQ==", "state": state}
        self.scheduler.on_event({"type": "UPDATE", "update": {"status": about}})

    def ends(self, name: str, state: str) -> None:
        """Runs a job now and lets it end."""
        assert self.ask("PUT", f"/v1/scheduler/job/{name}").status == 204
        (task,) = self.launched()
        self.update(task, "TASK_RUNNING")
        self.update(task, state)


def test_schedules() -> None:
    schedule = parse("R2/2026-01-31T10:00:00Z/P1M")
    assert schedule.next().shown() == "R1/2026-02-28T10:00:00.000Z/P1M"
    assert parse("R/2026-01-01T00:00:00Z/PT15M").next().shown() == "R/2026-01-01T00:15:00.000Z/PT15M"
    assert parse("R/2026-07-01T12:00:00/P1D", "Europe/Berlin").start.utcoffset() == datetime.timedelta(hours=2)
    now = datetime.datetime(2026, 1, 1, 5, 30, tzinfo=datetime.UTC)
    assert parse("R/2026-01-01T00:00:00Z/PT1H").skip_to(now).start.hour == 5
    assert parse("R1//PT1M").due(datetime.datetime.now(datetime.UTC))


@pytest.mark.parametrize("text", [
    "", "daily", "R/2026-01-01T00:00:00Z", "R/tomorrow/P1D", "R/1960-01-01T00:00:00Z/P1D", "R/2026-01-01T00:00:00Z/PXD",
])
def test_bad_schedules(text: str) -> None:
    with pytest.raises(ScheduleError):
        parse(text)


@pytest.mark.parametrize("document", [
    [], {"name": "a b;c", "command": "x", "schedule": FAR}, {"name": "a", "schedule": FAR},
    {"name": "a", "command": "x", "schedule": "R"}, {"name": "a", "command": "x", "parents": []},
    {"name": "a", "command": "x", "parents": ["none"]}, {"name": "a", "command": "x", "parents": ["a"]},
])
def test_bad_jobs(document: object) -> None:
    with pytest.raises(InvalidJobError):
        normalize(document, SIZES, {})


def test_task_ids() -> None:
    name = task_id("job", 12.5, 1, "a;b")
    assert name == "ct:12500:1:job:ab"
    assert parse_task_id(name) == ("job", 12.5, 1, "ab")
    assert parse_task_id("other") is None


def test_a_due_job_runs_once_and_is_counted() -> None:
    leader = Leader()
    leader.job("backup", schedule="R1//PT1H", command="echo hi", environmentVariables=[{"name": "A", "value": "1"}])
    (task,) = leader.launched()
    assert task["command"]["value"] == "echo hi"
    variables = {v["name"]: v["value"] for v in task["command"]["environment"]["variables"]}
    assert (variables["A"], variables["CHRONOS_JOB_NAME"], variables["HOST"]) == ("1", "backup", "a1")
    leader.update(task, "TASK_RUNNING")
    leader.update(task, "TASK_FINISHED")
    job = leader.ask("GET", "/v1/scheduler/jobs").body[0]
    assert (job["successCount"], job["errorCount"], job["disabled"]) == (1, 0, True)
    assert job["lastSuccess"].startswith("20")
    assert leader.launched() == []


def test_a_failed_run_is_tried_again_and_then_counted() -> None:
    leader = Leader(settings=Settings(retry_seconds=0))
    leader.job("x", retries=1)
    leader.ends("x", "TASK_FAILED")
    assert leader.scheduler.jobs["x"]["errorCount"] == 0
    (task,) = leader.launched()
    assert parse_task_id(task["task_id"]["value"])[2] == 1  # type: ignore[index]
    leader.update(task, "TASK_FAILED")
    job = leader.scheduler.jobs["x"]
    assert (job["errorCount"], job["errorsSinceLastSuccess"]) == (1, 1)


def test_a_job_that_keeps_failing_is_disabled() -> None:
    leader = Leader(settings=Settings(disable_after=1))
    leader.job("x", retries=0)
    leader.ends("x", "TASK_LOST")
    assert leader.scheduler.jobs["x"]["disabled"]


def test_children_wait_for_all_parents() -> None:
    leader = Leader()
    leader.job("a")
    leader.job("b")
    leader.job("c", parents=["a", "b"])
    leader.ends("a", "TASK_FINISHED")
    assert leader.launched() == []
    leader.ends("b", "TASK_FINISHED")
    (task,) = leader.launched()
    assert task["name"] == "ChronosTask:c"
    assert leader.scheduler.jobs["c"]["parents"] == ["a", "b"]
    leader.update(task, "TASK_FINISHED")
    assert leader.ask("DELETE", "/v1/scheduler/job/a").status == 204
    assert "parents" not in leader.scheduler.jobs["c"]


def test_a_container_job() -> None:
    leader = Leader()
    leader.job("c", schedule="R1//PT1H", container={"type": "DOCKER", "image": "busybox:1.35", "network": "BRIDGE"})
    (task,) = leader.launched()
    assert task["container"]["docker"] == {
        "image": "busybox:1.35", "network": "BRIDGE", "force_pull_image": False, "parameters": []}


def test_arguments_and_constraints() -> None:
    leader = Leader()
    leader.job("x", constraints=[["hostname", "EQUALS", "a2"]])
    leader.ask("PUT", "/v1/scheduler/job/x?arguments=-v")
    assert leader.launched() == []
    leader.job("x", constraints=[["hostname", "LIKE", "a."]])
    (task,) = leader.launched()
    assert task["command"]["value"] == "true -v"


def test_a_job_that_is_deleted_takes_its_runs_along() -> None:
    leader = Leader()
    leader.job("x")
    leader.ask("PUT", "/v1/scheduler/job/x")
    (task,) = leader.launched()
    assert leader.ask("DELETE", "/v1/scheduler/job/x").status == 204
    assert [k for k, _ in leader.calls if k == "KILL"] == ["KILL"]
    leader.update(task, "TASK_KILLED")
    assert leader.scheduler.of("x") == []


def test_the_next_leader_takes_over() -> None:
    store = MemoryStore()
    first = Leader(store)
    first.job("x")
    first.ask("PUT", "/v1/scheduler/job/x")
    (task,) = first.launched()
    second = Leader(store)
    assert [run["state"] for run in second.scheduler.of("x")] == ["TASK_STAGING"]
    second.update(task, "TASK_FINISHED")
    assert Leader(store).scheduler.jobs["x"]["successCount"] == 1


@pytest.mark.parametrize(("method", "path", "code"), [
    ("GET", "/ping", 200), ("GET", "/v1/scheduler/leader", 200), ("GET", "/v1/scheduler/jobs", 200), ("PUT", "/v1/scheduler/job/x", 204),
    ("PUT", "/v1/scheduler/job/no", 400), ("DELETE", "/v1/scheduler/job/no", 400), ("GET", "/scheduler/jobs", 404),
    ("POST", "/v1/scheduler/iso8601", 400), ("DELETE", "/ping", 405),
])
def test_status_codes(method: str, path: str, code: int) -> None:
    leader = Leader()
    leader.job("x")
    assert leader.ask(method, path).status == code


def test_a_job_belongs_to_its_endpoint() -> None:
    leader = Leader()
    leader.job("a")
    child = {"name": "b", "command": "x", "parents": ["a"]}
    assert leader.ask("POST", "/v1/scheduler/iso8601", child).status == 400
    assert leader.ask("POST", "/v1/scheduler/dependency", child).status == 204


def test_missed_runs_are_not_made_up() -> None:
    leader = Leader()
    start = datetime.datetime.fromtimestamp(time.time() - 3600, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    leader.job("often", schedule=f"R/{start}/PT1M")
    leader.scheduler.tick()
    assert len(leader.scheduler.of("often")) == 1


def test_configuration_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3")
    args = tmp_path / "args"
    args.write_text("\n".join([
        "--master zk://mesos:pw@10.0.0.1:2181/mesos", "--zk_hosts 10.0.0.1:2181,10.0.0.2:2181", "--zk_auth chronos:zkpw",
        "--hostname m1", "--http_port 4400", "--mesos_authentication_principal chronos",
        f"--mesos_authentication_secret_file {tmp_path}/secret",
    ]))
    config = configure([f"@{args}", "--http_port", "1"])
    assert (config.own, config.zk.auth, config.zk.path) == ("m1:4400", "chronos:zkpw", "/chronos/state")
    assert config.credential == Credential("chronos", "s3")
    assert config.framework_info("F")["id"] == {"value": "F"}


@pytest.mark.parametrize("arguments", [
    [], ["--master", "x:1", "--zk_hosts", "nothing"], ["--master", "x:1", "--schedule_horizon", "1"],
    ["--master", "x:1", "--cassandra_contact_points", "c"], ["--master", "zk://x"],
])
def test_configurations_it_refuses(arguments: list[str]) -> None:
    with pytest.raises(FlagError):
        configure(arguments)


def test_every_recorded_flag_of_3_0_2_is_there() -> None:
    names = [f.name for f in flags()]
    assert len(names) == len(set(names)) == 59
    assert "schedule_horizon" not in names and "zk_auth" in names
