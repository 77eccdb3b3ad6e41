"""Filter of role docker: what a host has to do about its swarm.

The door is the manager that lets others in: the first one in service, else the one that founds the swarm now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Standing = Mapping[str, Any]
CURES = {"locked": "Unlock it with `docker swarm unlock`.", "pending": "See whether a manager is reachable on port 2377."}
#: A host that was not asked how it stands.
NOT_ASKED = {"state": "absent", "error": "", "manager": False, "node": ""}
LEAVE = "Leave with `docker swarm leave --force` and run again."


def swarm(asked: Sequence[Mapping[str, Any]], here: Standing, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """How the swarm stands, seen from one host.

    `asked` are the results of docker_swarm_info on the managers, one for each in a loop over them (without a state who did not answer);
    `here` is that of this host, without a state where it was not asked. `wanted` says `managers` ([{name, address}], the founder first),
    `host` and `address` (of this one), `playing` (the hosts of this run), `network`, `subnet`, `mtu`
    and `encrypted` (of the overlay).

    Gives: door {name, address}; exists; manages and founds (whether this host is to); drained (whether it runs no services);
    ticketed (ids of members whose tickets would still let others in);
    former (ids under which the swarm knew this host before); other (another manager in service, "" for none); network (whether the
    overlay is there); problems (sentences).
    """
    # Ansible reads to whom a task is delegated also when the task is skipped, as it is in a preview and where no swarm is wanted.
    here = here if "state" in here else NOT_ASKED
    managers = wanted["managers"]
    answered = [{**result, "name": result["item"]["name"]} for result in asked if "state" in result]
    doors = [standing for standing in answered if standing["manager"]]
    founder = managers[0] if managers else {"name": "", "address": ""}  # a host that only leaves need not know who founded it
    door = doors[0] if doors else {"name": founder["name"], "nodes": [], "joined": [], "networks": {}}
    # A manager whose engine is down may be one of a swarm that exists.
    sure = {standing["name"] for standing in answered if standing["state"] != "stopped"}
    silent = [m["name"] for m in managers if m["name"] not in sure]
    found = {
        "door": next((m for m in managers if m["name"] == door["name"]), founder),
        "exists": bool(doors),
        "manages": wanted["address"] in [m["address"] for m in managers],
        "founds": not doors and founder["address"] == wanted["address"] and here["state"] == "inactive",
        "drained": here["node"] in [node["id"] for node in door["nodes"] if node["availability"] == "drain"],
        "ticketed": [node["id"] for node in door["nodes"] if node["id"] not in door["joined"]],
        "former": [node["id"] for node in door["nodes"] if node["address"] == wanted["address"] and node["state"] == "down"],
        "other": next((standing["name"] for standing in doors if standing["name"] != wanted["host"]), ""),
        "network": wanted["network"] in door["networks"],
    }
    problems = [*_membership(here, door, bool(doors)), *_founding(bool(doors), silent, founder["name"], wanted["playing"]),
                *_network(door["networks"], wanted["network"], wanted["subnet"], wanted["mtu"], wanted["encrypted"])]
    return {**found, "problems": problems}


def _membership(here: Standing, door: Standing, exists: bool) -> list[str]:
    state = here["state"]
    if state not in ("active", "inactive"):
        return [f"This host is in a swarm, but not in working order ({state}): {here['error']} {CURES.get(state, LEAVE)}"]
    if exists and state == "active" and here["node"] not in [node["id"] for node in door["nodes"]]:
        return [f"This host is in another swarm than that of {door['name']}: leave it with `docker swarm leave --force` and run again."]
    return []


def _founding(exists: bool, silent: Sequence[str], founder: str, playing: Sequence[str]) -> list[str]:
    if exists:
        return []
    if silent:
        return [f"No manager of the swarm is in service, and {', '.join(silent)} did not answer, so founding a new one could make two: "
                "bring it back, or take it out of the managers."]
    if founder not in playing:
        return [f"No swarm exists, and {founder}, which would found it, is not part of this run: run it there first."]
    return []


def _network(networks: Mapping[str, Mapping[str, Any]], name: str, subnet: str, mtu: int, encrypted: bool) -> list[str]:
    now = networks.get(name, {"subnets": [subnet], "attachable": True, "mtu": mtu, "encrypted": encrypted})
    other = f"The network {name} exists with"
    cure = "A network cannot be changed: choose another docker_overlay_network, or end the containers in it and remove it, and run again."
    problems = []
    if now["subnets"] != [subnet] or not now["attachable"]:
        problems.append(f"{other} other addresses ({', '.join(map(str, now['subnets']))}) or cannot be joined. {cure}")
    if now["mtu"] != mtu:
        has = now["mtu"] or "Docker's"
        problems.append(f"{other} another MTU ({has}) than docker_overlay_mtu ({mtu}). {cure}")
    if now["encrypted"] != encrypted:
        problems.append(f"{other}{'' if now['encrypted'] else 'out'} encryption, unlike docker_overlay_encrypted. {cure}")
    return problems


class FilterModule:
    """The names under which templates find the functions above."""

    def filters(self) -> dict[str, Any]:
        """Ansible's way to ask."""
        return {"swarm": swarm}
