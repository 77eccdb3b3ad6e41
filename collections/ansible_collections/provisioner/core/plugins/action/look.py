"""Ansible action: looks at a host by a module, and refuses what can't work, before anything is touched."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.provisioner.core.plugins.plugin_utils.refusal import refused

DOCUMENTATION = """
name: look
short_description: look at a host and refuse what can not work
description:
  - Runs a module that only looks. Its name is the key, its options are the value. The result is the module's.
options:
  refuse:
    description:
      - An expression, without braces, that gives a list of sentences about what is wrong. It may name what the task registers. With one or
        more of them the task fails with all.
    type: str
"""


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible ships no types
    """See DOCUMENTATION."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result; failed, with the sentences, where there are any."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        asked = dict(self._task.args)
        problems = asked.pop("refuse", "")
        if len(asked) != 1:
            raise AnsibleActionFail(f"name one module to look with, not {', '.join(asked) or 'none'}")
        ((module, arguments),) = asked.items()
        found = {**result, **self._execute_module(module_name=module, module_args=dict(arguments or {}), task_vars=task_vars)}
        return found if found.get("failed") else refused(self, problems, found, task_vars or {})
