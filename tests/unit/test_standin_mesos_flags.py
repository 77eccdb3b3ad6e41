"""The Mesos stand-in's command lines, resources, attributes and files, against the recorded ones."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.unit.mesos_standin_samples import Json, recorded

from mesos_standin import process, startup, web  # isort: skip
from mesos_standin.agent import checks
from mesos_standin.agent import main as agent_main
from mesos_standin.flags import FlagError, known, load, seconds
from mesos_standin.master import main as master_main
from mesos_standin.resources import Resources, from_v1, parse_attributes, parse_resources
from mesos_standin.zookeeper import UrlError, parse_url

BINDS = ("port-in-use", "ip-not-local")


class Ended(BaseException):
    """The program would have ended."""


@pytest.fixture
def no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns the ends of a process into exceptions and keeps it off signals, sockets and this machine's cgroups."""

    def ended(status: int) -> Any:
        def end(message: Any = None) -> NoReturn:
            raise Ended(message if status == 0 else status, message)

        return end

    def resolve(host: str) -> str:
        if host != "127.0.0.1":
            raise OSError(-2, "Name or service not known")
        return host

    def still_running() -> NoReturn:
        raise AssertionError("the program did not end")

    monkeypatch.setattr(process, "end", ended(0))
    monkeypatch.setattr(process, "exit_with", ended(1))
    monkeypatch.setattr(process, "fatal", ended(-6))
    monkeypatch.setattr(process, "default_signals", lambda: None)
    monkeypatch.setattr(process, "_sinks", [])
    monkeypatch.setattr(checks, "cgroup2_elsewhere", lambda mounts: "")
    monkeypatch.setattr(socket, "gethostbyname", resolve)
    monkeypatch.setattr(asyncio, "Event", still_running)


async def no_socket(_handler: object, _address: str, port: int) -> tuple[None, int]:
    """Stands in for web.serve."""
    return None, port


def write_inputs(folder: Path) -> None:
    """The files that the recorded command lines name."""
    files = {"afile": "x", "cred.txt": "agent1 secret1\n", "badcred.json": '{"credentials": [', "empty": ""}
    files |= {"p.txt": "agent s3cret\n", "good.txt": "agent s3cret\n"}
    for name, content in files.items():
        (folder / name).write_text(content)


@pytest.mark.usefixtures("no_end")
@pytest.mark.parametrize("row", recorded("command_lines"), ids=lambda row: str(row["case"]))
def test_ends_like_the_real_program(row: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write_inputs(tmp_path)
    args = [argument.replace("{tmp}", str(tmp_path)) for argument in row["args"]]
    message = row["message"].replace("{tmp}", str(tmp_path))
    if row["program"] == "agent" and len(args) > 3 and not any("launcher_dir" in argument for argument in args):
        args.append(f"--launcher_dir={tmp_path}")
    with socket.socket() as taken:
        if "port-in-use" in row["case"]:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            args = [argument.replace("15050", port).replace("15051", port) for argument in args]
            message = message.replace("15050", port).replace("15051", port)
        if not any(kind in row["case"] for kind in BINDS):
            monkeypatch.setattr(web, "serve", no_socket)
        program = master_main if row["program"] == "master" else agent_main
        with pytest.raises(Ended) as ended:
            program.main(args)
    status, said = ended.value.args
    shown = [line.rstrip() for line in capsys.readouterr().err.splitlines()[:1]]
    assert status == row["exit"]
    assert message in [f"EXIT with status 1: {said}", str(said).rstrip(), *shown]


@pytest.mark.usefixtures("no_end")
@pytest.mark.parametrize(("argument", "start"), [("--version", "mesos 1.11.0-standin"), ("--help", "Usage: mesos-agent")])
def test_help_and_version_end_with_0(argument: str, start: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Ended) as ended:
        agent_main.main([argument])
    assert ended.value.args[0] == 0
    assert capsys.readouterr().out.startswith(start)


def test_flags_win_over_variables_and_unknown_variables_are_ignored() -> None:
    flags = load("master", ["--port=15050"], {"MESOS_PORT": "15053", "MESOS_NO_SUCH_FLAG": "1", "MESOS_CLUSTER": "c"})
    assert (flags.number("port"), flags.text("cluster")) == (15050, "c")


def test_a_file_stands_for_its_content_and_only_its_path_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "zk"
    file.write_text("zk://mesos:secret@a:2181/mesos\n")
    flags = load("master", [], {"MESOS_ZK": f"file://{file}"})
    assert flags.text("zk").strip() == "zk://mesos:secret@a:2181/mesos"
    assert flags.shown["zk"] == str(file)


def test_old_names_are_taken_with_a_warning() -> None:
    flags = load("master", ["--slave_ping_timeout=20secs"], {})
    assert flags.seconds("agent_ping_timeout") == 20
    assert flags.warnings == ["Loaded deprecated flag 'slave_ping_timeout'"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--no-port", "Failed to load non-boolean flag 'port' via '--no-port'"),
        ("--port", "Failed to load non-boolean flag 'port': Missing value"),
        ("--no-hostname_lookup=true", "Failed to load boolean flag 'hostname_lookup' via '--no-hostname_lookup' with value 'true'"),
    ],
)
def test_malformed_flags(argument: str, message: str) -> None:
    with pytest.raises(FlagError, match=message):
        load("master", [argument], {})


def test_flags_of_builds_nobody_ships_are_unknown() -> None:
    assert "xfs_project_range" not in known("agent")
    assert "ingress_rate_limit_per_container" not in known("agent")
    assert seconds("1.5hrs") == 5400


def test_resources_add_subtract_and_contain() -> None:
    given = parse_resources("cpus:2;mem:1024;disk:2048;ports:[31000-31009, 32000-32000]", "/")
    taken = Resources({"cpus": 0.5}, {"ports": ((31002, 31003),)})
    left = given - taken
    assert left.v0()["ports"] == "[31000-31001, 31004-31009, 32000-32000]"
    assert left.v0()["cpus"] == 1.5
    assert left + taken == given
    assert given.contains(taken)
    assert not left.contains(taken)
    assert from_v1(given.v1(role="*")) == given


def test_resources_are_completed_by_the_machine_and_zero_is_left_out() -> None:
    given = parse_resources("cpus:0;gpus:0.5", "/")
    assert {row["name"] for row in given.v1()} == {"gpus", "mem", "disk", "ports"}
    assert given.ranges["ports"] == ((31000, 32000),)
    assert parse_resources("cpus:1;cpus:1", "/").scalars["cpus"] == 2


@pytest.mark.parametrize("text", ["rack", "rack:", "rack:a;zone:"])
def test_attributes_without_a_value_are_no_attributes(text: str) -> None:
    assert parse_attributes(text) is None


def test_attributes_keep_colons_and_know_numbers() -> None:
    rows = parse_attributes("url:http://x:1;level:3;span:[1-2]") or []
    assert [row["type"] for row in rows] == ["TEXT", "SCALAR", "RANGES"]
    assert rows[0]["text"] == {"value": "http://x:1"}


@pytest.mark.parametrize(
    ("mounts", "found"),
    [
        ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0", ""),
        ("tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0", "/sys/fs/cgroup/unified"),
        ("cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0", ""),
    ],
)
def test_a_cgroup2_mount_elsewhere_is_found(mounts: str, found: str) -> None:
    assert checks.cgroup2_elsewhere(mounts) == found


@pytest.mark.usefixtures("no_end")
@pytest.mark.parametrize(
    ("launcher", "isolation", "status", "message"),
    [
        ("linux", "posix/cpu,posix/mem", -6, "Check failed: !subsystemSet.empty() "),
        ("posix", "cgroups/cpu,cgroups/mem", -6, 'Check failed: flags.launcher == "linux" '),
        ("posix", "posix/cpu,posix/mem,filesystem/linux", 1, "requires 'linux' launcher"),
        ("linux", "cgroups/cpu,cgroups/mem,filesystem/linux,docker/runtime", None, ""),
        ("posix", "posix/cpu,posix/mem", None, ""),
    ],
)
def test_launcher_and_isolation_must_fit(launcher: str, isolation: str, status: int | None, message: str, tmp_path: Path) -> None:
    where = [f"--work_dir={tmp_path}", f"--launcher_dir={tmp_path}"]
    flags = load("agent", [f"--launcher={launcher}", f"--isolation={isolation}", *where], {})
    if status is None:
        checks.check_containerizers(flags)
        return
    with pytest.raises(Ended) as ended:
        checks.check_containerizers(flags)
    assert ended.value.args[0] == status
    assert message in ended.value.args[1]


@pytest.mark.parametrize("text", ["127.0.0.1:2181/mesos", "http://a/mesos", "zk://a:2181", "zk://a:2181/"])
def test_bad_zookeeper_addresses(text: str) -> None:
    with pytest.raises(UrlError):
        parse_url(text)


def test_zookeeper_addresses_are_taken_apart() -> None:
    url = parse_url("zk://mesos:pw@a:2181,b:2181/mesos/\n")
    assert (url.hosts, url.path, url.auth) == ("a:2181,b:2181", "/mesos", "mesos:pw")


def test_master_info_is_what_zookeeper_shows() -> None:
    shown = [json.loads(row["text"]) for row in recorded("znodes") if "json.info" in row["path"]]
    info = master_main.master_info("127.0.0.1", 5050, "127.0.0.1")
    assert {**info, "id": shown[0]["id"], "version": shown[0]["version"]} == shown[0]


def test_early_requests_are_answered_404() -> None:
    answer = asyncio.run(startup.Front().answer(web.Request("GET", "/health", {}, {}, b"", "")))
    assert answer == web.NOT_FOUND
