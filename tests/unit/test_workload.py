"""What runs on an agent, what the others can spare, and when an app is in order elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provisioner.cluster.model import Host
from provisioner.console import Console
from provisioner.errors import StepFailed
from provisioner.hosts.remote_calls import RemoteCalls, Reply
from provisioner.observe import workload
from provisioner.observe.workload import App, Workload
from provisioner.verbs.drain.work import doubled
from provisioner_lab.testing import FakeTransport
from tests.unit.builders import cluster, masters, rendered

CLUSTER = cluster(*masters(2, ("mesos_master", "marathon")))
RENDERED = rendered(CLUSTER, mesos_master_port=5050, marathon_port=8080)
STATE = {
    "slaves": [
        {"id": "S1", "hostname": "a1", "active": True, "resources": {"cpus": 4, "mem": 4096}, "used_resources": {"cpus": 3, "mem": 100}},
        {"id": "S2", "hostname": "a2", "active": True, "resources": {"cpus": 4, "mem": 4096}, "used_resources": {"cpus": 2, "mem": 100}},
        {"id": "S3", "hostname": "a3", "active": True, "deactivated": True, "resources": {"cpus": 9, "mem": 9}, "used_resources": {}},
    ],
    "frameworks": [{"tasks": [{"name": "web", "slave_id": "S1", "state": "TASK_RUNNING"},
                              {"name": "old", "slave_id": "S1", "state": "TASK_FAILED"},
                              {"name": "other", "slave_id": "S2", "state": "TASK_RUNNING"}]}],
}


class Answers(RemoteCalls):
    """Mesos leads on m2; Marathon answers what the test says."""

    def __init__(self, **marathon: Any) -> None:
        super().__init__(FakeTransport())
        self.marathon, self.asked = marathon, list[tuple[str, str, object]]()

    def http(self, host: Host, method: str, server: str, path: str, body: object = None, *, name: str = "",
             credentials: str = "") -> Reply:
        assert credentials == {"/state": "mesos", "/api/v1": "mesos_operator"}.get(path, credentials), "more, or less, than it takes"
        if path == "/state":
            return Reply(200, json.dumps(STATE)) if host.name == "m2" else Reply(307, "")
        self.asked.append((method, path, body))
        if path == "/api/v1":
            return Reply(200 if host.name == "m2" else 307, "")
        said = self.marathon.get(path.rpartition("/")[2])
        return Reply(404, "") if said is None else Reply(200, json.dumps(said))


def work(**marathon: Any) -> Workload:
    return Workload(CLUSTER, RENDERED, Answers(**marathon))


def test_only_what_still_runs_on_the_agent_counts() -> None:
    assert work().tasks("a1", "a9") == {"a1": ["web"], "a9": []}


def test_a_drained_agent_has_nothing_to_spare() -> None:
    assert work().missing("a1") == {"cpus": 1.0}, "a2 has 2 of 4 cpus left, a1 uses 3, and a3 takes no work"
    assert work().missing("a2") == {"cpus": 1.0}


def test_the_leader_is_told_to_offer_nothing_of_the_agent() -> None:
    answers = Answers()
    Workload(CLUSTER, RENDERED, answers).deactivate("a2")
    assert answers.asked == [("POST", "/api/v1", {"type": "DEACTIVATE_AGENT", "deactivate_agent": {"agent_id": {"value": "S2"}}})]


def test_apps_are_those_with_an_instance_on_the_agent() -> None:
    found = work(tasks={"tasks": [{"appId": "/web", "host": "a1"}, {"appId": "/web", "host": "a2"}, {"appId": "/db", "host": "a2"}]},
                 apps={"apps": [{"id": "/web", "instances": 2}, {"id": "/db", "instances": 1}]}).apps("a1")
    assert found == [App("/web", 2, ("a1", "a2"))]


def test_an_app_is_in_order_when_its_healthy_instances_elsewhere_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload, "HEALTHY_SECONDS", 0.0)
    here = {"host": "a1", "state": "TASK_RUNNING", "healthCheckResults": [{"alive": True}]}
    there = {"host": "a2", "state": "TASK_RUNNING", "healthCheckResults": [{"alive": True}]}
    starting = {"host": "a2", "state": "TASK_RUNNING", "healthCheckResults": []}
    app = {"instances": 1, "healthChecks": [{}]}
    work(web={"app": {**app, "tasks": [here, there]}}).await_elsewhere(["/web"], "a1")
    work().await_elsewhere(["/deleted"], "a1")
    with pytest.raises(StepFailed, match="/web: 0 of 1"):
        work(web={"app": {**app, "tasks": [here, starting]}}).await_elsewhere(["/web"], "a1")


def test_a_refusal_of_marathon_is_shown() -> None:
    with pytest.raises(StepFailed, match="Marathon answers 404 to PUT /v2/apps/gone"):
        work().scale("/gone", 2)


def test_an_instance_that_found_no_place_is_not_asked_for_any_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployment that waits for it locks the app; a drain that gave up would leave each app one instance more."""
    monkeypatch.setattr(workload, "HEALTHY_SECONDS", 0.0)
    answers = Answers(**{"web": {"app": {"instances": 1, "tasks": []}}, "web?force=true": {}, "db": {"app": {}}, "db?force=true": {}})
    apps = [App("/web", 1, ("a1",)), App("/db", 2, ("a1",))]
    with pytest.raises(StepFailed, match="0 of 1"), doubled(Workload(CLUSTER, RENDERED, answers), apps, "a1", Console()):
        pass
    assert [call for call in answers.asked if call[0] == "PUT"] == [
        ("PUT", "/v2/apps/web", {"instances": 2}), ("PUT", "/v2/apps/db", {"instances": 3}),
        ("PUT", "/v2/apps/web?force=true", {"instances": 1}), ("PUT", "/v2/apps/db?force=true", {"instances": 2})]


def test_what_a_closed_cluster_would_deny_a_framework_that_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    rights = {"marathon": {"roles": [], "users": ["nobody"]}, "own": {"roles": ["*"], "users": ["root"]}}
    rows: list[dict[str, object]] = [
        {"name": "marathon", "principal": "marathon", "user": "root", "roles": ["a"]}, {"name": "old", "user": "root"},
        {"name": "own", "principal": "own", "user": "root", "roles": ["*", "b"]}, {"name": "fine", "principal": "own", "user": "root"}]
    frameworks = [row | {"connected": True} for row in rows] + [{"name": "gone", "connected": False, "user": "root"}]
    monkeypatch.setitem(STATE, "frameworks", frameworks)
    assert work().denied(rights) == ["marathon runs tasks as root", "old registered as nobody", "own wants offers for b"]
