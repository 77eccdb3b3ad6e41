"""What is kept between labs, and containers that must not outlive who waits for them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from provisioner.errors import ProvisionError
from provisioner_lab.cache import forget_older, made
from provisioner_lab.commands import run_contained

DOCKER = """#!/bin/sh
echo "$@" >>"$(dirname "$0")/did"
[ "$1" != run ] || exec sleep 30
"""


def kept(folder: Path, name: str, *, days: float) -> Path:
    """Something that was last used so many days ago."""
    path = folder / name
    path.mkdir()
    os.utime(path, times=(time.time() - days * 86400,) * 2)
    return path


def test_what_another_checkout_used_today_stays(tmp_path: Path) -> None:
    new, today, long_ago = (kept(tmp_path, f"mesos-bookworm-{n}", days=n) for n in (0, 0.9, 1.1))
    used = kept(tmp_path, "mesos-bookworm-9", days=9)
    other = kept(tmp_path, "mesos-trixie-9", days=9)
    assert made(used)
    assert not made(tmp_path / "mesos-bookworm-8")
    forget_older(new)
    assert sorted(tmp_path.iterdir()) == sorted([new, today, used, other])
    assert not long_ago.exists()


def test_a_container_goes_when_nobody_waits_for_it_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ProvisionError, match="did not end within"):
        run_contained(["image", "true"], what="a step", timeout=0.5)
    started, removed = (tmp_path / "did").read_text().splitlines()
    name = started.split()[started.split().index("--name") + 1]
    assert started == f"run --rm --name {name} --network none image true"
    assert removed == f"rm --force {name}"
