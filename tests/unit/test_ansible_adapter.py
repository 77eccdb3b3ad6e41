"""The adapter against the real ansible-playbook, on a connection that stays on this machine."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import ProvisionError
from provisioner.run import ansible
from provisioner.run.ansible import AnsiblePlaybooks, Play, Run, forks, seed_facts, with_ssh_arguments
from provisioner.run.outcome import Event, Outcome

PLAYBOOK = """
- name: Try
  hosts: "{{ component_hosts }}"
  serial: "{{ component_batch }}"
  tasks:
    - name: Facts are there already
      ansible.builtin.command: {argv: [echo, "{{ ansible_facts['os_family'] }}", "{{ greeting }}"]}
    - name: Goes about its work as asked
      ansible.builtin.assert: {that: "lookup('config', 'DEFAULT_STRATEGY') == strategy"}
      when: strategy is defined
    - name: Breaks on request
      ansible.builtin.command: {argv: [sh, -c, "echo because >&2; exit 3"]}
      when: broken | default(false) | bool
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "up.yml").write_text(PLAYBOOK)
    (tmp_path / "vault").write_text("secret\n")
    (tmp_path / "secrets.yml").write_text("vault_greeting: good morning\n")
    hosts = {n: {"ansible_connection": "local", "greeting": "{{ vault_greeting }}"} for n in ("x1", "x2")}
    (tmp_path / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    seed_facts(tmp_path, {n: {"ansible_os_family": "Seeded"} for n in hosts})
    monkeypatch.setattr(ansible, "playbooks_dir", lambda: tmp_path)
    return Run(tmp_path, tmp_path / "inventory.json", (tmp_path / "secrets.yml",), tmp_path / "vault", 2)


@pytest.fixture
def playbooks(run: Run) -> Iterator[AnsiblePlaybooks]:
    with AnsiblePlaybooks(run) as opened:
        yield opened


@pytest.mark.parametrize(("mitogen", "strategy"), [(False, "linear"), (True, "mitogen_linear")])
def test_events_counts_seeded_facts_and_vault_references(run: Run, tmp_path: Path, mitogen: bool, strategy: str) -> None:
    events: list[Event] = []
    with AnsiblePlaybooks(dataclasses.replace(run, mitogen=mitogen)) as playbooks:
        outcome = playbooks.play("up", {"component_hosts": "x2,x1", "component_batch": 1, "strategy": strategy}, events.append)
    assert (outcome.returncode, outcome.changed, outcome.failures) == (0, 2, [])
    assert [e["host"] for e in events if e["event"] == "result" and e["status"] == "changed"] == ["x2", "x1"]
    assert "Gathering Facts" not in {e.get("task") for e in events}
    log = (tmp_path / "ansible.log").read_text()
    assert "Facts are there already" in log
    assert "already been configured" not in log, "what the server did before is no news to a playbook"


def test_a_thousand_hosts_may_have_much_to_note(playbooks: AnsiblePlaybooks) -> None:
    notes = {f"a{n}": {"common": {"digest": "d" * 32, "witness": {"files": ["/etc/hosts"] * 20}}} for n in range(1000)}
    told = {"component_hosts": "x1", "component_batch": 1, "component_notes": notes}
    assert len(json.dumps(told)) > 128 * 1024, "an argument of a program can't be longer (execve(2): MAX_ARG_STRLEN)"
    assert playbooks.play("up", told, lambda event: None).failures == []


@pytest.mark.parametrize(("hosts", "cores", "playbooks", "at_a_time"), [
    (1, 64, 1, 1), (10, 2, 1, 10), (1000, 2, 1, 32), (1000, 1, 1, 32), (1000, 64, 1, 256), (1000, 2, 2, 16), (1000, 2, 5, 8), (5, 2, 5, 5)])
def test_as_many_hosts_work_at_a_time_as_the_controller_bears(monkeypatch: pytest.MonkeyPatch, hosts: int, cores: int, playbooks: int,
                                                              at_a_time: int) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert forks(hosts, playbooks) == at_a_time


LOOKS = """
- name: Look
  hosts: "{{ component_hosts }}"
  tasks:
    - name: Whose environment it is
      ansible.builtin.command: {argv: [sh, -c, 'test "${VIRTUAL_ENV-none} $(command -v python3)" = "{{ seen }}"']}
"""


@pytest.mark.parametrize(("local", "seen"), [(True, "none /usr/bin/python3"), (False, "/of/the/driver {path}/python3")])
def test_tasks_on_this_machine_find_the_environment_of_a_login(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local: bool,
                                                               seen: str) -> None:
    (tmp_path / "up.yml").write_text(LOOKS)
    (tmp_path / "python3").symlink_to("/usr/bin/python3")
    monkeypatch.setenv("VIRTUAL_ENV", "/of/the/driver")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with AnsiblePlaybooks(dataclasses.replace(run, local=local)) as playbooks:
        assert playbooks.play("up", {"component_hosts": "x1", "seen": seen.format(path=tmp_path)}, lambda event: None).failures == []


ASKS = """
- name: Ask
  hosts: "{{ component_hosts }}"
  tasks:
    - name: Whose child the play is
      ansible.builtin.copy:
        content: "{{ lookup('pipe', 'p=$PPID; while [ $p -gt 1 ]; do echo $p; p=$(sed -n s/^PPid:.//p /proc/$p/status); done') }}"
        dest: "{{ folder }}/{{ play }}"
        mode: "0600"
    - name: Break on request
      ansible.builtin.command: "false"
      when: play == 'broken'
"""


@pytest.mark.parametrize("mitogen", [False, True])
def test_ansible_is_loaded_once_for_a_run_and_gone_after_it(run: Run, tmp_path: Path, mitogen: bool) -> None:
    (tmp_path / "up.yml").write_text(ASKS)
    told = {"component_hosts": "x1", "folder": str(tmp_path)}
    plays = ("first", "broken", "last")
    with AnsiblePlaybooks(dataclasses.replace(run, mitogen=mitogen)) as playbooks:
        codes = [playbooks.play("up", {**told, "play": play}, lambda event: None).returncode for play in plays]
    assert codes == [0, 2, 0]
    ancestors = [{*map(int, (tmp_path / play).read_text().split())} for play in plays]
    ended = {pid for pid in set.intersection(*ancestors) if not Path(f"/proc/{pid}").exists()}
    assert len(ended) == 2, "what they have in common is what keeps Ansible, and Ansible; both are gone"
    assert not [*(tmp_path / "tmp").glob("*")]


MEETS = """
- name: Meet
  hosts: "{{ component_hosts }}"
  tasks:
    - name: Say that it is there, and wait for the other
      ansible.builtin.shell: |
        touch {{ folder }}/{{ component_name }}
        for _ in $(seq 300); do [ -e {{ folder }}/{{ other }} ] && exit {{ code }}; sleep 0.1; done
        exit 9
"""


def test_playbooks_that_go_side_by_side_are_counted_and_logged_each_for_itself(
        run: Run, playbooks: AnsiblePlaybooks, tmp_path: Path) -> None:
    (tmp_path / "up.yml").write_text(MEETS)
    names, heard, ended = ("one", "two"), {"one": list[Event](), "two": list[Event]()}, dict[int, Outcome]()
    told = [{"component_hosts": "x1", "component_name": name, "other": names[1 - place], "folder": str(tmp_path), "code": place}
            for place, name in enumerate(names)]
    playbooks.side_by_side([Play("up", each, heard[name].append) for each, name in zip(told, names, strict=True)], ended.__setitem__)
    assert [(ended[place].returncode, len(ended[place].failures)) for place in (0, 1)] == [(0, 0), (2, 1)]
    assert {name: [e["status"] for e in heard[name] if e["event"] == "result"] for name in names} == {"one": ["changed"], "two": ["failed"]}
    logs = {name: (tmp_path / f"ansible-{name}.log").read_text() for name in names}
    assert [("changed: [x1]" in logs[name], "fatal: [x1]" in logs[name]) for name in names] == [(True, False), (False, True)]


def test_one_of_several_that_reaches_no_task_is_an_error_when_the_others_have_ended(
        playbooks: AnsiblePlaybooks, tmp_path: Path) -> None:
    ended = dict[int, Outcome]()
    told = {"component_hosts": "x1", "component_batch": 1}
    with pytest.raises(ProvisionError, match=r"ansible-playbook ended") as error:
        playbooks.side_by_side([Play("up", {"component_batch": 1, "component_name": "broken"}, lambda _: None),
                                Play("up", {**told, "component_name": "whole"}, lambda _: None)], ended.__setitem__)
    assert (error.value.where, [*ended]) == (str(tmp_path / "ansible-broken.log"), [1])


ENDS = """
- name: End
  hosts: "{{ component_hosts }}"
  tasks:
    - name: Something fails on one host
      ansible.builtin.command: "false"
      when: inventory_hostname == 'x1'
    - name: Ansible ends on another
      ansible.builtin.debug: {msg: "{{ lookup('pipe', 'kill -9 $(ps -o ppid= -p $PPID)') }}"}
"""


def test_a_playbook_that_did_not_end_by_itself_is_not_done_whatever_it_did(playbooks: AnsiblePlaybooks, tmp_path: Path) -> None:
    """What else failed on a host would have passed for all there is to say: the other hosts were neither done nor named."""
    (tmp_path / "up.yml").write_text(ENDS)
    with pytest.raises(ProvisionError, match=r"(?s)ended with -9.*failed before: x1: Something fails on one host"):
        playbooks.play("up", {"component_hosts": "x1,x2"}, lambda _: None)


def test_a_failing_task_is_reported_with_what_it_said(playbooks: AnsiblePlaybooks) -> None:
    outcome = playbooks.play("up", {"component_hosts": "x1", "component_batch": 1, "broken": True}, lambda event: None)
    assert [e["host"] for e in outcome.failures] == ["x1"]
    assert "because" in outcome.failures[0]["message"]


RESCUES = """
- name: End
  hosts: "{{ component_hosts }}"
  tasks:
    - block: [{name: Fails, ansible.builtin.command: "false"}]
      rescue: [{name: Help, ansible.builtin.command: "{{ 'true' if inventory_hostname == 'x1' else 'false' }}"}]
"""


def test_a_host_on_which_what_failed_was_rescued_has_not_failed(playbooks: AnsiblePlaybooks, tmp_path: Path) -> None:
    (tmp_path / "up.yml").write_text(RESCUES)
    outcome = playbooks.play("up", {"component_hosts": "x1,x2"}, lambda _: None)
    assert [(each["host"], each["task"]) for each in outcome.failures] == [("x2", "Fails"), ("x2", "Help")]


def test_what_a_host_said_does_not_reach_the_terminal_as_it_is() -> None:
    outcome = Outcome()
    outcome.take({"event": "result", "status": "failed", "host": "x1", "task": "Ask", "message": "\x1b[0;1;31mgone\x1b[0m\x07"})
    assert outcome.failures[0]["message"] == "gone\ufffd"


def test_a_run_that_never_reached_a_task_is_an_error_with_the_log(playbooks: AnsiblePlaybooks) -> None:
    with pytest.raises(ProvisionError, match=r"ansible-playbook ended"):
        playbooks.play("up", {"component_batch": 1}, lambda event: None)


WRITES = """
- name: Write
  hosts: "{{ component_hosts }}"
  tasks:
    - name: Something open
      ansible.builtin.copy: {content: "open {{ greeting }}\\n", dest: "{{ folder }}/open", mode: "0600"}
    - name: Something secret
      ansible.builtin.copy: {content: "secret {{ greeting }}\\n", dest: "{{ folder }}/secret", mode: "0600"}
      no_log: true
"""


def test_a_preview_tells_what_would_change_but_never_a_secret(playbooks: AnsiblePlaybooks, tmp_path: Path) -> None:
    (tmp_path / "up.yml").write_text(WRITES)
    events: list[Event] = []
    playbooks.play("up", {"component_hosts": "x1", "folder": str(tmp_path)}, events.append, check=True)
    changed = {str(e["task"]): str(e["diff"]) for e in events if e.get("status") == "changed"}
    assert set(changed) == {"Something open", "Something secret"}
    assert "+open good morning" in changed["Something open"]
    assert "secret" not in changed["Something secret"].lower()
    assert "good morning" not in changed["Something secret"]
    assert not (tmp_path / "open").exists()


def test_ansible_is_told_of_each_host_what_ssh_is_told_and_nothing_twice(tmp_path: Path) -> None:
    own = {"a2": {"ansible_ssh_args": "-C", "ansible_ssh_timeout": 60}}
    hosts = tuple(Host(name, f"192.0.2.{number}", variables=own.get(name, {})) for number, name in enumerate(("a1", "a2", "a3"), 1))
    rendered: dict[str, Any] = {"all": {"vars": {"x": 1}, "hosts": {host.name: dict(host.variables) for host in hosts}, "children": {}}}
    told = with_ssh_arguments(rendered, Cluster("test", tmp_path / "inventory.yml", hosts))[0]["all"]
    assert told["vars"]["x"] == 1
    usual = told["vars"]["ansible_ssh_args"]
    assert usual.endswith("-o ConnectTimeout=10 -o ControlPersist=60s -o ServerAliveInterval=5 -o ServerAliveCountMax=4 -o BatchMode=yes")
    assert told["hosts"]["a1"] == told["hosts"]["a3"] == {}
    assert told["hosts"]["a2"]["ansible_ssh_args"] == usual.replace("Timeout=10", "Timeout=60") + " -C"
    assert "ansible_ssh_args" not in rendered["all"]["vars"]
