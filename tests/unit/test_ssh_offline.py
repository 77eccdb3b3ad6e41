"""`validate` asks ssh what it makes of its arguments, without reaching anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import InventoryError
from provisioner.hosts import offline
from tests.unit.builders import THREE, load_text


def checked(folder: Path, *arguments: str) -> tuple[str, ...]:
    """Masters with these arguments, the first for all; the others for m2 and m3."""
    own = "".join(f"    m{n}: {{ansible_ssh_extra_args: \"{text}\"}}\n" for n, text in enumerate(arguments[1:], 2))
    shared = f"  vars: {{ansible_ssh_common_args: \"{arguments[0]}\"}}\n"
    return offline.check(load_text(folder, f"{THREE}{shared}agents:\n  hosts:\n    m1:\n{own}"))


@pytest.mark.parametrize(("arguments", "message", "hint"), [
    ("-o NoSuchOption=1", "ssh does not take what it is told: command-line: line 0: Bad configuration option: nosuchoption",
     "look at ansible_ssh_common_args of m1"),
    ("-F nofile.cfg", "nofile.cfg: No such file or directory", "look at ansible_ssh_common_args of m1"),
    ("-o ConnectTimeout=never", "invalid time value", "look at ansible_ssh_common_args of m1"),
])
def test_arguments_that_ssh_does_not_take(tmp_path: Path, arguments: str, message: str, hint: str) -> None:
    with pytest.raises(InventoryError) as error:
        checked(tmp_path, arguments)
    assert message in error.value.message
    assert error.value.hint.startswith(hint)
    assert error.value.where == f"{tmp_path}/inventory.yml:3"


@pytest.mark.parametrize("arguments", [
    "-J ops@jump.example.com:2222", "-J nowhere.invalid", "-o ProxyCommand='ssh -W %h:%p -q ops@192.0.2.1'", "-o 'ProxyCommand=A=1 nc %h'",
    "-o ProxyCommand=~/x/$TUNNEL", "-o ServerAliveInterval=9 -vC", "",
])
def test_what_only_the_network_can_tell_is_not_asked(tmp_path: Path, arguments: str) -> None:
    assert checked(tmp_path, arguments) == ()


@pytest.mark.parametrize(("arguments", "program"), [
    ("-o ProxyCommand='nosuchprogram %h %p'", "nosuchprogram"), ("-o 'ProxyCommand=./tunnel %h'", "{folder}/tunnel"),
])
def test_a_program_that_is_not_on_this_machine_is_named(tmp_path: Path, arguments: str, program: str) -> None:
    (said,) = checked(tmp_path, arguments)
    assert said.startswith(f"m1 ({tmp_path}/inventory.yml:3) can't be reached from this machine: ProxyCommand '")
    assert said.endswith(f" needs {program.format(folder=tmp_path)}, which is not installed")


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="2 problems") as error:
        checked(tmp_path, "-v", "-o A=1", "-F nofile")
    assert "look at ansible_ssh_common_args and ansible_ssh_extra_args of m2" in str(error.value)


def test_ssh_is_asked_once_for_the_same_arguments_and_not_without(tmp_path: Path) -> None:
    (tmp_path / "wrapper").write_text(f"#!/bin/sh\necho asked >>'{tmp_path}/log'\nexec ssh \"$@\"\n")
    (tmp_path / "wrapper").chmod(0o755)
    text = "masters: {hosts: {'m[1:9]': }, vars: {ansible_ssh_executable: ./wrapper}}"
    offline.check(load_text(tmp_path, text))
    assert (tmp_path / "log").read_text() == "asked\n"
    (tmp_path / "wrapper").unlink()
    (said,) = offline.check(load_text(tmp_path, text))
    assert said.endswith("wrapper can't be started: No such file or directory; look at ansible_ssh_executable")


def test_without_arguments_ssh_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    offline.check(load_text(tmp_path, THREE))
