"""The maintenance schedule and machines that are down (contract item 23)."""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING, Any

from mesos_standin.master.draining import Refused
from mesos_standin.master.state import Json

if TYPE_CHECKING:
    from mesos_standin.master.leader import Leader

_SHUTDOWN = "Operator initiated 'Machine DOWN'"


def _name(machine: Json) -> str:
    """A machine id as messages show it and as the registry's key."""
    return json.dumps({key: machine[key] for key in ("hostname", "ip") if machine.get(key)}, separators=(",", ":"))


class Maintenance:
    """Reads and changes the registry's schedule and machine modes."""

    def __init__(self, leader: Leader) -> None:
        self._leader = leader

    @property
    def _registry(self) -> Json:
        return self._leader.registrar.value

    def schedule(self) -> Json:
        """The schedule; {} when empty."""
        schedule: Json = self._registry.get("schedule", {})
        return schedule if schedule.get("windows") else {}

    def status(self) -> Json:
        """Machines that drain (scheduled) or are down; {} when there is none."""
        machines = list(self._registry.get("machines", {}).values())
        draining = [{"id": row["id"]} for row in machines if row["mode"] == "DRAINING"]
        down = [row["id"] for row in machines if row["mode"] == "DOWN"]
        shown: Json = {"draining_machines": draining} if draining else {}
        return {**shown, "down_machines": down} if down else shown

    def is_down(self, machine: Json) -> bool:
        """Whether agents on this machine are sent away."""
        row = self._registry["machines"].get(_name(machine))
        return bool(row and row["mode"] == "DOWN")

    def unavailability(self, machine: Json) -> Json | None:
        """When a scheduled machine will be away; offers carry it."""
        for window in self.schedule().get("windows", []):
            if _name(machine) in map(_name, window["machine_ids"]):
                unavailability: Json = window["unavailability"]
                return unavailability
        return None

    async def replace_schedule(self, schedule: Any) -> None:
        """Replaces the whole schedule; Refused with the recorded texts when it is not valid."""
        windows = _validated(schedule)
        scheduled = {_name(machine): machine for window in windows for machine in window["machine_ids"]}
        for name, row in self._registry["machines"].items():
            if row["mode"] == "DOWN" and name not in scheduled:
                raise Refused(400, f"Machine '{name}' is deactivated and cannot be removed from the schedule")

        def change(registry: Json) -> None:
            registry["schedule"] = {"windows": windows} if windows else {}
            kept = {name: row for name, row in registry["machines"].items() if row["mode"] == "DOWN"}
            draining = {name: {"id": machine, "mode": "DRAINING"} for name, machine in scheduled.items()}
            registry["machines"] = {**draining, **kept}

        await self._leader.write(change, "Failed to update maintenance schedule in the registry")
        offers = [offer for agent in self._leader.state.agents.values() for offer in agent.offers.values()]
        self._leader.allocator.rescind(offers)

    async def down(self, machines: Any) -> None:
        """Takes scheduled machines down: their agents are removed and told to end."""
        names = self._checked(machines, "DRAINING", "brought down")

        def change(registry: Json) -> None:
            for name in names:
                registry["machines"][name]["mode"] = "DOWN"

        await self._leader.write(change, "Failed to start maintenance in the registry")
        for agent in [a for a in self._leader.state.agents.values() if _name(a.machine) in names]:
            await self._leader.agents.remove(agent, _SHUTDOWN, "TASK_GONE")
            self._leader.agents.shut_down(agent.pid, _SHUTDOWN)

    async def up(self, machines: Any) -> None:
        """Brings machines up again; they leave the schedule."""
        names = self._checked(machines, "DOWN", "brought up")

        def change(registry: Json) -> None:
            windows = []
            for window in registry["schedule"].get("windows", []):
                left = [machine for machine in window["machine_ids"] if _name(machine) not in names]
                windows += [{**window, "machine_ids": left}] if left else []
            registry["schedule"] = {"windows": windows} if windows else {}
            for name in names:
                registry["machines"].pop(name)

        await self._leader.write(change, "Failed to stop maintenance in the registry")

    def _checked(self, machines: Any, mode: str, verb: str) -> list[str]:
        if not isinstance(machines, list):
            raise Refused(400, "Unexpected JSON type parsed")
        if not machines:
            raise Refused(400, "List of machines is empty")
        names = _machine_names(machines)
        scheduled = self._registry["machines"]
        known = {*scheduled, *(_name(agent.machine) for agent in self._leader.state.agents.values())}
        for name in names:
            if name not in known:
                raise Refused(400, f"Machine '{name}' is not part of a maintenance schedule")
            if scheduled.get(name, {}).get("mode") != mode:
                raise Refused(400, f"Machine '{name}' is not in {mode} mode and cannot be {verb}")
        return names


def _machine_names(machines: list[Json]) -> list[str]:
    names: list[str] = []
    for machine in machines:
        if not machine.get("hostname") and not machine.get("ip"):
            raise Refused(400, "Both 'hostname' and 'ip' for a machine are empty")
        try:
            ipaddress.IPv4Address(machine.get("ip") or "127.0.0.1")
        except ValueError:
            raise Refused(400, f"Failed to parse IPv4: {machine['ip']}") from None
        names.append(_name(machine))
    return names


def _validated(schedule: Any) -> list[Json]:
    if not isinstance(schedule, dict):
        raise Refused(400, "Unexpected JSON type parsed")
    seen: list[str] = []
    windows: list[Json] = schedule.get("windows", [])
    for number, window in enumerate(windows):
        if "start" not in window.get("unavailability", {}):
            raise Refused(400, f"Missing required fields: windows[{number}].unavailability")
        if not window.get("machine_ids"):
            raise Refused(400, "List of machines in the maintenance window is empty")
        for name in _machine_names(window["machine_ids"]):
            if name in seen:
                raise Refused(400, f"Machine '{name}' appears more than once in the schedule")
            seen.append(name)
    return windows
