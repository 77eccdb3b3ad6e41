"""`provision status` as a command: what it refuses, what it writes, and how it watches."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as Terminal

from provisioner.cli import main
from provisioner.components import COMPONENTS
from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import UnreachableError, UsageError
from provisioner.observe.overview import Overview, overview
from provisioner.verbs.status import Options
from provisioner.verbs.status.schema import COMPONENT, STATUS
from provisioner.verbs.status.watch import Told, watch
from provisioner.verbs.status.work import looker, run_status
from tests.unit.builders import cluster
from tests.unit.test_status_overview import seen

#: The exit code of a cluster that is not healthy.
ILL = 5


class Nobody:
    """No host of it answers."""

    def run(self, host: Any, *given: Any, **more: Any) -> Any:
        """See Transport."""
        raise UnreachableError(f"{host.name} is asleep", hint="wake it")


@pytest.fixture
def asleep(tmp_path: Path) -> Context:
    return Context(tmp_path / "inventory.yml", cluster=cluster(path=tmp_path / "inventory.yml"), transport=Nobody())


@pytest.mark.parametrize(("options", "said"), [
    (Options(component=("consull",)), "--component: no component 'consull': did you mean 'consul'?"),
    (Options(host=("m1..m3", "m33")), "--host: no host 'm33': did you mean 'm3'?"),
    (Options(host=("a1..a4",)), "--host: no host 'a3'"),
    (Options(html="/nowhere/at/all.html"), "there is no such directory"),
    (Options(all=True, watch=5.0), "--all and --watch exclude each other"),
])
def test_what_can_not_be_shown_is_refused_before_any_host_is_asked(asleep: Context, options: Options, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        run_status(asleep, Console(), options)
    assert said in str(refused.value) and refused.value.hint


def test_who_gives_an_inventory_for_a_host_is_told_so(asleep: Context, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").touch()
    with pytest.raises(UsageError) as refused:
        run_status(asleep, Console(), Options(host=(str(tmp_path / "inventory.yml"),)))
    assert refused.value.hint == "'--hosts FILE' names an inventory"


@pytest.mark.parametrize("seconds", ["x", "0", "-1", "nan", "inf", "1e9"])
def test_seconds_are_a_number_that_makes_sense(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", f"--watch={seconds}"]) == UsageError.exit_code
    assert capsys.readouterr().err == f"error: --watch: '{seconds}' is not a number of seconds\n→ a number from 1 to 3600\n"


def test_the_exit_code_and_the_verdict_are_of_all_that_was_asked(asleep: Context, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_status(asleep, Console(), Options(component=("dns",), host=("a1",), json=True)) == ILL
    said = json.loads(capsys.readouterr().out)
    assert [(row["component"], row["host"]) for row in said["components"]] == [("dns", "a1")]
    assert said["problems"] == ["a1 is unreachable: a1 is asleep"] and said["healthy"] is False


def test_json_has_what_the_reference_says_and_nothing_else(asleep: Context, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = {"integer": int, "string": str, "boolean": bool, "list": list}
    run_status(asleep, Console(), Options(json=True))
    said = json.loads(capsys.readouterr().out)
    assert {name: kinds[field.kind] for name, field in STATUS.items()} == {name: type(value) for name, value in said.items()}
    for row in said["components"]:
        assert {name: kinds[field.kind] for name, field in COMPONENT.items()} == {name: type(value) for name, value in row.items()}
    assert [*STATUS] == ["schema", "cluster", "healthy", "components", "problems", "audit", "authority"], "another one: raise SCHEMA"
    assert [*COMPONENT] == ["component", "host", "state", "leader", "version", "stand_in", "detail"]


def test_all_is_a_row_for_each_component_on_each_host(asleep: Context, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_status(asleep, Console(), Options(all=True)) == ILL
    said = capsys.readouterr()
    rows = sum(len(asleep.cluster.members(c.name)) for c in COMPONENTS)
    assert len(said.out.splitlines()) == rows + 2 and said.out.startswith("test: NOT healthy")
    assert "warning: a1 is unreachable: a1 is asleep\n" in said.err
    assert run_status(asleep, Console(), Options()) == ILL
    assert "m1 is unreachable: m1 is asleep; the same with a1, a2, m2, m3" in capsys.readouterr().out


def test_hosts_that_sleep_end_no_watch_and_ctrl_c_ends_it_well(
        asleep: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    looks = []

    def asked(*given: Any, **more: Any) -> Any:
        looks.append(1)
        if len(looks) > 2:
            raise KeyboardInterrupt
        return look()

    look = looker(asleep, Options())
    monkeypatch.setattr("provisioner.verbs.status.work.looker", lambda context, options: asked)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    page = tmp_path / "page.html"
    assert run_status(asleep, Console(), Options(watch=1.0, json=True, html=str(page))) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert '<meta http-equiv="refresh" content="1">' in page.read_text()


def ends_after(number: int) -> Callable[[float], None]:
    """A sleep in which, after so many, Ctrl-C comes."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == number:
            raise KeyboardInterrupt

    return sleep


def pictures(*found: Overview) -> Callable[[], Overview]:
    return iter(found).__next__


ILL_NOW = overview(seen(("m3", "zookeeper", {"state": "down", "detail": "stopped"})))
MOVED = overview(seen(("m1", "marathon", {"leader": False}), ("m2", "marathon", {"leader": True})))


def test_in_a_pipe_it_says_a_line_for_each_change_and_nothing_while_nothing_changes(capsys: pytest.CaptureFixture[str]) -> None:
    well = overview(seen())
    watch(Console(), pictures(well, well, ILL_NOW, ILL_NOW, well, MOVED), 1.0, sleep=ends_after(6))
    lines = [line.split(" ", 1) for line in capsys.readouterr().out.splitlines()]
    assert all(len(time) == len("2026-12-01T00:00:00Z") and time.endswith("Z") for time, _ in lines)
    trouble = "ZooKeeper is degraded: 2 of 3 members serve (m3 down)"
    assert [said for _, said in lines] == [
        well.headline, ILL_NOW.headline, f"degraded: {trouble}", "down: ZooKeeper is down on m3: stopped",
        well.headline, f"over: {trouble}", "over: ZooKeeper is down on m3: stopped", "marathon is led by m2"]


def test_a_version_that_changes_is_said() -> None:
    told = Told()
    assert [*told.changes(overview(seen()))] == ["test: healthy, 31 hosts, 13 components"]
    assert [*told.changes(overview(seen(("a3", "kernel", {"version": "2"}))))] == ["kernel runs in version 1; 2 on a3"]


def test_on_a_terminal_the_picture_is_drawn_again_and_the_last_one_stays() -> None:
    console, out = Console(), io.StringIO()
    console.out = Terminal(file=out, force_terminal=True, width=120, height=8, color_system=None, legacy_windows=False)
    watch(console, pictures(overview(seen()), ILL_NOW), 7.0, sleep=ends_after(2))
    assert "every 7 s; Ctrl-C ends" in out.getvalue() and "test: healthy" in out.getvalue()
    last = out.getvalue().rpartition("test: NOT healthy")[2]
    assert "stopped" in last and "logstash" in last and "Ctrl-C" not in last, "the whole of it, though the screen has 8 lines"


def test_a_watch_in_a_pipe_says_at_once_what_it_sees_and_ends_with_0(tmp_path: Path) -> None:
    """The real program, of a host on whose port nobody listens."""
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(f"masters:\n  hosts:\n    m1: {{ansible_host: 127.0.0.1, ansible_port: {closed.getsockname()[1]}}}\n")
    command = [sys.executable, "-m", "provisioner.cli", "status", "--hosts", str(inventory), "--watch", "1", "--component", "dns"]
    # Whoever runs the tests in the background has SIGINT ignored, and a child would inherit that.
    with closed, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                  preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as watching:
        try:
            assert watching.stdout
            lines = [watching.stdout.readline().rstrip("\n").split(" ", 1)[1] for _ in range(2)]
            watching.send_signal(signal.SIGINT)
            assert watching.wait(60) == 0
        finally:
            watching.kill()
    assert "NOT healthy, 1 of 1 host " in lines[0] and lines[1].startswith("down: m1 is unreachable: ")


def test_ctrl_c_before_anything_was_seen_ends_it_too() -> None:
    def look() -> Overview:
        raise KeyboardInterrupt

    console = Console()
    console.out = Terminal(file=io.StringIO(), force_terminal=True, width=120)
    watch(console, look, 1.0)
