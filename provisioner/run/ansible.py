"""Runs playbooks. The only module that knows how ansible-playbook is called."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from provisioner.cluster.model import Cluster
from provisioner.errors import ProvisionError
from provisioner.hosts import local
from provisioner.hosts.login import ansible_ssh_args, cluster_options, login
from provisioner.inventory.connection import ARGUMENTS
from provisioner.inventory.described import Secret
from provisioner.paths import playbooks_dir, project_dir
from provisioner.plan.fingerprint import Question
from provisioner.plan.steps import Step
from provisioner.run.events import Events
from provisioner.run.outcome import Event, Outcome

#: The verbs that have a playbook.
VERBS = ("up", "drain", "stop", "restart", "remove")
#: A fork waits most of the time for its host, which installs or starts something, and costs 15 MiB while it does: at least so many hosts
#: work at a time, on a controller with many cores so many for each core.
FORKS, FORKS_PER_CORE = 32, 4
#: Playbooks that go side by side share them, but each works on so many hosts.
FEWEST = 8
#: The bits of the exit codes with which ansible-playbook says that hosts failed, could not be reached, or ended the play.
HOSTS_FAILED = 2 | 4 | 8
LOG = "ansible.log"
#: Ansible must end when we do, however that comes about: nobody holds the cluster's lock any more then.
SUPERVISOR = Path(__file__).with_name("supervisor.py")
SERVER = Path(__file__).with_name("ansible_server.py")
#: How long Ansible may take to end when there is nothing left to do.
END_SECONDS = 10.0
#: How ansible-core 2.19 names and wraps the entries of its fact cache (plugins/cache/__init__.py: schema version 1).
CACHE_PREFIX = "s1_"


@dataclass(frozen=True)
class Run:
    """Where a run keeps its things, and how hosts are reached."""

    folder: Path
    inventory: Path
    secrets: tuple[Path, ...]
    vault_password: Path
    hosts: int
    #: Whether tasks go through one lasting Python on each host instead of a new one for each task (docs/decisions/0016-mitogen.md).
    mitogen: bool = False
    #: Whether the host is this machine: its tasks then find the environment of a login, as they do over SSH.
    local: bool = False


@dataclass(frozen=True)
class Play:
    """One verb's playbook, what it is told, and whom every event is reported to as it comes."""

    verb: str
    variables: Mapping[str, Any]
    on_event: Callable[[Event], None]


class Playbooks(Protocol):
    """What is needed of Ansible."""

    def play(self, verb: str, variables: Mapping[str, Any], on_event: Callable[[Event], None]) -> Outcome:
        """Run one to its end."""

    def side_by_side(self, plays: Sequence[Play], on_end: Callable[[int, Outcome], None]) -> None:
        """Run several at the same time, all to their end; `on_end` gets the place and the outcome of each when that one ends."""


class AnsiblePlaybooks:
    """This interpreter's Ansible, in processes of its own: loaded once for the run, and ended with it or when this process ends."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._server: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    def __enter__(self) -> AnsiblePlaybooks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let Ansible end."""
        server, self._server = self._server, None
        if server:
            with suppress(OSError):
                _tell(server, None)
            with suppress(subprocess.TimeoutExpired):
                server.wait(END_SECONDS)
            _end(server)

    def play(self, verb: str, variables: Mapping[str, Any], on_event: Callable[[Event], None], *, check: bool = False) -> Outcome:
        """See Playbooks. The whole output goes to `ansible.log` in the run's folder."""
        outcomes = list[Outcome]()
        self._play([Play(verb, variables, on_event)], [self._run.folder / LOG], lambda _, outcome: outcomes.append(outcome), check=check)
        return outcomes[0]

    def side_by_side(self, plays: Sequence[Play], on_end: Callable[[int, Outcome], None]) -> None:
        """See Playbooks. The output of each goes to `ansible-<component>.log`."""
        self._play(plays, [self._run.folder / f"ansible-{play.variables['component_name']}.log" for play in plays], on_end)

    def _play(self, plays: Sequence[Play], logs: Sequence[Path], on_end: Callable[[int, Outcome], None], *, check: bool = False) -> None:
        """Raises ProvisionError, when all have ended, for one that failed before it reached a task, or did not end by itself; it gets no
        `on_end`.
        """
        path = self._run.folder / "events.jsonl"
        path.touch(mode=0o600)
        places = {next(self._numbers): place for place in range(len(plays))}
        at_a_time = forks(self._run.hosts, len(plays))
        asked = [{"id": number, "arguments": self._arguments(plays[place], at_a_time, check), "log": str(logs[place]),
                  "environment": {"PROVISION_PLAY": str(number)}} for number, place in places.items()]
        lost = []
        listeners = {number: plays[place].on_event for number, place in places.items()}
        with Events(path, listeners) as events, closing(self._played(asked, path)) as played:
            for number, code in played:
                outcome = events.outcome(number, code)
                if code and (code & ~HOSTS_FAILED or not (outcome.failures or outcome.unreachable)):
                    lost.append(_lost(code, outcome, logs[places[number]]))
                else:
                    on_end(places[number], outcome)
        if lost:
            raise lost[0]

    def _played(self, asked: Sequence[Mapping[str, Any]], events: Path) -> Generator[tuple[int, int], None, None]:
        """The number and Ansible's exit code of each that ends; that of its server where that ended."""
        server = self._server = self._server or self._serve(events)
        waiting = {int(one["id"]) for one in asked}
        try:
            with suppress(BrokenPipeError):  # then there is no answer either
                for one in asked:
                    _tell(server, one)
            while waiting and server.stdout and (answer := server.stdout.readline()):
                number, code = map(int, answer.split())
                waiting.discard(number)
                yield number, code
        except BaseException:  # Ctrl-C
            self._server = None
            _end(server)
            raise
        if waiting:
            self._server = None
            code = server.wait() or 1
            yield from ((number, code) for number in sorted(waiting))

    # -P: beside the server lies this file, which is not the Ansible that it looks for.
    def _serve(self, events: Path) -> subprocess.Popen[bytes]:
        with (self._run.folder / LOG).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-IS", str(SUPERVISOR), sys.executable, "-P", str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, env=self._environment(events), cwd=project_dir(), start_new_session=True, bufsize=0,
            )

    def _arguments(self, play: Play, at_a_time: int, check: bool) -> Sequence[str]:
        arguments = [
            "-i", str(self._run.inventory),
            "-e", json.dumps(dict(play.variables)), *(word for path in self._run.secrets for word in ("-e", f"@{path}")),
            "--vault-password-file", str(self._run.vault_password),
            "--forks", str(at_a_time), str(playbooks_dir() / f"{play.verb}.yml"),
        ]
        return [*arguments, "--check", "--diff"] if check else arguments

    def _environment(self, events: Path) -> dict[str, str]:
        return {
            **{k: v for k, v in (local.environment() if self._run.local else os.environ).items() if not k.startswith("ANSIBLE_")},
            "ANSIBLE_CONFIG": str(project_dir() / "ansible.cfg"),
            "ANSIBLE_CALLBACKS_ENABLED": "provisioner.core.events",
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(self._run.folder / "facts"),
            "ANSIBLE_LOCAL_TEMP": str(self._run.folder / "tmp"),
            "ANSIBLE_FORCE_COLOR": "false",
            "PROVISION_EVENTS": str(events),
            **(mitogen_settings() if self._run.mitogen else {}),
        }


class PlaybookExecutor:
    """Carries out the verbs that have a playbook; see outcome.Executor.

    `questions`, by host and component, are what the hosts note when a role is through.
    """

    def __init__(self, playbooks: Playbooks, questions: Mapping[str, Mapping[str, Question]]) -> None:
        self._playbooks = playbooks
        self._questions = questions

    def __call__(self, step: Step, hosts: Sequence[str], on_event: Callable[[Event], None]) -> Outcome:
        """See outcome.Executor."""
        return self._playbooks.play(step.verb, step_variables(step, hosts, self._questions), on_event)

    def together(self, steps: Sequence[Step], on_event: Callable[[int, Event], None], on_end: Callable[[int, Outcome], None]) -> None:
        """See outcome.Together."""
        self._playbooks.side_by_side([Play(step.verb, step_variables(step, step.hosts, self._questions), functools.partial(on_event, place))
                                      for place, step in enumerate(steps)], on_end)


def forks(hosts: int, playbooks: int = 1) -> int:
    """On how many of so many hosts each of so many playbooks works at a time."""
    return min(hosts, max(FEWEST, max(FORKS, FORKS_PER_CORE * (os.cpu_count() or 1)) // playbooks))


def step_variables(step: Step, hosts: Sequence[str], questions: Mapping[str, Mapping[str, Question]] | None = None) -> Mapping[str, Any]:
    """What a playbook is told; `component_notes` is what each host is to note when the role has done its work."""
    name = step.component.name
    noted = {} if step.variables else questions or {}
    return {
        "component_name": name,
        "component_role": step.component.role,
        "component_hosts": ",".join(hosts),
        "component_batch": step.batch or "100%",
        "component_unit": step.component.unit,
        "component_all_or_none": step.all_or_none,
        # A failure ends a step that goes in batches before the next one; a host that went away does not (it counts for neither).
        "component_may_fail": 0 if step.batch else 100,
        # Ansible need not look at each variable again, on each host, before each role.
        "component_validated": True,
        "component_notes": {host: {name: own[name]} for host, own in noted.items() if host in hosts and name in own},
        **({f"{step.component.role}_expect": dict(step.expect)} if step.expect else {}),
        **step.variables,
    }


def with_ssh_arguments(rendered: Mapping[str, Any], cluster: Cluster) -> tuple[dict[str, Any], dict[str, str]]:
    """A rendered inventory with what ssh is told of each host, so that Ansible enters it as we do, in the connection that is open.

    It is told that of a run alone: the folder of shared connections differs from machine to machine. The second are the variables that
    the inventory refers to where arguments hold something out of a vault.
    """
    options, name = cluster_options(cluster), "ansible_ssh_args"
    arguments, hidden = dict[str, str](), dict[str, str]()
    for host in cluster.hosts:
        arguments[host.name] = ansible_ssh_args(options, login(host))
        if labels := [value.label for each in ARGUMENTS if isinstance(value := host.variables.get(each), Secret)]:
            text, own = arguments[host.name], f"vault_inventory_ssh_{'_'.join(labels)}"
            alike = (each for each, known in hidden.items() if known == text and each.startswith(own))
            reference = next(alike, f"{own}_{len(hidden)}")  # the same secret, but a port or a time-out of the host's own
            hidden[reference], arguments[host.name] = text, f"{{{{ {reference} }}}}"
    usual = next(iter(arguments.values()))
    hosts = {host: {k: v for k, v in values.items() if k != name} | ({} if arguments[host] == usual else {name: arguments[host]})
             for host, values in rendered["all"]["hosts"].items()}
    return {"all": {**rendered["all"], "vars": {**rendered["all"]["vars"], name: usual}, "hosts": hosts}}, hidden


def mitogen_settings() -> dict[str, str]:
    """What makes Ansible work through mitogen: its strategy stands in for the linear one."""
    spec = importlib.util.find_spec("ansible_mitogen")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise ProvisionError("cluster_mitogen is true, but mitogen is not installed beside provisioner",
                             hint="take the variable out of the inventory, or install it: pip install 'provisioner[mitogen]'")
    return {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(Path(folders[0]) / "plugins" / "strategy")}


def seed_facts(folder: Path, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Put what the probe saw where Ansible looks for facts, so that no play gathers them again.

    The cache lives and dies with the run: facts of an earlier run are never trusted.
    """
    cache = folder / "facts"
    cache.mkdir(mode=0o700, exist_ok=True)
    for host, values in facts.items():
        payload = json.dumps({**values, "_ansible_facts_gathered": True})
        (cache / f"{CACHE_PREFIX}{host}").write_text(json.dumps({"__payload__": payload}))


def _tell(server: subprocess.Popen[bytes], asked: Mapping[str, Any] | None) -> None:
    """A line to Ansible's server. Not in its own arguments: what a step of a thousand hosts is told is longer than Linux lets those be."""
    if server.stdin:
        left = memoryview(json.dumps(asked).encode() + b"\n")
        while left:
            left = left[server.stdin.write(left):]


def _end(server: subprocess.Popen[bytes]) -> None:
    """End it with all that it started."""
    server.terminate()
    server.wait()
    for pipe in (server.stdin, server.stdout):
        if pipe:
            pipe.close()


def _lost(code: int, outcome: Outcome, log: Path) -> ProvisionError:
    """Of one that has not done what it was told on all hosts, whatever it did on some."""
    failed = "".join(f"\nfailed before: {event['host']}: {event['task']}: {event['message']}" for event in outcome.failures)
    return ProvisionError(f"ansible-playbook ended with {code}:\n{_tail(log)}{failed}", where=str(log),
                          hint="the log above names the cause")


def _tail(log: Path, lines: int = 15) -> str:
    text = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(text[-lines:])
