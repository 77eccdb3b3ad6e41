"""What all offline tests run under, and what those of the driver share."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from provisioner.inventory import by_ansible
from tests.unit import inventory_reader

# A busy machine is no fault of the code: by default an example that takes 200 ms fails its test.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

# No engine: a test that asks one passes where it happens to run and fails on a fresh machine.
os.environ["DOCKER_HOST"] = "unix:///nonexistent/docker.sock"

# Where what Python compiles may not be kept, each of the hundreds of programs that tests start compiles its modules again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_finish() -> None:
    """What thousands of tests are made of stays: Python need not look again and again whether it is garbage."""
    gc.freeze()


@pytest.fixture(scope="session")
def reader_of_inventories() -> Iterator[Path]:
    """A program that answers as `ansible_reader.py` does, without loading Ansible each time."""
    # A socket's path may have 107 bytes, and those of tests are long.
    with tempfile.TemporaryDirectory(prefix="reader") as folder:
        program = Path(folder) / "reader.py"
        program.symlink_to(inventory_reader.__file__)
        command = [sys.executable, str(program), "--serve", str(program.with_name(inventory_reader.SOCKET))]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as loaded:
            assert loaded.stdout and loaded.stdout.readline() == b"ready\n"
            yield program
            loaded.terminate()


@pytest.fixture
def ansible_is_loaded(reader_of_inventories: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that have many inventories read by Ansible."""
    monkeypatch.setattr(by_ansible, "READER", reader_of_inventories)
