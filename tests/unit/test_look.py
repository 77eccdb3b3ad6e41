"""What was seen decides whether anything may be changed at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provisioner.cluster import Cluster, Host
from provisioner.console import Console
from provisioner.errors import StepFailed, UnreachableError
from provisioner.look import _judge
from provisioner.preflight import Report
from provisioner.preflight.report import Finding
from provisioner.session import Session

HOSTS = (*(Host(n, "192.0.2.1", groups=frozenset({"zookeeper", "mesos_master"})) for n in ("m1", "m2", "m3")),
         Host("a1", "192.0.2.9", groups=frozenset({"mesos_agent"})))


def judge(*findings: Finding, away: tuple[str, ...] = ()) -> None:
    session: Any = Session(Path("/nowhere/inventory.yml"))
    session.__dict__["cluster"] = Cluster("c", session.path, HOSTS)
    _judge(Report(tuple(findings), {}, away), session, Console())


def away(host: str) -> Finding:
    return Finding("fail", host, "reachable", "it does not answer", "switch it on")


def test_a_host_that_a_quorum_needs_stops_everything() -> None:
    with pytest.raises(UnreachableError, match=r"nothing was changed(.|\n)*m2: it does not answer(.|\n)*switch it on"):
        judge(away("m2"), away("a1"), away=("m2", "a1"))


def test_an_agent_that_is_away_stops_nobody() -> None:
    judge(away("a1"), away=("a1",))


def test_a_host_that_is_not_fit_stops_everything() -> None:
    with pytest.raises(StepFailed, match=r"nothing was changed(.|\n)*a1: 3 MB free"):
        judge(Finding("fail", "a1", "disk", "3 MB free"))


def test_a_warning_stops_nothing() -> None:
    judge(Finding("warn", "m1", "memory", "little"))
