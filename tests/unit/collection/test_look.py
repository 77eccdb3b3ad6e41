"""Looking at a host and refusing in one task, by a plain ansible-playbook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.unit.collection.test_plain_ansible import plain

#: What a role has: rules that know what its look found, and that fail where nothing was looked at.
RULES = {"__now_problems": "{{ (['There is no unit ' ~ wanted ~ '.'] if not __now.unit else []) + (['It runs.'] if __now.running else []) "
                           "+ [__now.docker] | select | list }}", "wanted": "no-such-unit"}


def look(register: str = "__now", **options: Any) -> dict[str, Any]:
    return {"name": "Look", "register": register,
            "provisioner.core.look": {"provisioner.core.service_info": {"unit": "{{ wanted }}"}, **options}}


def caught(name: str, task: dict[str, Any]) -> dict[str, Any]:
    """The task; what it says when it fails is what this name stands for afterwards."""
    kept = {name: "{{ ansible_failed_result.msg }}", f"{name}_by": "{{ __now | default({}) }}"}
    return {"name": "Try", "block": [task], "rescue": [{"name": "Keep what was said", "ansible.builtin.set_fact": kept}]}


def test_a_look_registers_what_it_found_and_refuses_by_the_roles_sentences(tmp_path: Path) -> None:
    nameless = {key: value for key, value in look(refuse="__now_problems").items() if key != "register"}
    two = look()
    two["provisioner.core.look"]["provisioner.core.kernel_info"] = {}
    tasks = [
        caught("bad", look(refuse="__now_problems")),
        look(refuse="__now_problems | reject('search', 'no unit') | list"),
        {"name": "Judge what was found", "ansible.builtin.assert": {"that": [
            "__now is not changed", "__now.unit is false", "__now.taken == []"]}},
        caught("nameless", nameless),
        caught("two", two),
        caught("wrong", look(register="__other", refuse="wanted")),
        caught("broken", look(refuse="no_such_variable")),
        caught("tried", {"name": "Check", "register": "__tried", "provisioner.core.component_check": {
            "component": "zookeeper", "accept": ["ok", "degraded", "down"], "refuse": "['It is ' ~ __tried.state ~ '.']"}}),
        {"name": "Judge what was said", "ansible.builtin.assert": {"that": [
            "bad == 'There is no unit no-such-unit.'", "bad_by.running is undefined",
            "'must register' in nameless", "'name one module' in two",
            "'must be a list of sentences' in wrong", "'no_such_variable' in broken",
            "tried == 'It is down.'"]}},
    ]
    play = {"name": "Look", "hosts": "m1", "gather_facts": False, "vars": RULES, "tasks": tasks}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    for preview in ((), ("--check",)):
        assert "failed=0" in plain(tmp_path, *preview, tmp_path / "play.yml")
