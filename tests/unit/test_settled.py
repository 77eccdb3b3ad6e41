"""A leader that has just been elected is waited for before what it lists is believed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import StepFailed, UnreachableError
from provisioner.hosts.openssh import Completed
from provisioner.hosts.process import run_bounded
from provisioner.inventory.starter import write_inventory
from provisioner.observe import observation, wait
from provisioner.observe.observation import HostObservation, Observation
from provisioner.run import settled
from provisioner.run.engine import Result
from provisioner.run.settled import await_settled
from provisioner.verbs import status
from provisioner.verbs.restart import Options
from provisioner.verbs.restart import work as restarting
from provisioner_lab.testing import Call, FakeTransport, probed
from tests.unit.builders import facts


def led(host: str, seconds: float, framework: str = "registered", state: str = "ok", registered: float = 7.5) -> Observation:
    facts = {"framework": framework, "registered_seconds": seconds, "registered": registered}
    leads = {"state": state, "leader": True, "detail": "leads, says it", "facts": facts}
    follows = {"state": "ok", "leader": False, "detail": "follows", "facts": {}}
    return Observation({h: HostObservation(True, health={"marathon": leads if h == host else follows}) for h in ("m1", "m2", "m3")})


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Context, list[Observation]]]:
    """A context, and what is seen, one look after another; the last one stays."""
    looks: list[Observation] = []
    clock = [0.0]
    fake = SimpleNamespace(monotonic=lambda: clock[0], sleep=lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    monkeypatch.setattr(wait, "time", fake)
    monkeypatch.setattr(settled, "observe", lambda *_, **__: looks.pop(0) if len(looks) > 1 else looks[0])
    yield Context(write_inventory(tmp_path)), looks


def test_a_leader_is_believed_when_mesos_has_known_it_for_some_seconds(context: Any) -> None:
    opened, looks = context
    looks += [led("m1", 100), led("m2", 0.5), led("m2", 4), led("m2", 11), led("m2", 12)]
    assert await_settled(opened, ["marathon"]) == {"marathon": ("m1", 7.5)}
    assert await_settled(opened, ["marathon"]) == {"marathon": ("m2", 7.5)}
    assert len(looks) == 1, "it waited until the new leader had led for ten seconds"
    assert await_settled(opened, []) == {}


@pytest.mark.parametrize("seen", [led("m2", 100, "missing", "down"), led("", 0)])
def test_without_such_a_leader_the_reason_is_given(context: Any, seen: Observation) -> None:
    opened, looks = context
    looks.append(seen)
    with pytest.raises(StepFailed, match=r"Marathon has no leader that Mesos has known for some seconds.*: m[12] (leads|follows)"):
        await_settled(opened, ["marathon"])


def test_a_removed_framework_is_not_waited_for(context: Any) -> None:
    opened, looks = context
    looks += [led("m2", 0, "removed", "down"), led("m2", 100)]
    with pytest.raises(StepFailed, match="Mesos has removed the framework") as error:
        await_settled(opened, ["marathon"])
    assert "provision repair marathon" in error.value.hint
    assert len(looks) == 1, "it waited"


def asked(context: Context, monkeypatch: pytest.MonkeyPatch) -> tuple[Context, set[str]]:
    """The same cluster, all of whose hosts but two agents answer, and the hosts that are asked."""
    hosts: set[str] = set()

    def host(call: Call) -> Completed:
        hosts.add(call.host)
        leads = {"state": "ok", "leader": call.host == "m1", "detail": "leads", "version": "1", "stand_in": False,
                 "facts": {"framework": "registered", "registered_seconds": 100, "registered": 7.5} if call.host == "m1" else {}}
        return probed(facts=facts(), health=dict.fromkeys(call.request["health"], leads))

    monkeypatch.undo()
    transport = FakeTransport({h.name: UnreachableError("no route") if h.name in ("a1", "a2") else host for h in context.cluster.hosts})
    return Context(context.path, transport=transport), hosts


def test_whoever_asks_schedulers_does_not_wait_for_hosts_that_run_none(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at a silent host costs the time-out of its connection, up to six of them in a minute."""
    opened, hosts = asked(context[0], monkeypatch)
    assert await_settled(opened, ["marathon"]) == {"marathon": ("m1", 7.5)}
    assert hosts == {"m1", "m2", "m3"}
    assert {call.host for call in opened.transport.calls} == hosts  # type: ignore[attr-defined]


def test_a_restart_asks_only_the_hosts_of_what_is_restarted(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, hosts = asked(context[0], monkeypatch)
    monkeypatch.setattr(restarting, "locked", lambda *_, **__: nullcontext())
    monkeypatch.setattr(restarting, "execute", lambda _, __, plan, *___, **____: Result("c", changed=len(plan.steps)))
    assert restarting.run_restart(opened, Console(), Options("zookeeper", limit="m2", yes=True)).changed == 1
    assert {call.host for call in opened.transport.calls} == hosts == {"m1", "m2", "m3"}  # type: ignore[attr-defined]


def test_status_gives_up_a_host_that_hangs_some_seconds_after_the_others(
        context: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With its connection open it would have cost the whole time-out of a probe, half a minute."""
    opened, _ = asked(context[0], monkeypatch)

    def hangs(_: Call) -> Completed:
        run_bounded(["sleep", "60"], b"", {}, timeout=60, limit=100)
        raise UnreachableError("it was ended")

    opened.transport.behaviour["a1"] = hangs  # type: ignore[attr-defined]
    monkeypatch.setattr(observation, "PATIENCE_SECONDS", 0.5)
    began = time.monotonic()
    status.run(opened, Console(), status.Options())
    assert re.search("a1 is unreachable: no answer [0-9.]+ s after the others", capsys.readouterr().out)
    assert time.monotonic() - began < 30
