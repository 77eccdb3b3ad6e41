"""An Ansible action whose connection gives answers from a list; `asked` keeps what was sent."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from ansible.plugins.shell.sh import ShellModule


def fake_action(kind: Any, arguments: dict[str, Any], answers: Iterable[Any], *, check_mode: bool = False) -> Any:
    """An action of that class; an answer that is an exception is raised."""
    task = SimpleNamespace(args=arguments, async_val=0, check_mode=check_mode, action="component", diff=False, environment=[], no_log=False)
    shell = SimpleNamespace(quote=lambda text: text, tmpdir="none", env_prefix=ShellModule().env_prefix)
    connection = SimpleNamespace(reset=lambda: None, _shell=shell, become=None, _new_stdin=None)
    made = kind(task, connection, SimpleNamespace(check_mode=check_mode), None, None, None)
    made.asked = []
    left = list(answers)

    def run(command: str, in_data: bytes = b"", sudoable: bool = True) -> dict[str, Any]:
        made.asked.append((command, in_data))
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return dict(given)

    made._low_level_execute_command = run
    return made
