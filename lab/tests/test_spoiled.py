"""What is to go wrong with played vendors is asked for by a file, and what a lab with them can't do is said."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import UsageError
from provisioner_lab import faults, freeze, work
from provisioner_lab.hosts import nodes
from provisioner_lab.model import Lab
from provisioner_lab.snapshots import store


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """One that has them."""
    found = Lab("demo", tmp_path, "debian12", ipaddress.IPv4Network("198.18.7.0/24"))
    found.vendors_folder.mkdir(parents=True)
    monkeypatch.setattr(nodes, "read_states", lambda _: {"m1": "running", "mirror": "running", "vendors": "running"})
    return found


def asked(lab: Lab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((lab.vendors_folder / "faults.json").read_text())
    return found


def test_each_fault_ends_by_itself_and_the_last_one_at_a_place_counts(lab: Lab) -> None:
    first = faults.spoil(lab, "releases.hashicorp.com/*", "cut", 1000)
    with faults.spoil(lab, "download.docker.com/*", "status", 404):
        faults.spoil(lab, "releases.hashicorp.com/*", "loop")
        assert [(each["where"], each["what"]) for each in asked(lab)] == [
            ("releases.hashicorp.com/*", "loop"), ("download.docker.com/*", "status")]
    assert [each["where"] for each in asked(lab)] == ["releases.hashicorp.com/*"]
    first.undo()
    assert asked(lab) == []
    faults.spoil(lab, "*", "damaged")
    faults.unspoil(lab)
    assert asked(lab) == []


def test_a_lab_without_vendors_has_none_to_spoil(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "read_states", lambda _: {"m1": "running", "mirror": "running"})
    with pytest.raises(UsageError, match="no vendors are played in the lab 'demo'") as refused:
        faults.spoil(lab, "*", "loop")
    assert refused.value.hint == "provision lab up --vendors --name demo"


def test_a_snapshot_would_not_hold_them(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "labs", lambda: (lab,))
    monkeypatch.setattr(store, "cache_dir", lambda: lab.directory)
    with pytest.raises(UsageError, match="the lab 'demo' has played vendors, which a snapshot does not hold"):
        freeze.take("kept", "demo", again=False, say=print)
