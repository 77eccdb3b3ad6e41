"""The command line: codes, messages, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from provisioner import verbs
from provisioner.cli import main, parser
from provisioner.errors import InventoryError
from provisioner.extensions import entry_points
from provisioner.paths import project_dir
from provisioner.verbs import commands


def test_help_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("", "init", "validate", "inventory", "preflight", "up", "status", "verify", "ssh", "run", "lab up",
                    "lab vagrantfile", "infra up"):
        arguments = command.split()
        with pytest.raises(SystemExit) as end:
            main([*arguments, "--help"])
        assert end.value.code == 0
    assert "usage: provision" in capsys.readouterr().out


def test_help_imports_nothing_heavy() -> None:
    script = ("import sys; from provisioner.cli import parser; parser().format_help();"
              "print([m for m in ('ansible','rich','paramiko','ruamel','yaml') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upp"]) == 2
    assert "→" in capsys.readouterr().err


def test_no_inventory_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROVISION_HOSTS", raising=False)
    assert main(["status"]) == 2
    text = capsys.readouterr().err
    assert "PROVISION_HOSTS" in text
    assert str(tmp_path) in text
    assert "provision init" in text


def test_without_the_lab_distribution_labs_are_refused_and_all_else_works(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(verbs, "entry_points", lambda group: {})
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROVISION_HOSTS", raising=False)
    for words in (["status", "--lab", "x"], ["up", "--lab"]):
        assert main(words) == 2
        assert "the lab is not installed\n→ pip install provisioner-lab" in capsys.readouterr().err
    assert main(["lab", "up"]) == 2
    assert main(["status"]) == 2
    assert "no inventory: no --hosts" in capsys.readouterr().err


def test_the_driver_never_imports_the_lab() -> None:
    found = [str(path) for path in (project_dir() / "provisioner").rglob("*.py") if "provisioner_lab" in path.read_text()]
    assert found == []


def test_entry_points_are_those_that_python_finds() -> None:
    for group in ("provisioner.verbs", "pytest11", "console_scripts"):
        assert entry_points(group) == {each.name: each.value for each in metadata.entry_points(group=group)}


def test_the_inventory_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    monkeypatch.setenv("PROVISION_HOSTS", str(tmp_path / "inventory.yml"))
    assert main(["validate", "--hosts", "missing.yml"]) == 3
    assert main(["validate"]) == 0
    assert f"inventory: {tmp_path / 'inventory.yml'}" in capsys.readouterr().err.replace("\n", "")


def test_a_broken_inventory_names_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "inventory.yml"
    hosts = "    masters:\n      hosts:\n        m1: {ansible_host: 192.0.2.1}\n"
    path.write_text(f"all:\n  vars:\n    zookeper_heap_mb: 512\n  children:\n{hosts}")
    assert main(["validate", "--hosts", str(path)]) == InventoryError.exit_code
    text = capsys.readouterr().err
    assert f"{path}:3" in text.replace("\n", "")
    assert "zookeeper_heap_mb" in text


def test_an_unforeseen_error_leaves_a_report_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def breaks(options: object) -> int:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(commands, "command_validate", breaks)
    assert main(["validate"]) == 1
    text = capsys.readouterr().err
    assert "Traceback" not in text
    report = next(tmp_path.glob("provision-report-*.txt"))
    assert str(report) in text
    assert "nobody thought of this" in report.read_text()
    assert report.stat().st_mode & 0o077 == 0


def test_hosts_to_remove_and_the_inventory_are_not_mixed_up() -> None:
    options = parser().parse_args(["remove", "--hosts", "inventory.yml", "m4", "m5"])
    assert (options.names, options.hosts) == (["m4", "m5"], "inventory.yml")
