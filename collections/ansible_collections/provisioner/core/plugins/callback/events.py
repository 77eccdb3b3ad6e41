"""Ansible notification callback: every task result as one JSON line on the file that $PROVISION_EVENTS names.

The human-readable output stays Ansible's own (it goes to the run's log); the driver reads these lines for its progress display.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: events
type: notification
short_description: task results as JSON lines for the provision driver
description: Writes one JSON object per task start, result and final statistics to the file named by PROVISION_EVENTS.
requirements: [PROVISION_EVENTS in the environment]
"""

#: Longest text of a module that is passed on; the whole is in the log.
MESSAGE_MAX = 2000
DIFF_MAX = 20000


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible ships no types
    """Writes events; without $PROVISION_EVENTS it stays silent."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "provisioner.core.events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        path = os.environ.get("PROVISION_EVENTS")
        self._play = int(os.environ.get("PROVISION_PLAY", "0"))
        self._out = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if path else None  # lives as long as the process

    def _emit(self, event: str, **fields: Any) -> None:
        if self._out is not None:
            line = json.dumps({"event": event, "play": self._play, "time": round(time.time(), 3), **fields}) + "\n"
            # In one go, so that lines of plays that go on side by side do not get into each other.
            os.write(self._out, line.encode())

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._emit("task", task=task.get_name(), path=task.get_path() or "")

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._emit("task", task=task.get_name(), path=task.get_path() or "")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("changed" if _content(result).get("changed") else "ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._emit("stats", hosts={host: stats.summarize(host) for host in sorted(stats.processed)})

    def _result(self, status: str, result: Any) -> None:
        content = _content(result)
        self._emit(
            "result",
            status=status,
            host=_attribute(result, "host").get_name(),
            task=_attribute(result, "task").get_name(),
            message=_message(content) if status in ("failed", "unreachable") else "",
            warnings=[str(w) for w in content.get("warnings") or []],
            diff=self._difference(content) if status == "changed" else "",
        )

    def _difference(self, content: dict[str, Any]) -> str:
        """What a module says it changes in a file; Ansible has taken it out of results that must not be shown."""
        parts = [content, *(item for item in content.get("results") or [] if isinstance(item, dict))]
        return "".join(self._get_diff(part["diff"]) for part in parts if part.get("diff"))[:DIFF_MAX]


def _attribute(result: Any, name: str) -> Any:
    """ansible-core 2.19 renamed `_host` to `host`; the old name warns."""
    return getattr(result, name) if hasattr(result, name) else getattr(result, "_" + name)


def _content(result: Any) -> dict[str, Any]:
    return dict(_attribute(result, "result"))


def _message(content: dict[str, Any]) -> str:
    """What the module said, with what the failed items said; what a command printed only where it says nothing else."""
    parts = [str(content.get("msg") or "")]
    parts += [str(item.get("msg") or "") for item in content.get("results") or [] if item.get("failed")]
    outputs = [str(content[k]).strip() for k in ("module_stderr", "stderr") if content.get(k)]
    if "cmd" in content or not outputs:
        outputs.append(str(content.get("stdout") or content.get("module_stdout") or "").strip())
    parts += [text for text in outputs if text and text not in parts[0]]
    return "\n".join(dict.fromkeys(p for p in parts if p))[:MESSAGE_MAX]
