"""`lab down` where the engine is off or was never installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import UsageError
from provisioner.lab import engine, work


def test_where_no_engine_was_ever_installed_there_is_no_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engine, "_program", lambda name: "")
    said: list[str] = []
    work.down("demo", ignore_missing=True, say=said.append)
    assert said == ["there is no lab demo any more"]
    with pytest.raises(UsageError, match="no Docker Engine answers on this machine"):
        work.down("demo", say=said.append)


def test_an_engine_that_is_off_is_started_before_anybody_says_that_the_lab_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engine, "_program", lambda name: f"/usr/bin/{name}")
    running: list[str] = []
    monkeypatch.setattr(engine, "answers", lambda: bool(running))
    monkeypatch.setattr(engine, "_start", lambda say: running.append("dockerd"))
    monkeypatch.setattr(work, "labs", lambda: () if running else pytest.fail("asked an engine that is off"))
    said: list[str] = []
    work.down("demo", ignore_missing=True, say=said.append)
    assert (running, said) == (["dockerd"], ["there is no lab demo any more"])
