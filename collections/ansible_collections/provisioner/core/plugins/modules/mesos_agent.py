#!/usr/bin/python
"""Ansible module: see DOCUMENTATION.

Draining kills the tasks at once (SIGTERM, SIGKILL after `grace`) and starts replacements elsewhere only afterwards. A
drain of which the last status update was never acknowledged stays DRAINING for ever: asked again, Mesos looks anew.
"""

from __future__ import annotations

import time
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.mesos import call, login

DOCUMENTATION = r"""
module: mesos_agent
short_description: Drain this host's Mesos agent, or let a drained one take work again
description: Asks the leading master and waits until it is done. In check mode nothing is asked and nothing done.
options:
  state: {description: Whether the agent takes work., type: str, choices: [active, drained], required: true}
  masters: {description: "All masters, as address:port.", type: list, elements: str, required: true}
  agent: {description: "The agent, as address:port.", type: str, required: true}
  grace: {description: Seconds between SIGTERM and SIGKILL for its tasks., type: int, default: 0}
  timeout: {description: Seconds it may take., type: int, required: true}
  operator:
    description: Principal and secret of an operator, where the masters want one. It is on the host only as long as this runs.
    type: dict
    default: {}
    options:
      principal: {description: Who., type: str, default: ""}
      secret: {description: With which secret., type: str, default: ""}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Move the tasks of this agent away
  provisioner.core.mesos_agent:
    state: drained
    masters: ["10.0.0.11:5050"]
    agent: 10.0.0.21:5051
    timeout: 300
"""
RETURN = r"""
detail: {description: "What was done, empty if nothing had to be.", returned: success, type: str}
"""
ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["active", "drained"], "required": True},
    "masters": {"type": "list", "elements": "str", "required": True},
    "agent": {"type": "str", "required": True},
    "grace": {"type": "int", "default": 0},
    "timeout": {"type": "int", "required": True},
    "operator": {"type": "dict", "default": {}, "options": {"principal": {"type": "str", "default": ""},
                                                          "secret": {"type": "str", "default": "", "no_log": True}}},
}
SECONDS = 10
PAUSE = 1.0
RETURN_SECONDS = 20
TERMINAL = {"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE",
            "TASK_GONE_BY_OPERATOR", "TASK_UNREACHABLE", "TASK_UNKNOWN"}
Row = Dict[str, Any]


class GiveUp(Exception):
    """Why the agent cannot be brought into the wanted state, in one sentence."""


class Agent:
    """This host's agent as the leading master sees it."""

    def __init__(self, masters: list[str], pid: str, headers: dict[str, str]) -> None:
        self.masters, self.pid, self.headers = masters, f"@{pid}", headers
        self.leader = ""

    def look(self) -> Row | None:
        """This agent as the leading master lists it, None when it does not; gives up when nobody leads."""
        said = []
        for server in [self.leader, *self.masters] if self.leader else self.masters:
            status, answer = call(server, "GET_AGENTS", SECONDS, self.headers)
            if status == 200:
                self.leader = server
                rows: list[Row] = answer["get_agents"].get("agents", [])
                return next((a for a in rows if a["pid"].endswith(self.pid)), None)
            said.append(f"{server} answers {status} {answer}")
        raise GiveUp("No Mesos master leads: " + "; ".join(said) + ". Bring up the masters first.")

    def ask(self, kind: str, row: Row, **more: Any) -> None:
        """Have the leading master do something about it."""
        field = {"agent_id": row["agent_info"]["id"], **more}
        status, answer = call(self.leader, kind, SECONDS, self.headers, **{kind.lower(): field})
        if status != 200:
            raise GiveUp(f"The master {self.leader} refuses {kind}: {status} {answer}")

    def tasks(self, row: Row) -> dict[str, str]:
        """Ids of the tasks on this agent that have not ended, with the frameworks they belong to."""
        status, answer = call(self.leader, "GET_TASKS", SECONDS, self.headers)
        if status != 200:
            raise GiveUp(f"The master {self.leader} does not list its tasks: {status} {answer}")
        mine = row["agent_info"]["id"]["value"]
        rows = answer["get_tasks"].get("tasks", [])
        return {t["task_id"]["value"]: t["framework_id"]["value"] for t in rows
                if t["agent_id"]["value"] == mine and t["state"] not in TERMINAL}

    def orphans(self, row: Row) -> list[str]:
        """Those of frameworks that are gone: a drain would wait for them for ever."""
        status, answer = call(self.leader, "GET_FRAMEWORKS", SECONDS, self.headers)
        rows = answer["get_frameworks"].get("frameworks", []) if status == 200 else []
        gone = {f["framework_info"]["id"]["value"] for f in rows if f.get("recovered")}
        return sorted({framework for framework in self.tasks(row).values() if framework in gone})


def state(row: Row) -> str:
    """How far the drain is, "" without one."""
    return str(row.get("drain_info", {}).get("state", ""))


def refuse_orphans(agent: Agent, row: Row) -> None:
    """Gives up on tasks whose framework stays away: for a moment after an election that is true of all frameworks."""
    deadline = time.time() + RETURN_SECONDS
    gone = agent.orphans(row)
    while gone:
        if time.time() > deadline:
            raise GiveUp(f"The agent has tasks of frameworks that are gone ({', '.join(gone)}): a drain would never end. Tear them down "
                         f"first, POST /teardown frameworkId=<id> to {agent.leader}; this kills their tasks on every agent.")
        time.sleep(PAUSE)
        gone = agent.orphans(row)


def drain(agent: Agent, grace: int, timeout: int) -> str:
    """What was done, "" if nothing had to be."""
    row = agent.look()
    if row is None or state(row) == "DRAINED":  # what the masters do not know has nothing to drain
        return ""
    refuse_orphans(agent, row)
    deadline, asked_at = time.time() + timeout, 0.0
    while state(row) != "DRAINED":
        idle = state(row) == "DRAINING" and not agent.tasks(row)
        if state(row) != "DRAINING" or (idle and time.time() - asked_at > 3 * PAUSE):
            agent.ask("DRAIN_AGENT", row, max_grace_period={"seconds": grace}, mark_gone=False)
            asked_at = time.time()
        if time.time() > deadline:
            left = ", ".join(agent.tasks(row)) or "none"
            raise GiveUp(f"The agent is not drained after {timeout} s; these tasks are left: {left}. Run the drain again, or raise "
                         "mesos_agent_drain_seconds.")
        time.sleep(PAUSE)
        row = agent.look()
        if row is None:
            raise GiveUp("The agent went away while it was drained: look at its journal.")
    return "drained"


def reactivate(agent: Agent, timeout: int) -> str:
    """What was done, "" if nothing had to be."""
    deadline = time.time() + timeout
    row = agent.look()
    while row is None or state(row) == "DRAINING":
        if time.time() > deadline:
            now = state(row) if row else "not registered"
            raise GiveUp(f"The agent is {now} after {timeout} s and cannot take work yet: drain it again, then bring it up.")
        time.sleep(PAUSE)
        row = agent.look()
    if not row.get("deactivated"):
        return ""
    agent.ask("REACTIVATE_AGENT", row)
    row = agent.look()
    while row is None or row.get("deactivated"):
        if time.time() > deadline:
            raise GiveUp(f"The agent is still deactivated after {timeout} s: look at the journal of the leading master.")
        time.sleep(PAUSE)
        row = agent.look()
    return "takes work again"


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    asked = module.params
    if module.check_mode:
        module.exit_json(skipped=True)
    agent = Agent(asked["masters"], asked["agent"], login(asked["operator"]))
    try:
        drains = asked["state"] == "drained"
        detail = drain(agent, asked["grace"], asked["timeout"]) if drains else reactivate(agent, asked["timeout"])
    except GiveUp as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(detail), detail=detail)


if __name__ == "__main__":
    main()
