"""`lab down` where the engine is off or was never installed, and `lab up` with artefacts that are no good."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from provisioner.errors import UsageError
from provisioner.mirror.images import Layer
from provisioner_lab import work
from provisioner_lab.hosts import engine, nodes
from provisioner_lab.images import bootstrap
from provisioner_lab.mirror import content
from provisioner_lab.model import Lab


def test_where_no_engine_was_ever_installed_there_is_no_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engine, "program", lambda name: "")
    said: list[str] = []
    work.down("demo", ignore_missing=True, say=said.append)
    assert said == ["there is no lab demo any more"]
    with pytest.raises(UsageError, match="there is no lab 'demo' on this machine, as no Docker Engine answers") as refused:
        work.down("demo", say=said.append)
    assert "lab up" not in refused.value.hint


@pytest.mark.parametrize(("there", "said", "hint"), [
    (("mine", "yours"), "(labs: mine, yours)", "remove one of them: provision lab down --name LAB"),
    ((), "(labs: none)", "nothing has to be removed"),
])
def test_who_takes_down_a_lab_that_is_not_there_does_not_want_to_make_it(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], said: str, hint: str) -> None:
    monkeypatch.setattr(engine, "wake", lambda say: True)
    monkeypatch.setattr(work, "labs", lambda: tuple(Lab(n, tmp_path, "debian12", ipaddress.IPv4Network("198.18.0.0/24")) for n in there))
    with pytest.raises(UsageError) as refused:
        work.down("demo", say=lambda text: None)
    assert (refused.value.message, refused.value.hint) == (f"there is no lab 'demo' on this machine {said}", hint)
    with pytest.raises(UsageError) as refused:
        work.find("demo")
    assert refused.value.hint == "make it: provision lab up --name demo"


def test_an_engine_that_is_off_is_started_before_anybody_says_that_the_lab_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engine, "program", lambda name: f"/usr/bin/{name}")
    running: list[str] = []
    monkeypatch.setattr(engine, "answers", lambda: bool(running))
    monkeypatch.setattr(engine, "start", lambda say: running.append("dockerd"))
    monkeypatch.setattr(work, "labs", lambda: () if running else pytest.fail("asked an engine that is off"))
    said: list[str] = []
    work.down("demo", ignore_missing=True, say=said.append)
    assert (running, said) == (["dockerd"], ["there is no lab demo any more"])


def test_a_folder_of_artefacts_that_could_not_be_published_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab("demo", tmp_path.resolve(), "debian12", ipaddress.IPv4Network("198.18.0.0/24"))
    lab.home.mkdir(parents=True)
    (tmp_path / "brought" / "archives").mkdir(parents=True)
    (tmp_path / "brought" / "archives" / "consul_1.10.12_linux_amd64.zip").touch()
    monkeypatch.setattr(engine, "ensure", lambda say: None)
    monkeypatch.setattr(work, "labs", lambda: (lab,))
    monkeypatch.setattr(bootstrap, "node_image", lambda which, say: "node")
    monkeypatch.setattr(bootstrap, "python_image", lambda say: ("service", Layer(tmp_path, "digest", "id")))
    monkeypatch.setattr(nodes, "read_states", lambda lab: {"m1": "running"})

    def build(wanted: content.Ingredients, say: object) -> Path:
        assert wanted.artifacts.consul
        raise UsageError("this can't be published")

    monkeypatch.setattr(content, "build", build)
    with pytest.raises(UsageError, match="can't be published"):
        work.up("demo", artifacts=tmp_path / "brought", directory=tmp_path, say=print)
    assert not lab.artifacts_note.exists(), "the next `lab up` would try them again"
