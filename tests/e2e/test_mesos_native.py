"""The lab's package of Mesos, installed in a container of a lab host without a network: command lines, one master, one agent."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.lab import images, mesos, packages
from provisioner.lab.cache import exclusively
from provisioner.lab.commands import attempt, run
from provisioner.lab.systems import system
from tests.cluster_under_test import lab_name

pytestmark = pytest.mark.lab
Json = dict[str, Any]
HERE, NAME, SYSTEM = Path(__file__).parent, lab_name("mesosnative"), system(os.environ.get("LAB_OS") or "debian12")
RECORDED: list[Json] = json.loads((HERE.parent / "data" / "mesos_contract" / "command_lines.json").read_text())
#: Where 1.11.0 ends otherwise than the recorded 1.12-dev: exit code (None: it goes on) and message.
DIFFERENT: dict[str, tuple[int | None, str]] = {
    # Its build clones no mesos-containerizer into memory, so an agent misses the folder with its first task only.
    "cli-agent-launcher_dir-missing": (None, "connect: Failed to connect to 127.0.0.1:5999: Connection refused"),
    "cli-agent-resources-negative": (1, "Failed to parse resource cpus value -1 error Invalid scalar value '-1'"),
}
#: How long a program may run that is expected to go on, in seconds.
GOES_ON = 5
SECONDS = 60.0
UNSUPPORTED = "is not supported by this build of Mesos"
MASTER = "mesos-master --ip=127.0.0.1 --port=5050 --hostname=127.0.0.1 --cluster=native --work_dir=/root/master"
AGENT = ("mesos-agent --ip=127.0.0.1 --port={port} --hostname=127.0.0.1 --master=127.0.0.1:5050 --work_dir=/root/agent{port} "
         "--runtime_dir=/root/run{port} --launcher=posix --isolation=posix/cpu,posix/mem --no-systemd_enable_support "
         "--resources='cpus:1;mem:512;disk:1024;ports:[31000-31100]'")


class Host:
    """A container of a lab host, without systemd: programs are started one by one."""

    def ended(self, command: str, stdin: bytes | None = None) -> tuple[int, str]:
        """Exit code of a shell command, and all that it said."""
        done = attempt(["docker", "exec", "--interactive", NAME, "sh", "-c", f"exec 2>&1; {command}"], stdin=stdin, timeout=300)
        return done.returncode, done.stdout.decode(errors="replace")

    def start(self, command: str, log: str) -> None:
        """Runs a program beside the others; what it says is in the file /root/LOG."""
        run(["docker", "exec", "--detach", NAME, "sh", "-c", f"exec {command} >/root/{log} 2>&1"], what=command.split()[0])

    def ask(self, port: int, path: str, *options: str) -> tuple[int, Any]:
        """Status and answer of a request; 0 when nothing listens. JSON is read."""
        script = ("import json,sys,urllib.error,urllib.request as u\n"
                  "try: a = u.urlopen(u.Request(*sys.argv[1:2], data=(sys.argv[2:] or [''])[0].encode() or None,"
                  " headers={'Content-Type': 'application/json'}), timeout=20)\n"
                  "except urllib.error.HTTPError as e: a = e\n"
                  "except OSError: sys.exit('0')\n"
                  "print(a.status if hasattr(a, 'status') else a.code); print(a.read().decode())")
        done = attempt(["docker", "exec", NAME, "python3", "-c", script, f"http://127.0.0.1:{port}{path}", *options])
        status, _, text = done.stdout.decode().partition("\n")
        return int(status or 0), json.loads(text) if text.lstrip().startswith(("{", "[")) else text.strip()


def until(condition: Callable[[], Any], what: str, say: Callable[[], str]) -> Any:
    """The first true answer; fails with what the programs said when it takes too long."""
    end = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {SECONDS:.0f} s: {what}\n{say()}"
        time.sleep(0.2)
    return found


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """The package and what it needs, installed as dpkg does it."""
    if SYSTEM.red_hat:
        pytest.skip("its hosts install RPMs: the scenarios run it there")
    try:
        # Other labs of this machine remove from the cache what they replace.
        with exclusively(print):
            install()
        yield Host()
    finally:
        attempt(["docker", "rm", "--force", NAME])


def install() -> None:
    """Builds the package and makes the container with it."""
    image = images.node_image(SYSTEM, print)
    images.python_image(print)
    built = mesos.package(mesos.current(), SYSTEM, image, print)
    needed = packages.needed_by(SYSTEM, image, [built.path], print)
    attempt(["docker", "rm", "--force", NAME])
    volumes = ["--volume", f"{built.path.parent}:/built:ro", "--volume", f"{needed}:/needed:ro", "--volume", f"{HERE}:/e2e:ro"]
    # A program that is told no address looks for its own host.
    place = ["--network", "none", "--hostname", "native", "--add-host", "native:127.0.0.1"]
    run(["docker", "run", "--detach", "--init", "--name", NAME, *place, *volumes, image, "sleep", "3600"], what="a host")
    code, said = Host().ended("dpkg --force-unsafe-io --install /built/*.deb /needed/*.deb")
    assert code == 0, said


def test_it_says_which_release_it_is(host: Host) -> None:
    for program in ("mesos-master", "mesos-agent"):
        assert host.ended(f"{program} --version") == (0, f"mesos {mesos.current().version}\n")
        code, said = host.ended(f"{program} --help")
        assert (code, said.splitlines()[0]) == (0, f"Usage: {program} [options]")


def test_command_lines_end_as_recorded(host: Host) -> None:
    rows = [{**row, "seconds": GOES_ON if DIFFERENT.get(row["case"], (1, ""))[0] is None else SECONDS} for row in RECORDED]
    code, said = host.ended("python3 /e2e/mesos_command_lines.py", stdin=json.dumps(rows).encode())
    assert code == 0, said
    wrong = []
    for row, now in zip(rows, json.loads(said), strict=True):
        exit_code, message = DIFFERENT.get(row["case"], (row["exit"], row["message"]))
        if now["exit"] != exit_code or message not in now["said"]:
            wrong.append(f"{row['case']}: {exit_code} {message!r}, but {now['exit']}: {now['said'][-400:]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("flag", [
    "master --modules={}", "master --modules_dir=/root", "master --hooks=a", "master --master_contender=a", "master --master_detector=a",
    "master --ip_discovery_command=true", "master --allocator=other", "master --role_sorter=random", "master --authorizers=other",
    "agent --modules={}", "agent --hooks=a", "agent --csi_plugin_config_dir=/root", "agent --agent_subsystems=cpu",
    "agent --authorizer=other", "agent --http_executor_domain_sockets",
])
def test_what_this_build_lacks_is_refused(host: Host, flag: str) -> None:
    program, _, option = flag.partition(" ")
    code, said = host.ended(f"mesos-{program} --ip=127.0.0.1 --work_dir=/root/x {'--master=a:1' if program == 'agent' else ''} {option}")
    assert code == 1
    assert said.startswith(f"EXIT with status 1: {option.partition('=')[0]}")
    assert UNSUPPORTED in said


def test_the_environment_sets_flags_and_the_command_line_wins(host: Host) -> None:
    code, said = host.ended("MESOS_QUORUM=many mesos-master --work_dir=/root/x")
    assert code == 1
    assert "Failed to load flag 'quorum': Failed to load value 'many'" in said
    code, said = host.ended("MESOS_NO_SUCH_FLAG=1 MESOS_REGISTRY=etcd mesos-master --work_dir=/root/x --ip=127.0.0.1 --registry=tape")
    assert code == 1
    assert "'tape' is not a supported option for registry persistence" in said


def test_a_master_elects_itself_and_agents_register_and_outlive_a_request_that_they_cant_answer(host: Host) -> None:
    own = {"get_endpoints": [{"principals": {"type": "ANY"}, "paths": {"type": "ANY"}}], "permissive": True}
    host.start(MASTER, "master.log")
    host.start(AGENT.format(port=5051), "agent1.log")
    host.start(f"env MESOS_ACLS='{json.dumps(own)}' {AGENT.format(port=5052)}", "agent2.log")

    def logs() -> str:
        return host.ended("tail -n 15 /root/*.log")[1]

    def registered() -> set[str]:
        status, state = host.ask(5050, "/state")
        return {slave["id"] for slave in state["slaves"] if slave["active"]} if status == 200 else set()

    until(lambda: len(registered()) == 2, "two agents registered", logs)
    status, version = host.ask(5050, "/version")
    assert (status, version["version"]) == (200, "1.11.0")
    status, state = host.ask(5050, "/state")
    assert (state["cluster"], state["leader"], state["version"]) == ("native", "master@127.0.0.1:5050", "1.11.0")
    assert host.ask(5050, "/health") == (200, "")
    before = registered()
    for port in (5051, 5052):
        assert [host.ask(port, path)[0] for path in ("/containerizer/debug", "/slave(1)/containerizer/debug")] == [403, 403]
        assert host.ask(port, "/health") == (200, "")
        assert host.ask(port, "/flags")[1]["flags"]["launcher_dir"] == "/usr/libexec/mesos"
    status, answer = host.ask(5051, "/api/v1", '{"type": "GET_CONTAINERS"}')
    assert (status, answer["type"]) == (200, "GET_CONTAINERS")
    assert registered() == before
