"""The look as a whole: what is sent to which host, and what becomes of the answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from provisioner.cluster.facts import to_ansible_facts
from provisioner.errors import UnreachableError
from provisioner.hosts.openssh import SshError
from provisioner.observe.preflight import Report, preflight
from provisioner_lab.testing import Behaviour, Call, FakeTransport, host_that_probes, probed, said
from tests.unit.builders import facts, found, reachable, rendered

GROUPS = frozenset({"common", "repos", "kernel", "zookeeper"})
MIRROR = "http://mirror"


def host(number: int, **found_changes: Any) -> Behaviour:
    own = facts(hostname=f"m{number}", machine_id=f"{number:032x}", addresses=[f"10.0.0.{number}"])
    return host_that_probes(facts=own, preflight=found(**found_changes))


def look(tmp_path: Path, hosts: dict[str, Behaviour], **shared: Any) -> tuple[Report, FakeTransport]:
    of = reachable(tmp_path, *hosts, groups=GROUPS, cluster_mirror=MIRROR)
    transport = FakeTransport(hosts)
    return preflight(of, rendered(of, lambda host: {"common_address": host.address}, **shared), transport), transport


def problems(report: Report) -> list[tuple[str, str, str]]:
    return [(f.severity, f.host, f.check) for f in report.findings if f.severity != "ok"]


def test_a_fit_fleet(tmp_path: Path) -> None:
    report, transport = look(tmp_path, {"m1": host(1), "m2": host(2), "m3": host(3)})
    assert problems(report) == []
    assert (report.exit_code, report.failed, report.unreachable) == (0, False, {})
    assert to_ansible_facts(report.facts["m2"])["ansible_hostname"] == "m2"
    probes = [call for call in transport.calls if call.request]
    assert sorted(call.host for call in probes) == ["m1", "m2", "m3"], "every host is probed once"
    assert all(call.become for call in probes)
    json.dumps(report.as_json())


def test_what_a_host_is_asked(tmp_path: Path) -> None:
    _, transport = look(tmp_path, {"m1": host(1), "m2": host(2)}, kernel_overlay=True, zookeeper_client_port=2182,
                        zookeeper_archive_url=f"{MIRROR}/zk.tar.gz", zookeeper_source="archive")
    requests = {call.host: call.request["preflight"] for call in transport.calls if call.request}
    assert {"port": 2182, "protocol": "tcp"} in requests["m1"]["ports"]
    assert requests["m1"]["overlay"] is True
    hashed = [[q["hash"] for q in requests[name]["sources"] if "hash" in q] for name in ("m1", "m2")]
    assert hashed == [[True], [False]], "one host proves the file"


def test_only_some_hosts_and_components(tmp_path: Path) -> None:
    of = reachable(tmp_path, "m1", "m2", groups=GROUPS)
    transport = FakeTransport({"m2": host(2)})
    report = preflight(of, rendered(of, lambda host: {"common_address": host.address}), transport, hosts=["m2"], components=["common"])
    assert {call.host for call in transport.calls} == {"m2"}
    assert transport.calls[-1].request["preflight"]["ports"] == []
    assert set(report.facts) == {"m2"}


def test_a_host_that_is_gone_is_a_finding(tmp_path: Path) -> None:
    gone = SshError("timeout", "10.0.0.2 does not answer", hint="is it up?")
    report, _ = look(tmp_path, {"m1": host(1), "m2": gone})
    assert problems(report) == [("fail", "m2", "ssh")]
    assert (report.exit_code, set(report.unreachable), set(report.facts)) == (4, {"m2"}, {"m1"})


def test_a_host_that_goes_away_in_between(tmp_path: Path) -> None:
    def once(call: Call) -> Any:
        if call.request:
            raise UnreachableError("went away")
        return said()

    report, _ = look(tmp_path, {"m1": once, "m2": host(2)})
    assert problems(report) == [("fail", "m1", "ssh")]


def test_a_refused_login_stops_everything(tmp_path: Path) -> None:
    hosts: dict[str, Behaviour] = dict.fromkeys(("m1", "m2", "m3"), SshError("auth", "refused the login", hint="look"))
    of = reachable(tmp_path, *hosts, groups=GROUPS)
    transport = FakeTransport(hosts)
    with pytest.raises(SshError, match="refused the login"):
        preflight(of, rendered(of, lambda host: {"common_address": host.address}), transport)
    assert len(transport.calls) == 1


def test_a_section_that_broke_is_not_taken_for_well(tmp_path: Path) -> None:
    broken = probed(facts=facts(), errors={"preflight": "KeyError: 'x'"})
    report, _ = look(tmp_path, {"m1": broken})
    assert problems(report) == [("fail", "m1", "probe")]
    assert report.facts == {}


@pytest.mark.parametrize("answer", [
    said("not json"), said(""), said('{"version": 1}'), probed(facts=facts()), probed(facts={}, preflight=found()),
    probed(facts=facts(cpus="many"), preflight=found()), probed(facts=facts(), preflight=found(disks=[{}])),
    probed(facts=facts(), preflight=found(listeners=[{"port": "x"}])), probed(facts=[], preflight=found()),  # type: ignore[arg-type]
    probed(facts=facts(), preflight=found(), time="now"),  # type: ignore[arg-type]
    said(code=1, stderr="Traceback: boom"), said("x" * 300_000),
])
def test_a_host_that_talks_nonsense_is_a_finding(tmp_path: Path, answer: Any) -> None:
    report, _ = look(tmp_path, {"m1": answer})
    assert problems(report) == [("fail", "m1", "ssh")]


def test_a_host_cannot_draw_on_the_terminal(tmp_path: Path) -> None:
    evil = facts(os={**facts()["os"], "id": "x", "pretty": "\x1b[2J{{ lookup('pipe', 'id') }}" + "a" * 10_000})
    report, _ = look(tmp_path, {"m1": probed(facts=evil, preflight=found())})
    message = next(f.message for f in report.findings if f.check == "system")
    assert "\x1b" not in message
    assert len(message) < 5000


def test_python_that_is_missing_is_named(tmp_path: Path) -> None:
    report, _ = look(tmp_path, {"m1": said(code=127, stderr="sh: 1: exec: python3: not found")})
    (finding,) = (f for f in report.findings if f.severity == "fail")
    assert "Python 3 does not start" in finding.message
    assert "ansible_python_interpreter" in finding.hint


def test_a_python_without_its_whole_library_is_named(tmp_path: Path) -> None:
    report, _ = look(tmp_path, {"m1": said(code=1, stderr="ModuleNotFoundError: No module named '_bz2'")})
    (finding,) = (f for f in report.findings if f.severity == "fail")
    assert "No module named '_bz2'" in finding.message
    assert "python3-minimal" in finding.hint


def test_clocks_are_compared_through_the_answers(tmp_path: Path) -> None:
    def late(call: Call) -> Any:
        done = host(3)(call)  # type: ignore[operator]
        if not call.request:
            return done
        answer = json.loads(done.stdout)
        return said(json.dumps({**answer, "time": answer["time"] + 30}))

    report, _ = look(tmp_path, {"m1": host(1), "m2": host(2), "m3": late})
    (finding,) = (f for f in report.findings if f.severity != "ok")
    assert (finding.severity, finding.host) == ("fail", "m3")
    # How far ahead is known as well as the answers were quick.
    assert re.fullmatch(r"its clock is (29|30)\.\d s ahead of the others", finding.message)


def distribution(cached: dict[str, Any]) -> tuple[str, str, str]:
    return (cached["ansible_distribution"], cached["ansible_os_family"], cached["ansible_distribution_major_version"])


def test_facts_in_ansibles_words() -> None:
    cached = to_ansible_facts(facts())
    assert cached["_ansible_facts_gathered"] is True
    assert distribution(cached) == ("Debian", "Debian", "12")
    assert cached["ansible_distribution_release"] == "bookworm"
    assert cached["ansible_python"]["version"] == {"major": 3, "minor": 11, "micro": 2}
    assert cached["ansible_default_ipv4"] == {"address": "10.0.0.1", "gateway": "10.0.0.254", "interface": "eth0"}
    assert (cached["ansible_service_mgr"], cached["ansible_pkg_mgr"], cached["ansible_virtualization_type"]) == ("systemd", "apt", "kvm")


@pytest.mark.parametrize(("identity", "like", "name", "family"), [
    ("rocky", [], "Rocky", "RedHat"), ("ubuntu", ["debian"], "Ubuntu", "Debian"), ("rhel", [], "RedHat", "RedHat"),
    ("linuxmint", ["ubuntu", "debian"], "Linux Mint", "Debian"), ("void", [], "Linux Mint", "Linux Mint"),
])
def test_distributions(identity: str, like: list[str], name: str, family: str) -> None:
    system = {**facts()["os"], "id": identity, "like": like, "name": "Linux Mint", "version": "9.4"}
    cached = to_ansible_facts(facts(os=system))
    assert distribution(cached) == (name, family, "9")
