"""What an action that looks at a host does with what it found: refuse what can't work."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.template import trust_as_template


def refused(action: Any, problems: str, found: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
    """What was found; only a failure where an expression, which may name what the task registers, gives sentences about it.

    What was found is not in that: it would be in the log, as settings of others and long as it may be.
    """
    if not problems:
        return found
    name = action._task.register
    if not name:
        raise AnsibleActionFail("refuse: the task must register what it finds, so that the expression can name it")
    known = action._templar.copy_with_new_env(available_variables={**task_vars, name: {"failed": False, **found}})
    said = known.template(trust_as_template(f"{{{{ {problems} }}}}"))
    if not isinstance(said, list):
        raise AnsibleActionFail(f"refuse: {problems} must be a list of sentences, not {said!r}")
    return {"changed": False, "failed": True, "msg": " ".join(map(str, said))} if said else found
