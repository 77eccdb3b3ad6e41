"""Sends calls to hosts: what is asked of `remote_agent.py`, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.cluster.model import Host
from provisioner.hosts.openssh import Transport

#: What a call itself may take, and what its journey may add.
ERRAND_SECONDS = 10.0
JOURNEY_SECONDS = 20.0


class BrokenLink(Exception):
    """A link of the chain does not hold; `link` names it, the text says why."""

    def __init__(self, link: str, why: str) -> None:
        super().__init__(why)
        self.link = link


@dataclass(frozen=True)
class Reply:
    """An HTTP answer as a host got it; status 0 means that there was none, then `body` says why."""

    status: int
    body: str

    @property
    def ok(self) -> bool:
        """A 2xx answer."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as data; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def __str__(self) -> str:
        text = " ".join(self.body.split())[:300]
        return f"{self.status} {text}".strip() if self.status else text


class RemoteCalls:
    """Runs calls on hosts as root. Raises UnreachableError like the transport, BrokenLink when a host has no Python."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._source = (Path(__file__).parent / "remote_agent.py").read_text()

    def http(self, host: Host, method: str, server: str, path: str, body: object = None, *, name: str = "",
             credentials: str = "") -> Reply:
        """One HTTP request from a host, with the credentials that it has for the component of that name."""
        said = self.send(host, "http", method=method, server=server, path=path, body=body, name=name, credentials=credentials,
                         timeout=ERRAND_SECONDS)
        return Reply(0, str(said["error"])) if "error" in said else Reply(int(said["status"]), str(said["body"]))

    def get(self, host: Host, server: str, path: str, *, credentials: str = "") -> Reply:
        """GET from a host."""
        return self.http(host, "GET", server, path, credentials=credentials)

    def run(self, host: Host, *command: str, timeout: float = 60.0) -> tuple[int, str]:
        """Exit code and output of a program on a host; 127 when it can't be started or does not end in time."""
        said = self.send(host, "run", command=command, timeout=timeout)
        return (127, str(said["error"])) if "error" in said else (int(said["code"]), str(said["output"]))

    def send(self, host: Host, call: str, **request: Any) -> Mapping[str, Any]:
        """Any call by its name in `remote_agent.CALLS`."""
        text = json.dumps({"call": call, **request})
        program = f"{self._source}\nmain(json.loads({text!r}))\n"
        timeout = float(request.get("timeout", ERRAND_SECONDS)) + JOURNEY_SECONDS
        python = str(host.variables.get("ansible_python_interpreter") or "python3")
        done = self._transport.run(host, f"{python} -IS -", program.encode(), become=True, timeout=timeout)
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            said = " ".join(done.stderr.decode(errors="replace").split())[-300:]
            raise BrokenLink(f"Python on {host.name}", f"a call ended with {done.code}: {said}") from None
        return answer if isinstance(answer, dict) else {"error": "the host answered no object"}
