"""Public fakes: hosts that exist only in a test."""

from __future__ import annotations

import bz2
import json
import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.cluster.model import Host
from provisioner.hosts.openssh import Completed
from provisioner.probe.main import VERSION


@dataclass(frozen=True)
class Call:
    """One command that a host was asked to run."""

    host: str
    command: str
    stdin: bytes
    become: bool

    @property
    def request(self) -> dict[str, Any]:
        """The probe request that it carries; empty for any other command."""
        return sent(self.stdin)[1] if "from probe import main" in self.command else {}


def sent(stdin: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    """What the stdin of a probe carries: the sources of its modules by name, and the request."""
    sources, request = json.loads(bz2.decompress(stdin))
    return sources, request


#: What a host does when it is asked: answer, raise, or decide by the call.
Behaviour = Completed | Exception | Callable[[Call], Completed]


@dataclass
class FakeTransport:
    """A Transport whose hosts do what the test says. `calls` is everything that was asked, in order.

    A host without behaviour ends every command well and says nothing.
    """

    behaviour: Mapping[str, Behaviour] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def run(self, host: Host, command: str, stdin: bytes = b"", *, become: bool = False, timeout: float = 60.0,
            line: Callable[[bytes], None] | None = None) -> Completed:
        """See provisioner.hosts.openssh.Transport."""
        call = Call(host.name, command, stdin, become)
        self.calls.append(call)
        does = self.behaviour.get(host.name, said())
        if isinstance(does, Exception):
            raise does
        done = does if isinstance(does, Completed) else does(call)
        if line:
            for text in (done.stdout + done.stderr).splitlines():
                line(text)
        return done


def said(stdout: str = "", *, code: int = 0, stderr: str = "", seconds: float = 0.0) -> Completed:
    """A command that printed this and ended with that."""
    return Completed(code, stdout.encode(), stderr.encode(), seconds)


def probed(*, facts: Mapping[str, Any] | None = None, preflight: Mapping[str, Any] | None = None,
           health: Mapping[str, Any] | None = None, unsettled: Mapping[str, str] | None = None, errors: Mapping[str, str] | None = None,
           time: float = 0.0) -> Completed:
    """A probe's answer with the given sections; `time` is the host's clock, seconds since the epoch."""
    sections = {"facts": facts, "preflight": preflight, "health": health, "unsettled": unsettled}
    answer = {"version": VERSION, "errors": dict(errors or {}), "time": time, "seconds": 0.0,
              **{name: section for name, section in sections.items() if section is not None}}
    return said(json.dumps(answer))


def host_that_probes(*, facts: Mapping[str, Any], preflight: Mapping[str, Any] | None = None,
                     health: Mapping[str, Any] | None = None) -> Callable[[Call], Completed]:
    """A host with a right clock that answers the probe, and says nothing to any other command."""
    def answer(call: Call) -> Completed:
        if not call.request:
            return said()
        asked = call.request["sections"]
        return probed(
            facts=facts if "facts" in asked else None, preflight=preflight if "preflight" in asked else None,
            health=health if "health" in asked else None, time=clock.time(),
        )

    return answer
