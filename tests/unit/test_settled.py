"""A leader that has just been elected is waited for before what it lists is believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.context import Context
from provisioner.errors import StepFailed
from provisioner.inventory.starter import write_inventory
from provisioner.observe import wait
from provisioner.observe.observation import HostObservation, Observation
from provisioner.run import settled
from provisioner.run.settled import await_settled


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
