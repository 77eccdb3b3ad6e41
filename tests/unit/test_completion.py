"""Shell completion: what could stand at the cursor, and that each shell asks for it as it should."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import COMPLETIONS, SHARE
from provisioner.cli import main
from provisioner.inventory.starter import write_inventory
from provisioner.verbs import completion
from provisioner.verbs.completion import DIRECTORIES, FILES, candidates

INVENTORY = """\
all:
  children:
    masters:
      hosts:
        m[1:3]: {}
    agents: {hosts: {a1: {}, web-1: {}}}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an inventory and the inventories of two labs."""
    monkeypatch.delenv("PROVISION_HOSTS", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    (tmp_path / "other.yml").write_text("all: {children: {masters: {hosts: {x9: {}}}}}\n")
    for lab, host in (("default", "d1"), ("demo", "m7")):
        folder = tmp_path / ".provision" / "labs" / lab
        folder.mkdir(parents=True)
        (folder / "inventory.yml").write_text(f"all: {{children: {{masters: {{hosts: {{{host}: {{}}}}}}}}}}\n")
    return tmp_path


def found(line: str) -> list[str]:
    """What could stand at the end of a command line (without its first word)."""
    return [word for word, _ in candidates(line.split(" "))]


@pytest.mark.parametrize(("line", "words"), [
    ("u", ["up", "undrain", "upgrade", "unlock"]),
    ("--v", ["--version"]),
    ("la", ["lab"]),
    ("no-such ", []),
    ("infra ", ["plan", "up", "down", "show"]),
    ("infra up --w", ["--wait"]),
    ("infra no-such ", []),
    ("completion ", ["bash", "zsh", "fish"]),
    ("drain ", ["a1", "m1", "m2", "m3", "web-1"]),
    ("drain w", ["web-1"]),
    ("drain a1 ", []),
    ("remove a1 w", ["web-1"]),
    ("ssh m", ["m1", "m2", "m3"]),
    ("drain --hosts other.yml ", ["x9"]),
    ("drain --lab demo ", ["m7"]),
    ("drain --hosts missing.yml ", []),
    ("status --lab d", ["default", "demo"]),
    ("up --limit m1,m2,m", ["m1,m2,m3", "m1,m2,masters", "m1,m2,mirror", "m1,m2,mesos_master", "m1,m2,mesos_agent", "m1,m2,marathon"]),
    ("up --only zoo", ["zookeeper"]),
    ("up --only=zoo", ["zookeeper"]),
    ("up --only = zoo", ["zookeeper"]),
    ("up --only zookeeper --onl", ["--only"]),
    ("up --full --ful", []),
    ("up --plan p", [FILES]),
    ("up --plan =", [FILES]),
    ("init ", [DIRECTORIES]),
    ("up --batch ", []),
])
def test_what_could_stand_there(line: str, words: list[str]) -> None:
    assert found(line) == words


def test_every_option_is_offered_with_its_meaning() -> None:
    assert dict(candidates(["up", "--ye"])) == {"--yes": "do not ask before the first change"}
    assert dict(candidates(["up"])) == {"up": "build the cluster, or bring it to what the inventory says",
                                        "upgrade": "move to new versions: back up first, pause where you ask"}


@pytest.mark.parametrize("text", ["all: [", "all: {children: {masters: {hosts: {'m[3:1]': {}}}}}"])
def test_a_broken_inventory_completes_nothing(here: Path, text: str) -> None:
    (here / "inventory.yml").write_text(text)
    assert found("drain ") == []


def test_the_example_is_read_as_it_is_written(here: Path) -> None:
    (here / "inventory.yml").unlink()
    write_inventory(here)
    assert found("drain a") == ["a1", "a2"]


def test_asking_loads_no_more_than_it_needs() -> None:
    script = ("import sys; from provisioner.cli import main; main(['__complete', 'up', '--o']);"
              "print([m for m in ('ansible', 'rich', 'paramiko', 'yaml', 'subprocess') if m in sys.modules], file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr.strip()) == ("--only\tonly these components, comma-separated (repeatable)\n", "[]")


@pytest.fixture
def shell_path(tmp_path: Path) -> str:
    """A PATH whose `provision` is this one."""
    program = tmp_path / "bin" / "provision"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{os.pathsep.join(sys.path)}" exec "{sys.executable}" -m provisioner.cli "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def asked(shell: str, script: str, path: str) -> list[str]:
    """What a shell prints that runs a script after it has loaded the completion."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    words = {"bash": ["bash", "--norc", "-c"], "zsh": ["zsh", "-fc"], "fish": ["fish", "--no-config", "-c"]}[shell]
    environment = {**os.environ, "PATH": path, "HOME": "/dev/null"}
    done = subprocess.run([*words, script], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


CASES = [(["dra"], ["drain"]), (["drain", "m"], ["m1", "m2", "m3"]), (["up", "--hosts", "o"], ["other.yml"]),
         (["up", "--only", "zoo"], ["zookeeper"]), (["lab", "up", "--mas"], ["--masters"])]


@pytest.mark.parametrize(("words", "expected"), [*CASES, (["up", "--hosts", "=", "o"], ["other.yml"])])
def test_bash_completes(words: list[str], expected: list[str], shell_path: str) -> None:
    script = (f"source {SHARE / COMPLETIONS['bash']}; complete -p provision >/dev/null; COMP_WORDS=(provision {' '.join(words)});"
              f"COMP_CWORD={len(words)}; _provision; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    assert asked("bash", script, shell_path) == expected


@pytest.mark.parametrize(("words", "expected"), CASES)
def test_zsh_completes(words: list[str], expected: list[str], shell_path: str) -> None:
    fakes = ("compdef() { : }; compset() { : }; _files() { print -l -- ${~words[CURRENT]}*(N) };"
             "_describe() { print -l -- ${${(P)2}%%:*} };")
    script = f"{fakes} source {SHARE / COMPLETIONS['zsh']}; words=(provision {' '.join(words)}); CURRENT={len(words) + 1}; _provision"
    assert asked("zsh", script, shell_path) == expected


@pytest.mark.parametrize(("words", "expected"), [*CASES, (["up", "--only=zoo"], ["--only=zookeeper"]),
                                                 (["up", "--hosts=o"], ["--hosts=other.yml"])])
def test_fish_completes(words: list[str], expected: list[str], shell_path: str) -> None:
    script = f"source {SHARE / COMPLETIONS['fish']}; complete -C 'provision {' '.join(words)}'"
    assert [line.partition("\t")[0] for line in asked("fish", script, shell_path)] == expected


def test_the_scripts_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for shell, script in completion.SCRIPTS.items():
        assert main(["completion", shell]) == 0
        assert capsys.readouterr().out == script
    assert main(["completion", "tcsh"]) == 2


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_the_manual_page_has_no_error_and_every_option() -> None:
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-P-c", str(SHARE / "man" / "man1" / "provision.1")],
                          capture_output=True, text=True, check=True)
    assert done.stderr == ""
    for text in ("--detailed-exitcode", "provision infra up", "provision lab snapshot", "EXIT STATUS"):
        assert text in re.sub(".\b", "", done.stdout), "bold is a letter over itself"
