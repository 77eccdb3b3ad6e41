"""Asking Mesos as somebody: one answer at a time, or what the masters say of themselves and of their agents."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from tests.lab.support.checkout import eventually


class Unredirected(urllib.request.HTTPRedirectHandler):
    """Shows where an answer points instead of going there."""

    def redirect_request(self, *_: Any) -> None:
        return None


OPENER = urllib.request.build_opener(Unredirected)


def ask(url: str, body: object = None, login: str = "") -> tuple[int, str, str]:
    """Status, Location and text of one answer. `body`: JSON, or a form as text; `login`: principal:secret."""
    headers = {"Content-Type": "application/x-www-form-urlencoded" if isinstance(body, str) else "application/json",
               "Accept": "application/json"}
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    data = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - addresses of the lab
    try:
        with OPENER.open(request, timeout=10) as answer:
            return answer.status, "", answer.read(2_000_000).decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Location", ""), error.read().decode()


class Masters:
    """The masters of a cluster (address by host name), asked as somebody who may look."""

    def __init__(self, addresses: Mapping[str, str], login: str) -> None:
        self.addresses, self.login = addresses, login

    def get(self, host: str, path: str) -> Any:
        """What one of them answers, as data. AssertionError unless it is a 200."""
        status, _, text = ask(f"http://{self.addresses[host]}:5050{path}", login=self.login)
        assert status == 200, f"{path}: {status} {text}"
        return json.loads(text)

    def leader(self) -> str:
        """The host whose master leads, as all of them say; one that has just been started needs some seconds to learn it."""
        named: set[str] = set()

        def agreed() -> bool:
            found = [ask(f"http://{a}:5050/redirect")[1] for a in self.addresses.values()]
            named.clear()
            named.update(where.removeprefix("//").split(":")[0].split("/")[0] for where in found)
            return len(named) == 1 and "" not in named

        eventually("all masters name one leader", 20, agreed)
        (name,) = named
        return next(host for host, address in self.addresses.items() if name in (host, address))

    def state(self) -> Any:
        """The leader's whole state."""
        return self.get(self.leader(), "/state")

    def agents(self) -> dict[str, dict[str, Any]]:
        """What the leading master says of each active agent, by host name."""
        master = self.addresses[self.leader()]
        status, _, text = ask(f"http://{master}:5050/api/v1", {"type": "GET_AGENTS"}, self.login)
        assert status == 200, text
        return {a["agent_info"]["hostname"]: a for a in json.loads(text)["get_agents"]["agents"] if a["active"]}

    def cpus(self, host: str) -> float:
        """How many CPUs the leading master counts for an agent; 0 while it is not registered."""
        rows = self.agents().get(host, {}).get("total_resources", [])
        return sum(float(row["scalar"]["value"]) for row in rows if row["name"] == "cpus")
