"""Filters about the units of the roles."""

from __future__ import annotations

import base64
import json
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


def moved_problems(now: Mapping[str, Any], unit: str, variable: str) -> list[str]:
    """Why the program of a unit would start without its data, which `now` says was `left` elsewhere: sentences.

    `variable` says where the data is to be.
    """
    return [f"The data of {unit} is in {each['from']}, and there is none in {each['to']}: stop it (systemctl stop {unit}), copy the data "
            f"(mkdir -p {each['to']} && cp -a {each['from']} {each['to']}/) and run again; or set {variable} as it was."
            for each in now.get("left", [])]


def basic_authorization(user: str, password: str) -> dict[str, str]:
    """The HTTP header of a user and a password, as the file of a component's credentials holds it."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def credential_files(credentials: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """The files in which root keeps what it asks services with, by their names, as `provisioner.core.files` takes them."""
    return [{"path": f"/etc/provisioner/credentials/{name}.json", "secret": True,
             "content": json.dumps(basic_authorization(each["user"], each["password"]))} for name, each in credentials.items()]


class FilterModule:
    """The names under which templates find the functions above."""

    def filters(self) -> dict[str, Any]:
        """Ansible's way to ask."""
        return {"basic_authorization": basic_authorization, "credential_files": credential_files,
                "listen_problems": listen_problems, "moved_problems": moved_problems}
