"""A context is made of its parts, and the files it keeps are written whole."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import ProvisionError, UsageError
from provisioner.inventory.starter import write_inventory
from provisioner.state import ledger
from provisioner.state.files import rewrite
from provisioner_lab.testing import FakeTransport


def test_a_changed_ledger_is_saved_and_rendered_in_another_context(tmp_path: Path) -> None:
    before = Context(write_inventory(tmp_path), transport=FakeTransport())
    rendered = before.rendered
    after = before.keep(dataclasses.replace(before.ledger, drained=frozenset({"a1"})))
    assert ledger.load(before.cluster).drained == {"a1"}
    assert (after.cluster, after.transport) == (before.cluster, before.transport)
    assert after.rendered != rendered and before.rendered is rendered


def test_an_unknown_host_names_the_known_ones(tmp_path: Path) -> None:
    context = Context(write_inventory(tmp_path))
    assert context.host("m1").name == "m1"
    with pytest.raises(UsageError, match="no host 'm9'") as error:
        context.host("m9")
    assert error.value.hint == "hosts: a1, a2, m1, m2, m3"


def test_a_file_is_rewritten_whole_with_the_mode_it_has(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    rewrite(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    path.chmod(0o664)
    umask = os.umask(0o077)
    try:
        rewrite(path, b"newer")
    finally:
        os.umask(umask)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"newer", 0o664)
    assert [each.name for each in tmp_path.iterdir()] == ["inventory.yml"]
    with pytest.raises(ProvisionError, match="can't write the file"):
        rewrite(tmp_path / "no" / "file", b"")


def test_a_warning_on_a_pipe_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    Console().warn("[m1] is full")
    assert capsys.readouterr().err == "warning: [m1] is full\n"
