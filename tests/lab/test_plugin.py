"""What other projects get: the fixture `cluster` of the pytest plugin, used by pytest runs of their own on the lab of this run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.support.checkout import HOME, ROOT, ClusterUnderTest

pytestmark = pytest.mark.provision(masters=3, agents=2)
CONFTEST = """
import pathlib, pytest
from provisioner_lab.under_test import ClusterUnderTest

@pytest.fixture(scope="session")
def cluster():
    return ClusterUnderTest({lab!r}, pathlib.Path({home!r}))
"""
BREAKS_THINGS = """
def test_breaks_things(cluster):
    cluster.kill("a2", "registrator")
    cluster.partition("m1")
    cluster.pause("a1")
    raise AssertionError("in the middle of it")

def test_finds_nothing_broken(cluster):
    assert cluster.status()["healthy"]
"""
CONNECT = "python3 -c 'import socket; socket.create_connection((\"{address}\", 22), 2)' 2>&1 || true"


def pytest_run(folder: Path, *arguments: str) -> str:
    """What a run of pytest in this folder says."""
    command = [sys.executable, "-m", "pytest", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    return done.stdout + done.stderr


def connects(cluster: ClusterUnderTest, source: str, target: str) -> bool:
    return cluster.host(source).run(CONNECT.format(address=cluster.host(target).address)) == ""


def test_the_example_project_passes_and_leaves_the_lab_as_it_was(cluster: ClusterUnderTest) -> None:
    said = pytest_run(ROOT / "examples/app-survives", f"--provision-lab={cluster.lab}")
    assert "1 passed" in said, said
    assert cluster.status()["healthy"]


def test_a_partition_is_one_and_ends(cluster: ClusterUnderTest) -> None:
    with cluster.partition("m1"):
        assert [connects(cluster, *pair) for pair in (("m1", "a1"), ("a1", "m1"), ("a1", "m2"))] == [False, False, True]
        cluster.run("run", "--limit", "m1", "true")
    assert connects(cluster, "m1", "a1")
    assert "provision-cut" not in cluster.host("m1").run("iptables -S")


def test_what_a_failing_test_broke_is_mended_before_the_next(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.format(lab=cluster.lab, home=str(HOME)))
    (tmp_path / "test_it.py").write_text(BREAKS_THINGS)
    said = pytest_run(tmp_path)
    assert "1 failed, 1 passed" in said, said
    assert "in the middle of it" in said
