"""What an operator reads at a glance."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console as Terminal

from provisioner.cluster.model import Cluster
from provisioner.components import COMPONENTS
from provisioner.observe.observation import HostObservation, Observation
from provisioner.observe.overview import Overview, overview, worst
from provisioner.observe.status import Status, summarize
from provisioner.verbs.status.drawing import Drawn
from tests.unit.builders import agents, cluster, masters

MANY: Cluster = cluster(*masters(), *agents(28))
#: The components that it has.
THERE = [c.name for c in COMPONENTS if MANY.members(c.name)]
#: Of one answer: host, component, and what differs from a healthy one.
Change = tuple[str, str, dict[str, Any]]


def seen(*changes: Change, of: Cluster = MANY, silent: dict[str, str] | None = None, hint: str = "") -> Status:
    """The status of a cluster in which m1 leads everything, with these changes; those that are silent say why."""
    answers: dict[str, dict[str, dict[str, Any]]] = {
        h.name: {c.name: {"state": "ok", "leader": h.name == "m1" and c.election is not None, "version": "1", "stand_in": False,
                          "detail": "leads" if h.name == "m1" else "fine", "facts": {}}
                 for c in COMPONENTS if c.name in h.groups} for h in of.hosts}
    for host, component, change in changes:
        answers[host][component].update(change)
    lost = silent or {}
    return summarize(of, Observation({h.name: HostObservation(False, lost[h.name], hint=hint) if h.name in lost
                                      else HostObservation(True, health=answers[h.name]) for h in of.hosts}))


def line(found: Overview, component: str) -> tuple[str, str, str, str]:
    return next((each.state, each.leader, each.members, each.version) for each in found.lines if each.component == component)


def drawn(found: Overview, width: int = 120, **how: Any) -> str:
    written, encoding = io.BytesIO(), how.pop("encoding", "utf-8")
    out = io.TextIOWrapper(written, encoding=encoding, write_through=True)
    Terminal(file=out, width=width, highlight=False, **how).print(Drawn(found))
    return written.getvalue().decode(encoding)


def test_a_healthy_cluster_is_a_headline_and_a_line_for_each_component() -> None:
    found = overview(seen())
    assert (found.headline, found.troubles, found.hidden) == ("test: healthy, 31 hosts, 13 components", (), 0)
    assert [each.component for each in found.lines] == THERE
    assert line(found, "zookeeper") == ("ok", "m1", "m1..m3", "1")
    assert line(found, "mesos_agent") == ("ok", "", "a1..a28", "1")
    assert len(drawn(found).splitlines()) == len(THERE) + 3


def test_who_is_not_like_the_others_is_named() -> None:
    found = overview(seen(("a7", "mesos_agent", {"state": "down", "detail": "does not answer"}),
                          ("a9", "mesos_agent", {"state": "degraded", "detail": "is deactivated"}),
                          ("a3", "kernel", {"version": "0.9"}), ("a2", "registrator", {"version": "1", "stand_in": True})))
    assert line(found, "mesos_agent") == ("degraded", "", "26 ok; a9 degraded; a7 down", "1")
    assert line(found, "kernel")[3] == "1; 0.9 on a3"
    assert line(found, "registrator")[3] == "1; 1 (stand-in) on a2"
    assert found.headline == "test: NOT healthy, 2 of 31 hosts and 1 of 13 components affected"
    assert [(t.state, t.text) for t in found.troubles] == [("down", "Mesos agent is down on a7: does not answer"),
                                                           ("degraded", "Mesos agent is degraded on a9: is deactivated")]
    assert found.troubles[0].hint == "'provision plan --only mesos_agent' shows what 'up' would do about it" and not found.troubles[1].hint


def test_hosts_that_are_lost_for_one_reason_are_one_trouble_and_say_what_to_do() -> None:
    silent = {f"a{n}": f"nothing listens on port 22 of 192.0.2.{100 + n}" for n in range(4, 9)}
    found = overview(seen(silent=silent, hint="start sshd there"))
    assert [(t.state, t.text, t.hint) for t in found.troubles] == [
        ("down", "a4 is unreachable: nothing listens on port 22 of 192.0.2.104; the same with a5..a8", "start sshd there")]
    assert "→ start sshd there" in drawn(found)
    assert line(found, "docker")[:3] == ("degraded", "", "26 ok; a4..a8 down")
    assert line(found, "mesos_agent")[2] == "a1..a3, a9..a28 ok; a4..a8 down"


def test_a_cause_stands_before_what_comes_of_it() -> None:
    gone = "the unit zookeeper is stopped (dead)"
    found = overview(seen(*((host, "zookeeper", {"state": "down", "leader": False, "detail": gone}) for host in ("m2", "m3")),
                          ("m1", "marathon", {"state": "down", "detail": "leads, but no framework"}), silent={"a1": "no route"}))
    assert [t.text for t in found.troubles] == [
        "a1 is unreachable: no route", "ZooKeeper has lost its quorum: 1 of 3 members serve (m2, m3 down)",
        f"ZooKeeper is down on m2, m3: {gone}", "Marathon is degraded: 2 of 3 members serve (m1 down)",
        "Marathon on m1 leads, but no framework"], "nothing is said twice"
    assert line(found, "zookeeper")[:3] == ("down", "m1", "m1 ok; m2, m3 down")
    assert line(found, "marathon")[:2] == ("down", "")


def test_what_members_do_is_said_once_and_numbers_do_not_count() -> None:
    forwards = [(f"a{n}", "logstash", {"detail": f"forwards to 192.0.2.{n}:6514"}) for n in range(1, 28)]
    servers = [(f"m{n}", "logstash", {"detail": "collects"}) for n in range(1, 4)]
    lines = overview(seen(*forwards, *servers, ("a28", "logstash", {"detail": "is drained"}),
                          ("a3", "mesos_agent", {"detail": "is drained"}))).lines
    found = {each.component: each.detail for each in lines}
    assert found["logstash"] == "forwards to …; collects (m1..m3); is drained (a28)"
    assert found["mesos_agent"] == "fine; is drained (a3)"
    assert found["zookeeper"] == "leads"


def test_only_what_was_chosen_is_shown_and_the_headline_speaks_of_all() -> None:
    status = seen(("m3", "zookeeper", {"state": "down"}), ("a2", "docker", {"state": "down"}), silent={"a1": "no route"})
    found = overview(status, status.only(["docker"], []))
    assert [each.component for each in found.lines] == ["docker"]
    assert [t.text for t in found.troubles] == ["a1 is unreachable: no route", "Docker is down on a2: fine"]
    assert found.headline == overview(status).headline and not found.healthy
    assert "2 problems of what is not shown: 'provision status' has all" in drawn(found)
    assert [t.text for t in overview(status, status.only([], ["m1", "m3"])).troubles] == [
        "ZooKeeper is degraded: 2 of 3 members serve (m3 down)", "ZooKeeper is down on m3: fine"]
    assert overview(status, status.only([], ["a5"])).troubles == ()
    assert status.only([], []) == status


def test_it_reads_without_colour_and_in_old_encodings() -> None:
    found = overview(seen(("a7", "dns", {"state": "down", "detail": "läuft nicht …"}), ("a9", "dns", {"state": "degraded"})))
    plain = drawn(found)
    assert "✗ down" in plain and "! degraded" in plain and "✓ ok" in plain and "\x1b" not in plain
    old = drawn(found, encoding="ascii")
    assert "x down" in old and "+ ok" in old and "-> 'provision plan --only dns'" in old and "l\\xe4uft nicht ..." in old
    assert "\x1b[" in drawn(found, force_terminal=True, color_system="standard")


def test_hostile_words_are_text() -> None:
    found = overview(seen(("a7", "dns", {"state": "down", "detail": "[red]not [/] markup[link=x]"})))
    assert "[red]not [/] markup[link=x]" in drawn(found)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_name_is_cut_whatever_the_width(width: int) -> None:
    found = overview(seen(("a7", "dns", {"state": "down", "detail": "x" * 300})))
    text = drawn(found, width)
    assert text.count("x") >= 300 and max(map(len, text.splitlines())) <= width
    assert width < 80 or text.count("a1..a28") > 3


def test_a_line_stays_one_line_on_a_narrow_terminal() -> None:
    forwards = [(f"a{n}", "logstash", {"detail": f"forwards to the server at 192.0.2.{n}:6514 and nobody else"}) for n in range(1, 29)]
    found = overview(seen(*forwards))
    narrow, wide = drawn(found, 80), drawn(found, 132)
    assert len(narrow.splitlines()) == len(THERE) + 3 and "forwards" not in narrow and "forwards to the server at …" in wide


def test_agents_that_are_drained_as_asked_for_are_worth_a_note_and_no_trouble() -> None:
    drained = {"detail": "is drained, as asked for", "facts": {"deactivated": True}}
    status = seen(*((f"a{n}", "mesos_agent", drained) for n in (3, 4, 5)), ("a9", "mesos_agent", {**drained, "state": "degraded"}))
    found = overview(status)
    assert [(n.state, n.text, n.hint) for n in found.notes] == [
        ("ok", "a3..a5: drained, as asked for", "'provision undrain' lets a host take work again")]
    assert "✓ ok       a3..a5: drained, as asked for" in drawn(found)
    assert [t.text for t in found.troubles] == ["Mesos agent is degraded on a9: is drained, as asked for"]
    assert overview(seen(("a3", "mesos_agent", drained))).healthy
    assert not status.only(["dns"], []).notes and not status.only([], ["a1"]).notes and status.only([], ["a4"]).notes


def test_the_worst_of_nothing_is_well() -> None:
    assert (worst([]), worst(["ok", "down", "degraded"]), worst(["degraded", "ok"])) == ("ok", "down", "degraded")
