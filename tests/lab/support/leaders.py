"""Who leads, asked all the time: how often that changes is what a roll costs, and one change per component is the least."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from provisioner_lab.services import FromHere
from tests.lab.support.schedulers import CHRONOS_PORT, MARATHON_PORT

PAUSE_SECONDS = 0.5
TIMEOUT_SECONDS = 2.0
#: Address and secrets of the cluster; whom the member names.
Ask = Callable[[str, Mapping[str, Any]], str]


def _mesos(address: str, _secrets: Mapping[str, Any]) -> str:
    connection = http.client.HTTPConnection(address, 5050, timeout=TIMEOUT_SECONDS)
    connection.request("GET", "/redirect")
    return (connection.getresponse().getheader("Location") or "").strip("/").partition(":")[0]


def _framework(name: str, port: int, path: str) -> Ask:
    def ask(address: str, secrets: Mapping[str, Any]) -> str:
        connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_SECONDS)
        connection.request("GET", path, headers=FromHere(secrets).headers(name))
        return str(json.loads(connection.getresponse().read()).get("leader", "")).partition(":")[0]

    return ask


def _zookeeper(server: str, _secrets: Mapping[str, Any]) -> str:
    """Only the leader says who leads. By the server that leads to it from here."""
    address, _, port = server.rpartition(":")
    with socket.create_connection((address, int(port)), TIMEOUT_SECONDS) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.sendall(b"srvr")
        said = b"".join(iter(lambda: connection.recv(4096), b""))
    return server if b"Mode: leader" in said else ""


#: How a member is asked whom it believes to lead, by component.
ASK: dict[str, Ask] = {
    "zookeeper": _zookeeper, "mesos_master": _mesos,
    "marathon": _framework("marathon", MARATHON_PORT, "/v2/leader"), "chronos": _framework("chronos", CHRONOS_PORT, "/v1/scheduler/leader"),
}


class Leaders:
    """While it lasts, the leaders are noted in turn; a context manager. `members(group)` gives addresses by host name, `zookeepers` are
    servers for this machine, with ',' between.
    """

    def __init__(self, members: Callable[[str], dict[str, str]], zookeepers: str, secrets: Mapping[str, Any]) -> None:
        self._secrets = secrets
        self._addresses = {component: list(members(component).values()) for component in ASK} | {"zookeeper": zookeepers.split(",")}
        self._seen: dict[str, list[str]] = {component: [] for component in ASK}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join(30)

    def changes(self) -> dict[str, int]:
        """How often each component's leader changed."""
        return {component: len(seen) - 1 for component, seen in self._seen.items() if seen}

    def _watch(self) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            for component, addresses in self._addresses.items():
                leader = agreed(_answers(ASK[component], addresses, self._secrets))
                if leader and self._seen[component][-1:] != [leader]:
                    self._seen[component].append(leader)


def _answers(ask: Ask, addresses: Iterable[str], secrets: Mapping[str, Any]) -> list[str]:
    found = []
    for address in addresses:
        try:
            found.append(ask(address, secrets))
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            continue
    return found


def agreed(answers: list[str]) -> str:
    """Whom all that answered name; '' while they disagree: then a change is on its way."""
    named = {answer for answer in answers if answer}
    return named.pop() if len(named) == 1 else ""
