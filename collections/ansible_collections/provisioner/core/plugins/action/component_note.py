"""Ansible action: keeps the note on the host about what was applied, and lets no unit run with older settings than its files.

`state: begin` before a role's first change lays files of others aside, forgets the note and finishes an installation of packages that was
cut off; `state: removed` forgets also which files are ours; `state: done`
after its last restarts units that started before their files were written (a run that died between the two left them so), and writes the
note anew.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.provisioner.core.plugins.plugin_utils.probe import exchange, restart_stale

DOCUMENTATION = """
name: component_note
short_description: the note on the host about what was applied
options:
  component: {description: Name of the component., type: str, required: true}
  state: {description: Before the first change or after the last., type: str, choices: [begin, done, removed], required: true}
  witness: {description: "What proves that the role is still applied: files, units, packages, listeners.", type: dict, default: {}}
  digest: {description: Digest of what was asked for; nothing is noted without one., type: str, default: ""}
  leave: {description: Units that go on with older settings until they are started anew., type: list, elements: str, default: []}
  request: {description: What the probe is asked to see whether a restarted unit works again., type: dict, default: {}}
"""

ARGUMENTS = {
    "component": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["begin", "done", "removed"], "required": True},
    "witness": {"type": "dict", "default": {}},
    "digest": {"type": "str", "default": ""},
    "leave": {"type": "list", "elements": "str", "default": []},
    "request": {"type": "dict", "default": {}},
}
#: Finishes what a host that died, say, left half installed. Services are started by their roles, after their settings are there.
FINISH = """
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\\nexit 101\\n' >$policy
  chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
exec 2>&1 </dev/null
dpkg --force-confdef --force-confold --configure -a || {
  apt-get -q update
  apt-get -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold --no-install-recommends --fix-broken install
}
dpkg --audit
test -z "$(dpkg --audit)"
"""
#: How long a unit that had to be restarted may take until it works again.
WAIT_SECONDS = 120.0


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible ships no types
    """See DOCUMENTATION."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Changed only when packages had to be finished or a unit restarted."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        result["changed"] = False
        if self._task.check_mode:
            return result
        try:
            if arguments["state"] == "begin":
                result["changed"] = self._finish(self._exchange(["begin", "packages"], arguments))
            elif arguments["state"] == "removed":
                self._exchange(["forget"], arguments)
            elif arguments["witness"]:
                result["changed"] = self._refresh(arguments)
                if arguments["digest"]:
                    self._exchange(["record"], arguments)
        except ValueError as error:
            result.update(failed=True, msg=f"{arguments['component']}: {error}")
        return result

    def _finish(self, answer: dict[str, Any]) -> bool:
        """Finish an installation that was cut off, unless somebody is at it."""
        found = answer.get("packages", {})
        if not found.get("interrupted") or found.get("locks"):
            return False
        proxies = self._compute_environment_string()
        done = self._low_level_execute_command(f"export {proxies}\n{FINISH}" if proxies else FINISH, sudoable=True)
        if done["rc"] != 0:
            raise ValueError(f"packages that were left half installed could not be finished: {(done.get('stdout') or '').strip()[-400:]}")
        return True

    def _refresh(self, arguments: dict[str, Any]) -> bool:
        """Restart what runs with older settings than its files have, and wait until it works."""
        component = arguments["component"]
        if not restart_stale(self, component, arguments["witness"], arguments["leave"]):
            return False
        answer = exchange(self, {"sections": ["health"], "health": {component: arguments["request"]}, "wait": WAIT_SECONDS})
        health = answer.get("health", {}).get(component, {})
        if health.get("state") != "ok":
            raise ValueError(f"restarted with its present settings, and then: {health.get('detail', answer.get('errors'))}")
        return True

    def _exchange(self, sections: list[str], arguments: dict[str, Any]) -> dict[str, Any]:
        """The probe's answer, in which the first section is a list of units."""
        component = arguments["component"]
        asked = {component: {"witness": arguments["witness"], "digest": arguments["digest"]}}
        answer = exchange(self, {"sections": sections, "notes": asked})
        if not isinstance(answer.get(sections[0], {}).get(component), list):
            raise ValueError(f"no note could be kept: {answer.get('errors')}")
        return answer
