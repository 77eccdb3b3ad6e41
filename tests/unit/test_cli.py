"""The command line: codes, messages, never a traceback."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from provisioner import verbs
from provisioner.cli import given, main, parser, parsers
from provisioner.console import Console
from provisioner.errors import InventoryError
from provisioner.extensions import entry_points
from provisioner.paths import project_dir
from provisioner.verbs import Action, remove, validate

GOLDEN = Path(__file__).parent / "golden" / "help"


def helps() -> dict[str, str]:
    """The help of every command by the name of its golden file."""
    return {each.prog.replace(" ", "-"): each.format_help() for each in parsers()}


def test_the_help_of_every_command_is_as_it_was_read_and_approved(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m tests.unit.test_cli` writes the files anew."""
    monkeypatch.setenv("COLUMNS", "80")
    assert {path.stem: path.read_text() for path in GOLDEN.glob("*.txt")} == helps()


def test_help_is_short_and_imperative() -> None:
    for verb in verbs.verbs().values():
        assert verb.group in verbs.GROUPS
        assert len(f"  {verb.name:<12}{verb.help}") <= 80, verb
        assert verb.help[0].islower() and not verb.help.endswith("."), verb


@pytest.mark.parametrize("words", ["", "up", "lab up", "infra up", "ssh"])
def test_help_ends_well(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*words.split(), "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: provision {words}".rstrip())


@pytest.mark.parametrize("words", [["--help"], ["up", "--help"], ["validate", "--help"], ["lab", "--help"], ["remove", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    script = (f"import sys; from provisioner.cli import main\ntry: main({words!r})\nexcept SystemExit: pass\n"
              "heavy = ('ansible', 'rich', 'paramiko', 'ruamel', 'yaml', 'kazoo', 'importlib.metadata', 'subprocess')\n"
              "print([m for m in heavy if m in sys.modules], file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_every_verb_and_action_has_options_with_a_field_for_each_argument() -> None:
    for each in parsers():
        action: Action | None = each.get_default("action")
        if action:
            fields = {field.name for field in dataclasses.fields(action.options)}
            own = {"hosts", "lab", "vault_password_file", "vault_id", "ask_vault_pass"} - fields if action.inventory else set()
            assert fields | own | {"help"} == {argument.dest for argument in each._actions}, each.prog
            assert action.options.__dataclass_params__.frozen, each.prog


def test_every_module_is_a_verb_and_every_verb_a_module_of_its_name() -> None:
    shared = {"shared", "__init__", "__pycache__"}
    folder = Path(verbs.__file__).parent
    assert {path.stem for path in folder.iterdir()} - shared == {verb.name for verb in verbs.VERBS}


def test_only_the_command_line_knows_what_argparse_parses_to() -> None:
    found = [str(path) for path in (project_dir() / "provisioner").rglob("*.py")
             if "Namespace" in path.read_text() and path.name != "cli.py"]
    assert found == []


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upp"]) == 2
    assert capsys.readouterr().err == "error: unknown command 'upp': did you mean 'up'?\n→ provision --help\n"
    assert main([]) == 2
    assert main(["--no-such-option"]) == 2
    assert main(["up", "--no-such-option"]) == 2
    assert "→ provision up --help" in capsys.readouterr().err
    assert main(["lab", "upp"]) == 2
    assert "→ provision lab --help" in capsys.readouterr().err


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


@pytest.mark.parametrize("reference", ["no_such_package:VERB", "os:nothing"])
def test_a_broken_package_that_adds_a_verb_is_named_and_stops_no_other_command(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], reference: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verbs, "entry_points", lambda group: {"extra": reference, "validate": reference})
    assert main(["init"]) == main(["validate"]) == 0
    assert main(["extra"]) == main(["--help"]) == 1
    said = capsys.readouterr().err
    assert said.count(f"{reference}: the command 'extra' that another package adds can't be loaded") == 2
    assert "unexpected" not in said


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

    def breaks(*_: object) -> int:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(validate, "run", breaks)
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert main(["validate"]) == 1
    text = capsys.readouterr().err
    assert "Traceback" not in text
    report = next(tmp_path.glob("provision-report-*.txt"))
    assert str(report) in text
    assert "nobody thought of this" in report.read_text()
    assert report.stat().st_mode & 0o077 == 0


def test_hosts_to_remove_and_the_inventory_are_not_mixed_up() -> None:
    verb = verbs.find("remove")
    assert verb is not None
    parsed = parser(verb).parse_args(["--hosts", "inventory.yml", "m4", "m5"])
    assert parsed.hosts == "inventory.yml"
    assert given(remove.Options, parsed) == remove.Options(names=("m4", "m5"))


@pytest.mark.parametrize("words", ["up", "plan", "upgrade", "restart zookeeper", "remove a2", "replace a2"])
def test_a_batch_that_is_none_is_refused_before_any_host_is_asked(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                  capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*words.split(), "--batch", "ten"]) == 2
    assert "error: --batch: 'ten' is not a number of hosts\n→ a number such as 5" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["up --only zookeeper,marathon", "up --only zookeeper --only marathon", "up --only zookeeper,,marathon"])
def test_components_are_separated_by_commas_or_given_one_by_one(words: str) -> None:
    name, *rest = words.split()
    verb = verbs.find(name)
    assert verb is not None
    assert parser(verb).parse_args(rest).only == ["zookeeper", "marathon"]


@pytest.mark.parametrize("command", ["status", "preflight", "inventory"])
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path, command: str) -> None:
    path = tmp_path / "inventory.yml"
    m1 = "{ansible_host: 127.0.0.11, ansible_port: 2, cluster_address: 192.0.2.1}"
    path.write_text(f"masters: {{hosts: {{m1: {m1}}}}}\nagents: {{hosts: {{m1: }}}}\n")
    words = [sys.executable, "-m", "provisioner.cli", command, "--hosts", str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as done:
        assert done.stdout and done.stderr
        done.stdout.close()
        told = done.stderr.read()
    assert (done.returncode, "Traceback" in told, "rror" in told) == (0, False, False), told


if __name__ == "__main__":
    os.environ["COLUMNS"] = "80"
    for name, text in helps().items():
        (GOLDEN / f"{name}.txt").write_text(text)


def test_a_table_in_a_pipe_has_each_row_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    address = f"https://example.com/{'long/' * 100}"
    Console().table("sources", ("component", "where"), [("consul", address), ("docker", "x")])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["sources"], ["component", "where"], ["consul", address], ["docker", "x"]]
