"""One command on many hosts, and a shell on one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import UnreachableError, UsageError
from provisioner.hosts import host_keys
from provisioner.hosts.openssh import SshError
from provisioner.verbs import run, ssh
from provisioner_lab.testing import Behaviour, FakeTransport, said
from tests.unit.builders import reachable


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch) -> dict[str, UnreachableError]:
    """All host keys are known, except those of the hosts that a test puts here."""
    lost: dict[str, UnreachableError] = {}
    monkeypatch.setattr(host_keys, "establish", lambda cluster, say, hosts: {n: e for n, e in lost.items() if n in hosts})
    return lost


def context_of(folder: Path, hosts: dict[str, Behaviour]) -> tuple[Context, FakeTransport]:
    transport = FakeTransport(hosts)
    return Context(folder / "inventory.yml", cluster=reachable(folder, *hosts), transport=transport), transport


@pytest.fixture
def run_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def runs(hosts: dict[str, Behaviour], **options: Any) -> tuple[int, list[str], list[str], FakeTransport]:
        context, transport = context_of(tmp_path, hosts)
        code = run.run(context, Console(), run.Options("uptime", **options))
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines(), transport

    return runs


def test_every_line_names_its_host(run_on: Any) -> None:
    code, lines, news, transport = run_on({"m1": said("one\ntwo\n"), "agent10": said("\x1b[31mred\x1b[2J\n")}, sudo=True)
    assert code == 0
    assert sorted(lines) == ["agent10 | red\ufffd[2J", "m1      | one", "m1      | two"]
    assert news == ["2 of 2 hosts succeeded"]
    assert [call.become for call in transport.calls if call.command == "uptime"] == [True, True]


def test_a_failure_on_one_host(run_on: Any) -> None:
    code, lines, news, _ = run_on({"m1": said(), "m2": said(code=3, stderr="no such file\n")})
    assert code == 5
    assert lines == ["m2 | no such file"]
    assert news == ["m2: exit code 3", "1 of 2 hosts succeeded"]


def test_a_host_that_is_not_reached(run_on: Any, trusted: dict[str, UnreachableError]) -> None:
    trusted["m1"] = SshError("timeout", "does not answer", hint="is it up?")
    code, _, news, transport = run_on({"m1": said(), "m2": said(code=1), "m3": UnreachableError("gone")})
    assert code == 4
    assert news == ["m1: not reached: does not answer", "  → is it up?", "m3: not reached: gone", "m2: exit code 1",
                    "0 of 3 hosts succeeded"]
    assert "m1" not in {call.host for call in transport.calls}


def test_only_the_named_hosts(run_on: Any) -> None:
    _, _, news, transport = run_on({"m1": said(), "m2": said()}, limit="m2")
    assert {call.host for call in transport.calls} == {"m2"}
    assert news == ["1 of 1 host succeeded"]


def test_a_refused_login_stops_everything(run_on: Any) -> None:
    hosts: dict[str, Behaviour] = dict.fromkeys(("m1", "m2"), SshError("auth", "refused", hint="look"))
    with pytest.raises(SshError, match="refused"):
        run_on(hosts)


def test_ssh_becomes_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, list[str]]] = []
    monkeypatch.setattr("os.execvpe", lambda file, words, env: started.append((file, words)))
    context, transport = context_of(tmp_path, {"m1": said()})
    ssh.run(context, Console(), ssh.Options("m1", ("--", "uptime", "-p")))
    ((file, words),) = started
    assert (file, words[0], words[-3:]) == ("ssh", "ssh", ["10.0.0.1", "uptime", "-p"])
    assert "StrictHostKeyChecking=yes" in words
    assert [call.command for call in transport.calls] == ["true"], "the login is tried first, so that failures are explained"


def test_an_unknown_host_lists_the_known_ones(tmp_path: Path) -> None:
    context, _ = context_of(tmp_path, {"m1": said(), "m2": said()})
    with pytest.raises(UsageError, match="no host 'm9'") as error:
        ssh.run(context, Console(), ssh.Options("m9"))
    assert error.value.hint == "hosts: m1, m2"
    with pytest.raises(UsageError, match="no host or group 'm9'"):
        run.run(context, Console(), run.Options("true", limit="m9"))


def test_a_host_that_shows_no_key_is_not_entered(tmp_path: Path, trusted: dict[str, UnreachableError]) -> None:
    trusted["m1"] = SshError("timeout", "does not answer")
    context, transport = context_of(tmp_path, {"m1": said()})
    with pytest.raises(SshError, match="does not answer"):
        ssh.run(context, Console(), ssh.Options("m1"))
    assert transport.calls == []
