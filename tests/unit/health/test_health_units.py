"""What counts as a unit that is up, and the shape of every answer."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

from provisioner.components import component, component_names
from provisioner.probe import health
from provisioner.probe.health import ask, systemd
from provisioner.probe.health.answer import tag_of

SHOWN = """\
Id=zookeeper.service
LoadState=loaded
ActiveState=active
SubState=running
MainPID=41
NRestarts=0
Result=success
ExecMainStatus=0
ActiveEnterTimestampMonotonic=5000000

Id=marathon.service
LoadState=loaded
ActiveState=activating
SubState=auto-restart
MainPID=0
NRestarts=12
Result=exit-code
ExecMainStatus=1
ActiveEnterTimestampMonotonic=90000000

Id=gone.service
LoadState=not-found
ActiveState=inactive
SubState=dead
"""


def test_one_answer_of_systemctl_holds_all_units() -> None:
    units = systemd.parse(SHOWN)
    assert set(units) == {"zookeeper", "marathon", "gone"}
    assert systemd.facts(units["zookeeper"]) == {"active": "active", "pid": 41, "restarts": 0, "result": "success"}


@pytest.mark.parametrize(("name", "says"), [
    ("zookeeper", ""),
    ("marathon", "stops again and again (12 restarts, last result exit-code, exit status 1)"),
    ("gone", "the unit gone does not exist"),
    ("never-shown", "the unit never-shown does not exist"),
])
def test_trouble_of_units(name: str, says: str) -> None:
    found = systemd.trouble(name, systemd.parse(SHOWN).get(name, {}), now=95.0)
    assert says in found and bool(found) == bool(says)


@pytest.mark.parametrize(("change", "steady", "says"), [
    ({}, 2.0, ""),
    ({"ActiveEnterTimestampMonotonic": "94000000"}, 0.0, ""),
    ({"ActiveEnterTimestampMonotonic": "94000000"}, 2.0, "up for 1.0 s only"),
    ({"ActiveEnterTimestampMonotonic": "94000000", "NRestarts": "3"}, 0.0, "restarted after a failure (3 times)"),
    ({"ActiveEnterTimestampMonotonic": "80000000", "NRestarts": "3"}, 2.0, ""),
    ({"ActiveState": "failed", "Result": "oom-kill"}, 0.0, "failed (last result oom-kill"),
    ({"ActiveState": "inactive", "SubState": "dead"}, 0.0, "is stopped"),
    ({"ActiveState": "activating", "SubState": "start"}, 0.0, "is activating"),
    ({"NRestarts": ""}, 0.0, ""),
    ({"LoadState": "not-found"}, 0.0, ""),
    ({"LoadState": "not-found", "ActiveState": "deactivating"}, 0.0, "does not exist"),
])
def test_up_means_one_process_for_a_while(change: dict[str, str], steady: float, says: str) -> None:
    unit = {**systemd.parse(SHOWN)["zookeeper"], **change}
    found = systemd.trouble("zookeeper", unit, now=95.0, steady=steady)
    assert says in found and bool(found) == bool(says)


def test_a_fresh_unit_is_not_ok_before_it_was_watched(units: dict[str, dict[str, str]]) -> None:
    started = int((time.monotonic() - 0.5) * 1e6)
    units["zookeeper"] = {"LoadState": "loaded", "ActiveState": "active", "ActiveEnterTimestampMonotonic": str(started)}
    request = {"unit": "zookeeper", "address": "127.0.0.1", "port": 1, "members": 1, "steady": 2}
    found = ask("zookeeper", request)
    assert found["state"] == "down" and "has been up for 0.5 s only" in found["detail"]


def test_every_component_has_a_definition_of_healthy() -> None:
    assert [name for name in component_names() if component(name).part("health") is None] == []


@pytest.mark.parametrize("name", component_names())
def test_an_empty_request_gives_an_answer_and_no_exception(name: str) -> None:
    found = ask(name, {})
    assert set(found) == {"state", "leader", "version", "stand_in", "detail", "facts"}
    assert found["state"] == "ok" if name in ("common", "repos", "kernel") else "lacks" in found["detail"]


def test_unknown_components_are_refused() -> None:
    assert ask("__init__", {})["detail"] == "the probe knows no component '__init__'"


def test_the_probe_keeps_to_the_syntax_of_old_hosts() -> None:
    probe = Path(str(health.__file__)).parents[1]
    for path in (*probe.rglob("*.py"), *(probe.parent / "components").glob("*/health.py")):
        ast.parse(path.read_text(), feature_version=(3, 6))


@pytest.mark.parametrize(("image", "tag"), [
    ("198.18.0.2:5000/chronos:3.0.2-standin", "3.0.2-standin"),
    ("mesosphere/chronos:v3.0.2@sha256:ab", "v3.0.2"),
    ("198.18.0.2:5000/chronos", ""),
])
def test_the_version_in_an_image_name_is_its_tag(image: str, tag: str) -> None:
    assert tag_of(image) == tag
