"""Ansible action: is this component doing its job on this host? Asks the probe over Ansible's own connection.

The same program answers `provision status`, so a role and the driver can not disagree about what "healthy" means.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.provisioner.core.plugins.plugin_utils.probe import MISSING, REMOVED, exchange, restart, restart_stale
from ansible_collections.provisioner.core.plugins.plugin_utils.refusal import refused

DOCUMENTATION = """
name: component_check
short_description: is a component doing its job on this host
description:
  - Polls the probe on the host until the component is in an accepted state or the time is up. Changes nothing, except that a
    process which is found to run with other settings than its files have (it listens on another port, say), or that leads while
    Mesos lists no framework of it, is restarted once. A framework that Mesos has removed is not waited for.
  - With C(note) the host notes in the same exchange what the driver told of the component (C(component_notes)), as soon as it is in an
    accepted state. What started before its files were written, as a run that died between the two left it, is restarted before that.
options:
  component: {description: Name of the component., type: str, required: true}
  request: {description: "What the probe is asked, from the role variable <component>_probe.", type: dict, default: {}}
  wait: {description: Seconds to wait for an accepted state., type: float, default: 0}
  accept: {description: States that are good enough., type: list, elements: str, default: [ok]}
  steady: {description: Seconds that the unit must have been up with one process., type: float, default: 2}
  note: {description: Whether this is the last that a role does., type: bool, default: false}
  leave: {description: Units that go on with older settings until they are started anew., type: list, elements: str, default: []}
  refuse: {description: "An expression that gives sentences about what is wrong; see provisioner.core.look.", type: str, default: ""}
"""

ARGUMENTS = {
    "component": {"type": "str", "required": True},
    "request": {"type": "dict", "default": {}},
    "wait": {"type": "float", "default": 0.0},
    "accept": {"type": "list", "elements": "str", "default": ["ok"], "choices": ["ok", "degraded", "down"]},
    "steady": {"type": "float", "default": 2.0},
    "note": {"type": "bool", "default": False},
    "leave": {"type": "list", "elements": "str", "default": []},
    "refuse": {"type": "str", "default": ""},
}
#: Longest wait on the host in one exec: a connection that dies unnoticed must not cost the whole time.
SLICE_SECONDS = 60.0
#: What does not work by then may run with other settings than its files have.
DOUBT_SECONDS = 15.0
PAUSE_SECONDS = 1.0
JOURNAL_LINES = 20


def _told(component: str, task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """What the driver told the playbook that the host is to note: {witness, digest}; nothing without the driver."""
    own = (task_vars.get("component_notes") or {}).get(task_vars.get("inventory_hostname")) or {}
    return dict(own.get(component) or {})


def framework(health: dict[str, Any]) -> str:
    """What the answer says of a scheduler's framework, in the words of the probe; '' for other components."""
    facts = health["facts"]
    return str(facts.get("framework", "")) if isinstance(facts, dict) else ""


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible ships no types
    """See DOCUMENTATION."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True
    _restarted = False
    _tried = False
    #: What the host is to note, and what it said to it: the units that run with older settings, or nothing where it noted nothing.
    _noted: Mapping[str, Any] = {}
    _answered: Any = None

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Result keys: component, state, detail, health; changed only when a process had to be restarted."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        component, accept, wait = str(arguments["component"]), list(arguments["accept"]), float(arguments["wait"])
        request = dict(arguments["request"])
        if wait > 0:
            request.setdefault("steady", arguments["steady"])
        told = {} if self._task.check_mode else _told(component, task_vars or {})
        if arguments["note"] and told:
            self._noted = {**told, "leave": arguments["leave"], "accept": accept}
        why, health = "", self._poll(component, request, wait, accept, told.get("witness", {}))
        try:
            if health["state"] in accept and self._stale():
                why = "restarted with its present settings, and then: "
                health = self._again(component, request, wait, accept)
            if health["state"] in accept:
                self._stale()
        except ValueError as error:
            result.update(failed=True, msg=f"{component}: {error}")
        result.update(changed=self._restarted, component=component, state=health["state"], detail=health["detail"], health=health)
        if health["state"] not in accept:
            host = (task_vars or {}).get("inventory_hostname", "this host")
            result.update(failed=True, msg=f"{component} on {host}: {why}{health['detail']}{self._journal(component, request)}")
        return result if result.get("failed") else refused(self, str(arguments["refuse"]), result, task_vars or {})

    def _stale(self) -> list[str]:
        """The units that kept the host from noting anything. ValueError says what else did."""
        if self._noted and not isinstance(self._answered, list):
            raise ValueError(f"no note could be kept: {self._answered}")
        return list(self._answered) if self._noted else []

    def _again(self, component: str, request: dict[str, Any], wait: float, accept: list[str]) -> dict[str, Any]:
        """Restart what runs with older settings than its files have, and wait until it works."""
        stale, self._tried = self._stale(), True
        self._restarted = restart(self, stale)
        self._noted = {**self._noted, "leave": [*self._noted["leave"], *stale]}
        return self._poll(component, request, wait, accept, {})

    def _poll(self, component: str, request: dict[str, Any], wait: float, accept: list[str], witness: dict[str, Any]) -> dict[str, Any]:
        """Ask until the state is accepted or `wait` seconds are over; a connection that breaks is made anew."""
        deadline, doubt = time.monotonic() + wait, time.monotonic() + DOUBT_SECONDS
        while True:
            left = max(0.0, deadline - time.monotonic())
            # The host itself waits for "ok" only; for anything less strict the waiting is done here.
            there = min(left, SLICE_SECONDS if self._tried else DOUBT_SECONDS) if accept == ["ok"] else 0.0
            try:
                health = self._ask(component, request, there)
                if framework(health) == REMOVED:
                    return health
                if health["state"] not in accept and not (self._tried or self._task.check_mode) and doubt <= time.monotonic() < deadline:
                    self._tried, self._restarted = True, self._restart(component, request, witness, health)
            except AnsibleConnectionFailure:
                if time.monotonic() >= deadline:
                    raise
                self._connection.reset()
                health = None
            if health and (health["state"] in accept or time.monotonic() >= deadline):
                return health
            time.sleep(min(PAUSE_SECONDS, max(0.0, deadline - time.monotonic())))

    def _restart(self, component: str, request: dict[str, Any], witness: dict[str, Any], health: dict[str, Any]) -> bool:
        """Whether something was restarted: a leader without a driver, or what ran with other settings than its files have."""
        try:
            if framework(health) == MISSING:
                return restart(self, [str(request["unit"])])
            return bool(witness) and restart_stale(self, component, witness)
        except ValueError:
            return False  # what is wrong is told by the next answer

    def _ask(self, component: str, request: dict[str, Any], wait: float) -> dict[str, Any]:
        unknown = {"state": "down", "leader": False, "version": "", "stand_in": False, "facts": {}}
        asked = {"sections": ["health"], "health": {component: request}, "wait": wait}
        if self._noted:
            asked = {**asked, "sections": ["health", "record"], "notes": {component: self._noted}}
        try:
            answer = exchange(self, asked)
        except ValueError as error:
            return {**unknown, "detail": str(error)}
        health = answer.get("health")
        found = health.get(component) if isinstance(health, dict) else None
        self._answered = answer.get("record", {}).get(component, answer.get("errors"))
        if not isinstance(found, dict):
            return {**unknown, "detail": f"the probe did not ask: {answer.get('errors')}"}
        return {**unknown, **found}

    def _journal(self, component: str, request: dict[str, Any]) -> str:
        """The unit's last lines, with a heading; empty where there is no unit or no journal."""
        forwards_only = component == "logstash" and not request.get("server")
        unit = request.get("forwarder" if forwards_only else "unit")
        if not unit:
            return ""
        command = f"journalctl -u {self._connection._shell.quote(str(unit))} -n {JOURNAL_LINES} --no-pager -o cat"
        done = self._low_level_execute_command(command, sudoable=True)
        lines = (done.get("stdout") or "").strip()
        return f"\nlast lines of {unit}:\n{lines}" if done["rc"] == 0 and lines else ""
