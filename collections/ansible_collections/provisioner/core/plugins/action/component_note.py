"""Ansible action: the note on the host about what was applied is not true any more.

`state: begin` before a role's first change lays files of others aside, forgets the note and finishes an installation of packages that was
cut off; `state: removed` forgets also which files are ours. A note is written where the component is found to work: component_check.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.provisioner.core.plugins.plugin_utils.probe import exchange

DOCUMENTATION = """
name: component_note
short_description: the note on the host about what was applied
options:
  component: {description: Name of the component., type: str, required: true}
  state: {description: Before the first change or after a removal., type: str, choices: [begin, removed], required: true}
  witness: {description: "What proves that the role is applied: files, units, packages, listeners.", type: dict, default: {}}
"""

ARGUMENTS = {
    "component": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["begin", "removed"], "required": True},
    "witness": {"type": "dict", "default": {}},
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


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible ships no types
    """See DOCUMENTATION."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Changed only when packages had to be finished."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        result["changed"] = False
        if self._task.check_mode:
            return result
        try:
            if arguments["state"] == "begin":
                result["changed"] = self._finish(self._exchange(["begin", "packages"], arguments))
            else:
                self._exchange(["forget"], arguments)
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

    def _exchange(self, sections: list[str], arguments: dict[str, Any]) -> dict[str, Any]:
        """The probe's answer, in which the first section is a list."""
        component = arguments["component"]
        answer = exchange(self, {"sections": sections, "notes": {component: {"witness": arguments["witness"]}}})
        if not isinstance(answer.get(sections[0], {}).get(component), list):
            raise ValueError(f"no note could be kept: {answer.get('errors')}")
        return answer
