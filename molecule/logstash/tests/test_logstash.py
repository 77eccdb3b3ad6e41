"""Every line reaches Logstash, from the journal and from containers, once, and also when Logstash was away."""

from __future__ import annotations

import functools
import subprocess
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.support.checkout import eventually

#: With it `make test` would take more than 50 minutes.
pytestmark = pytest.mark.nightly
On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
Converge = Callable[..., subprocess.CompletedProcess[str]]
FILES = "/var/log/logstash/cluster/*.log"
#: How long Logstash is away: longer than rsyslog's first attempts to reach it again.
AWAY_SECONDS = 60


def arrived(on: On, members: Members, word: str) -> int:
    """How many lines with this word the collectors have written."""
    return sum(int(on(host).run(f"cat {FILES} 2>/dev/null | grep -c {word}").stdout or 0) for host in members("logstash_server"))


def _any(on: On, members: Members, word: str) -> bool:
    return arrived(on, members, word) >= 1


@pytest.fixture
def word() -> str:
    """Something that no other line holds."""
    return f"scenario-{uuid.uuid4().hex}"


def test_a_line_of_every_hosts_journal_arrives_once(on: On, members: Members, word: str) -> None:
    hosts = members("logstash")
    for host in hosts:
        on(host).check_output(f"logger {word}-{host}-end")
    eventually("a line of every host has arrived", 60, lambda: all(arrived(on, members, f"{word}-{host}-end") for host in hosts))
    assert {host: arrived(on, members, f"{word}-{host}-end") for host in hosts} == dict.fromkeys(hosts, 1)


def test_a_containers_line_arrives_once_with_its_name(on: On, members: Members, variable: Callable[[str, str], Any], word: str) -> None:
    image = f"{variable('a1', 'docker_registry')}/busybox:1.35"
    on("a1").check_output(f"docker run --rm --name {word} {image} echo said-{word}")
    eventually("the container's line has arrived", 60, lambda: arrived(on, members, f"said-{word}") >= 1)
    assert arrived(on, members, f"said-{word}") == 1


@pytest.fixture(scope="module")
def sent_while_away(on: On, members: Members, variable: Callable[[str, str], Any]) -> dict[str, list[int]]:
    """How often each of 21 lines arrived that two hosts wrote while their collectors were away; a2 restarts rsyslog after twenty."""
    word = f"scenario-{uuid.uuid4().hex}"
    targets = {variable(sender, "logstash_target").split(":")[0] for sender in ("a1", "a2")}
    collectors = [host for host, address in members("logstash_server").items() if address in targets]
    for host in collectors:
        on(host).check_output("systemctl stop logstash")
    try:
        for sender in ("a1", "a2"):
            for number in range(20):
                on(sender).check_output(f"logger {word}-{sender}-{number}-end")
        on("a2").check_output("systemctl restart rsyslog")
        time.sleep(AWAY_SECONDS)
        for sender in ("a1", "a2"):
            on(sender).check_output(f"logger {word}-{sender}-20-end")
        assert arrived(on, members, word) == 0
    finally:
        for host in collectors:
            on(host).check_output("systemctl start logstash")
    for sender in ("a1", "a2"):  # the last one written is the last one sent
        last = f"{word}-{sender}-20-end"
        eventually(f"the last line of {sender} has arrived", 180, functools.partial(_any, on, members, last))
    return {sender: [arrived(on, members, f"{word}-{sender}-{number}-end") for number in range(21)] for sender in ("a1", "a2")}


def test_nothing_is_lost_while_logstash_is_away(sent_while_away: dict[str, list[int]]) -> None:
    counts = sent_while_away["a1"]
    assert all(count >= 1 for count in counts), counts
    # One line at the seam may come twice: rsyslog sends again what it has no proof of (see the role's README).
    assert sum(counts) <= 22, counts


def test_a_restart_of_rsyslog_meanwhile_costs_the_line_under_way_at_most(sent_while_away: dict[str, list[int]]) -> None:
    counts = sent_while_away["a2"]
    assert counts.count(0) <= 1, counts
    assert sum(counts) <= 22, counts


def test_what_logstash_says_against_a_pipeline_fails_the_role_and_nothing_stops(on: On, members: Members, converge: Converge) -> None:
    collector = next(iter(members("logstash_server")))
    before = on(collector).check_output("systemctl show -p MainPID --value logstash")
    done = converge("logstash", collector, logstash_extra_filters="no_such_filter { }")
    assert done.returncode != 0
    assert "no_such_filter" in done.stdout, done.stdout[-3000:]
    assert on(collector).check_output("systemctl show -p MainPID --value logstash") == before


def test_a_filter_of_ones_own_takes_effect(on: On, members: Members, converge: Converge, variable: Callable[[str, str], Any],
                                           word: str) -> None:
    collector, address = next(iter(members("logstash_server").items()))
    sender = next(host for host in members("logstash") if variable(host, "logstash_target").split(":")[0] == address)
    mark = f"mark-{word}"
    try:
        done = converge("logstash", collector, logstash_extra_filters='mutate { add_field => { "site" => "' + mark + '" } }')
        assert done.returncode == 0, done.stdout[-3000:]
        on(sender).check_output(f"logger {word}-end")
        eventually("the line has arrived with the new field", 60, lambda: arrived(on, members, f"{word}-end.*{mark}") == 1)
    finally:
        assert converge("logstash", collector).returncode == 0
