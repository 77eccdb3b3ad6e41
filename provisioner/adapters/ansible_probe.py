"""Asking the probe over Ansible's own connection: what the action plugins share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioner.probe import payload, read_answer


def exchange(action: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """The probe's answer on the host of an Ansible action. ValueError says in one sentence why there is none."""
    command, stdin = payload(request)
    done = action._low_level_execute_command(command, in_data=stdin, sudoable=True)
    if done["rc"] != 0:
        said = " ".join((done.get("stderr") or done.get("stdout") or "").split())[-400:]
        raise ValueError(f"the probe ended with {done['rc']}: {said}")
    return dict(read_answer(done["stdout"].encode("utf-8", "surrogateescape")))
