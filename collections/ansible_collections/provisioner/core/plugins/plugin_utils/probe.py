"""Asking the probe over Ansible's own connection: what the action plugins share, and all that they need of the driver."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if not importlib.util.find_spec("provisioner"):  # ansible-playbook of another Python, in a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[6]))

from provisioner.observe.payload import payload, read_answer
from provisioner.probe.health.cause import REMOVED
from provisioner.probe.health.framework import MISSING

__all__ = ["MISSING", "REMOVED", "exchange", "restart", "restart_stale"]


def exchange(action: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """The probe's answer on the host of an Ansible action. ValueError says in one sentence why there is none."""
    command, stdin = payload(request)
    done = action._low_level_execute_command(command, in_data=stdin, sudoable=True)
    if done["rc"] != 0:
        said = " ".join((done.get("stderr") or done.get("stdout") or "").split())[-400:]
        raise ValueError(f"the probe ended with {done['rc']}: {said}")
    return dict(read_answer(done["stdout"].encode("utf-8", "surrogateescape")))


def restart_stale(action: Any, component: str, witness: Mapping[str, Any]) -> bool:
    """Restart what runs with other settings than its files have now; gives whether anything did.

    ValueError says why that can't be told or done.
    """
    answer = exchange(action, {"sections": ["stale"], "notes": {component: {"witness": witness}}})
    stale = answer.get("stale", {}).get(component)
    if not isinstance(stale, list):
        raise ValueError(f"whether it runs with older settings can't be told: {answer.get('errors')}")
    return bool(stale) and restart(action, stale)


def restart(action: Any, names: Sequence[str]) -> bool:
    """Restart units; gives True. ValueError says why that can't be done."""
    units = " ".join(action._connection._shell.quote(f"{unit}.service") for unit in names)
    done = action._low_level_execute_command(f"systemctl daemon-reload && systemctl restart {units}", sudoable=True)
    if done["rc"] != 0:
        raise ValueError(f"restart of {units}: {(done.get('stderr') or '').strip()[-400:]}")
    return True
