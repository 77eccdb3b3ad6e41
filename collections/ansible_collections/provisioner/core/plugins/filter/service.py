"""Filters about the units of the roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def listen_problems(now: Mapping[str, Any], program: str, address: str, port: str = "") -> list[str]:
    """Why the program could not listen on this host, of which `now` tells `absent` and `taken` as the modules do: sentences.

    `address` and `port` are the names of the variables that say where it listens.
    """
    problems = []
    if now["absent"]:
        problems.append(f"This host does not have the address {', '.join(now['absent'])}: correct {address}.")
    if now.get("taken"):
        places = ", ".join(f"{each['port']} of {each['address']}" for each in now["taken"])
        change = f" or change {port}" if port else ""
        problems.append(f"Port {places} is held by another program than {program}: see `ss -lpn`, stop it{change}, run again.")
    return problems


class FilterModule:
    """The names under which templates find the functions above."""

    def filters(self) -> dict[str, Any]:
        """Ansible's way to ask."""
        return {"listen_problems": listen_problems}
