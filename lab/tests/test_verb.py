"""`provision lab …` by its command line, and `--lab NAME`, with an engine that has one lab, `probe`."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from provisioner.cli import main
from provisioner_lab import verb, work
from provisioner_lab.hosts import engine
from provisioner_lab.model import default_inventory
from provisioner_lab.snapshots import store
from provisioner_lab.work import LabStatus

DOCKER = """#!/bin/sh
case "$1 $2" in
  "info "*) echo 28 ;;
  "network ls") echo "provisioner-lab-probe|probe|/w|debian12|docker|" ;;
  "network inspect") echo '[{"IPAM": {"Config": [{"Subnet": "198.18.7.0/24"}]}}]' ;;
  "ps "*) printf '%s\\n' 'a1 exited' 'mirror running' 'm1 running' ;;
esac
"""


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the test is; the tables are as wide as they need to be."""
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("PROVISION_HOSTS", raising=False)
    monkeypatch.setattr(store, "cache_dir", lambda: tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def test_labs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["probe", "debian12", "docker", "198.18.7.0/24", "/w"]


def test_a_lab_of_which_not_all_runs_is_shown_and_counts_as_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "status", "--name", "probe"]) == 5
    said = "".join(capsys.readouterr())
    rows = [line.split() for line in said.splitlines() if "198.18.7." in line]
    assert rows == [["m1", "198.18.7.11", "running"], ["a1", "198.18.7.101", "exited"], ["mirror", "198.18.7.2", "running"]]
    assert "inventory: /w/.provision/labs/probe/inventory.yml" in said


def test_played_vendors_are_shown_and_how_this_machine_reaches_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "docker").write_text(DOCKER.replace("'mirror running'", "'mirror running' 'vendors paused'"))
    assert main(["lab", "status", "--name", "probe"]) == 5
    said = "".join(capsys.readouterr())
    assert [line.split() for line in said.splitlines() if "paused" in line] == [["vendors", "198.18.7.3", "paused"]]
    assert "https_proxy=http://198.18.7.3:3128 SSL_CERT_FILE=/w/.provision/labs/probe/vendors/ca.pem" in said


def test_options_reach_the_lab_that_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def up(name: str, *, say: object, **options: object) -> LabStatus:
        asked.append((name, options))
        return work.status("probe")

    monkeypatch.setattr(work, "up", up)
    main(["lab", "up", "--name", "mine", "--masters", "1", "--os", "rocky9", "--artifacts", "brought", "--vendors"])
    main(["lab", "up"])
    new = {"masters": None, "agents": None, "operating_system": None, "artifacts": None, "backend": None, "vendors": False}
    mine = {**new, "masters": 1, "operating_system": "rocky9", "artifacts": Path("brought"), "vendors": True}
    assert asked == [("mine", mine), ("default", new)]


@pytest.mark.parametrize(("words", "said"), [
    (["lab", "status"], "there is no lab 'default' on this machine (labs: probe)"),
    (["lab", "up", "--name", "No_Name"], "'No_Name' can't be the name of a lab"),
    (["lab", "up", "--os", "windows"], "a lab can't be made of 'windows'"),
    (["lab", "up", "--masters", "0"], "a lab can't have 0 masters"),
    (["lab", "restore", "nothing"], "there is no snapshot 'nothing' on this machine (snapshots: none)"),
    (["lab", "snapshots", "--remove", "nothing"], "there is no snapshot 'nothing'"),
    (["status", "--lab", "nothing"], "there is no lab 'nothing' on this machine\n→ provision lab up --name nothing"),
    (["status", "--lab", "No_Name"], "'No_Name' can't be the name of a lab"),
])
def test_what_can_not_be_is_refused(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_the_running_default_lab_is_taken_where_nothing_else_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    path = default_inventory()
    path.parent.mkdir(parents=True)
    path.write_text("all: {vars: {cluster_name: lab-default}, children: {masters: {hosts: {m1: {ansible_host: 198.18.7.11}}}}}\n")
    main(["validate"])
    assert f"inventory: {path}" in capsys.readouterr().err


def test_a_lab_is_made_only_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(work, "up", lambda name, say: made.append(name))
    verb.ensure("mine", print)
    verb.inventory_of("mine").parent.mkdir(parents=True)
    verb.inventory_of("mine").touch()
    verb.ensure("mine", print)
    assert made == ["mine"]


def test_without_an_engine_there_is_nothing_to_list(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(engine, "answers", lambda: False)
    assert main(["lab", "list"]) == 2
    assert "no Docker Engine answers on this machine" in capsys.readouterr().err
    assert main(["lab", "snapshots"]) == 0


def test_every_action_has_frozen_options_of_its_own() -> None:
    for action in verb.ACTIONS:
        assert is_dataclass(action.options)
        assert action.options.__dataclass_params__.frozen, action.name  # type: ignore[attr-defined]
        assert action.help[0].islower()
    assert {field.name for field in fields(verb.Up)} == {"name", "masters", "agents", "os", "artifacts", "backend", "vendors"}
