#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: units
short_description: Units of systemd, in one exchange with the host
description:
  - Each unit is enabled, masked, started, stopped as it is wanted, in this order. Systemd reads the units' files again first, once, where
    one of them is not as systemd knows it.
  - C(started) is what is active; M(ansible.builtin.systemd_service) takes also a unit for started that fails again and again.
  - In check mode a unit that is not there yet is taken for one that another task makes.
options:
  units:
    description: The units.
    type: list
    elements: dict
    required: true
    options:
      name: {description: Its name; a service where it has no suffix., type: str, required: true}
      state: {description: What it is to do now., type: str, choices: [started, stopped, restarted, reloaded]}
      enabled: {description: Whether it starts at boot., type: bool}
      masked: {description: Whether nothing can start it., type: bool}
  stays:
    description: So many seconds each unit that is to run has to have been up with one process. What already was is not waited for.
    type: float
    default: 0
author: [provisioner]
"""
EXAMPLES = r"""
- name: Start Marathon and let it start at boot
  provisioner.core.units:
    units: [{name: marathon, state: started, enabled: true}]
    stays: 2
"""
RETURN = r"""
done: {description: "What was done with which unit.", returned: always, type: list}
"""
ARGUMENTS: dict[str, Any] = {
    "units": {"type": "list", "elements": "dict", "required": True, "options": {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["started", "stopped", "restarted", "reloaded"]},
        "enabled": {"type": "bool"}, "masked": {"type": "bool"}}},
    "stays": {"type": "float", "default": 0.0},
}
PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "UnitFileState", "MainPID", "NeedDaemonReload",
              "ActiveEnterTimestampMonotonic")
RUNNING = ("active", "reloading")
AT_BOOT = ("enabled", "static", "generated")
MASKED = ("masked", "masked-runtime")
JOURNAL_LINES = 20
PAUSE_SECONDS = 0.1


class Systemd:
    """What systemd says of units and does with them; in check mode it only says."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._program = module.get_bin_path("systemctl", required=True)
        self.done: list[str] = []

    def ask(self, unit: str) -> dict[str, str]:
        """The properties of a unit."""
        _, out, _ = self._module.run_command([self._program, "show", f"--property={','.join(PROPERTIES)}", "--", unit], check_rc=True)
        return {"LoadState": "not-found", **dict(line.split("=", 1) for line in out.splitlines() if "=" in line)}

    def reload(self) -> None:
        """Read the files of all units again. Nothing of the host is another one then."""
        if not self._module.check_mode:
            self._module.run_command([self._program, "daemon-reload"], check_rc=True)

    def do(self, verb: str, unit: str) -> None:
        """A verb of systemctl; it ends when systemd has done it."""
        self.done.append(f"{verb} {unit}")
        if self._module.check_mode:
            return
        code, out, err = self._module.run_command([self._program, verb, "--", unit])
        if code:
            words = " ".join((err.strip() or out.strip()).split("\n"))
            self._module.fail_json(msg=f"{unit}: systemctl {verb} failed: {words}{self.journal(unit)}", done=self.done)

    def journal(self, unit: str) -> str:
        """The last lines of a unit, with a heading; empty where there are none."""
        _, out, _ = self._module.run_command(["journalctl", "-u", unit, "-n", str(JOURNAL_LINES), "--no-pager", "-o", "cat", "--quiet"])
        return f"\nlast lines of {unit}:\n{out.strip()}" if out.strip() else ""

    def stays(self, unit: str, seconds: float) -> None:
        """Wait until the unit has been up that long with one process."""
        first = now = self.ask(unit)
        while now["ActiveState"] in RUNNING and now["MainPID"] == first["MainPID"] and up(now) < seconds:
            time.sleep(PAUSE_SECONDS)
            now = self.ask(unit)
        if now["ActiveState"] not in RUNNING or now["MainPID"] != first["MainPID"]:
            state = f"{now['ActiveState']} ({now['SubState']}{'' if now['Result'] == 'success' else ', ' + now['Result']})"
            process = "" if now["MainPID"] == first["MainPID"] else f", process {now['MainPID']} instead of {first['MainPID']}"
            self._module.fail_json(msg=f"{unit}: it was started and does not stay up: {state}{process}{self.journal(unit)}", done=self.done)


def runs(unit: dict[str, Any]) -> bool:
    """Whether it is wanted that the unit runs, now or from the next boot on."""
    return bool(unit["enabled"] or unit["state"] not in (None, "stopped"))


def up(said: dict[str, str]) -> float:
    """Since how many seconds a unit is active."""
    return time.monotonic() - int(said["ActiveEnterTimestampMonotonic"] or 0) / 1e6


def settle(systemd: Systemd, unit: dict[str, Any], said: dict[str, str]) -> None:
    """Do with one unit what is wanted and not so."""
    name, state, masked = unit["name"], unit["state"], said["LoadState"] == "masked" or said["UnitFileState"] in MASKED
    there = said["LoadState"] != "not-found"
    if unit["masked"] is not None and unit["masked"] != masked:
        systemd.do("mask" if unit["masked"] else "unmask", name)
        if not unit["masked"] and (again := systemd.ask(name))["LoadState"] not in ("masked", "not-found"):
            said = again
    if state == "stopped" and (said["ActiveState"] in (*RUNNING, "activating")):
        systemd.do("stop", name)
    if unit["enabled"] is not None and unit["enabled"] != (said["UnitFileState"] in AT_BOOT) and (there or unit["enabled"]):
        systemd.do("enable" if unit["enabled"] else "disable", name)
    runs = said["ActiveState"] in RUNNING
    if state == "restarted":
        systemd.do("restart", name)
    elif state == "reloaded" and runs:
        systemd.do("reload", name)
    elif state in ("started", "reloaded") and not runs:
        systemd.do("start", name)


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    systemd, units = Systemd(module), module.params["units"]
    for unit in units:
        unit["name"] += "" if "." in unit["name"] else ".service"
    said = {unit["name"]: systemd.ask(unit["name"]) for unit in units}
    # Systemd does not notice a file in /etc that takes the place of one in /lib, nor the first drop-in of a unit (issues 4500, 31752).
    begins = [unit["name"] for unit in units if runs(unit) and (now := said[unit["name"]])["ActiveState"] not in RUNNING
              and (unit["state"] or now["LoadState"] == "not-found")]
    if begins or any(each["NeedDaemonReload"] == "yes" for each in said.values()):
        systemd.reload()
        said = {name: systemd.ask(name) for name in said}
    for unit in units:
        if runs(unit) and said[unit["name"]]["LoadState"] == "not-found" and not module.check_mode:
            module.fail_json(msg=f"{unit['name']}: systemd knows no such unit", done=systemd.done)
        settle(systemd, unit, said[unit["name"]])
    if module.params["stays"] and not module.check_mode:
        for unit in units:
            if unit["state"] not in (None, "stopped"):
                systemd.stays(unit["name"], module.params["stays"])
    module.exit_json(changed=bool(systemd.done), done=systemd.done)


if __name__ == "__main__":
    main()
