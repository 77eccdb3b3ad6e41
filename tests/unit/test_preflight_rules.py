"""Every rule about a host, with one thing changed on a host that is otherwise fit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from provisioner.cluster.version_range import fits
from provisioner.components import component
from provisioner.components.common.preflight import clock_kept
from provisioner.components.docker.preflight import (
    addresses,
    cluster_store,
    encryption,
    flags_of_others,
    made_before,
    overlay,
    own_keys,
    packets,
    question,
    settings_of_others,
)
from provisioner.components.mesos_agent.preflight import cgroups, docker_range
from provisioner.components.model import Need
from provisioner.errors import UnreachableError
from provisioner.inventory.schema import load_schema
from provisioner.observe.preflight import HOST_RULES, rules_of
from provisioner.observe.preflight.fleet import clocks, duplicates
from provisioner.observe.preflight.others import foreign
from provisioner.observe.preflight.others import question as question_of_files
from provisioner.observe.preflight.ports import free_ports, needed_ports
from provisioner.observe.preflight.report import Finding, Report, Seen
from provisioner.observe.preflight.size import cpus, directories, disks, memory, memory_needed, programs
from provisioner.observe.preflight.sources import Sources
from provisioner.observe.preflight.system import (
    address,
    architecture,
    init,
    one_cluster,
    own_name,
    package_work,
    python,
    selinux,
    supported_system,
)
from provisioner.paths import roles_dir
from tests.unit.builders import facts, found, seen

Rule = Callable[[Seen], Iterable[Finding]]
DEFAULTS = load_schema().all_defaults()
ALL = ("common", "repos", "kernel", "docker", "consul", "dns", "zookeeper", "mesos_master", "mesos_agent", "marathon", "chronos",
       "registrator", "logstash", "consul_server", "logstash_server")


def only(rule: Rule, host: Seen) -> Finding:
    """The single finding; every finding that is not ok says what to do."""
    findings = list(rule(host))
    assert len(findings) == 1, findings
    assert findings[0].severity != "fail" or findings[0].hint
    return findings[0]


def os_facts(identity: str, version: str, pretty: str = "X") -> dict[str, Any]:
    return {"os": {**facts()["os"], "id": identity, "version": version, "pretty": pretty}}


def test_a_fit_host_passes_every_rule() -> None:
    host = replace(seen(*(c for c in ALL if c != "repos")), sources=Sources())
    assert {f.severity for rule in HOST_RULES for f in rule(host)} == {"ok"}


@pytest.mark.parametrize(("identity", "version", "severity"), [
    ("debian", "11", "ok"), ("debian", "12", "ok"), ("debian", "13", "ok"), ("debian", "10", "fail"), ("ubuntu", "22.04", "ok"),
    ("ubuntu", "24.04", "ok"), ("ubuntu", "23.10", "fail"), ("rocky", "9.4", "ok"), ("rhel", "8.10", "ok"), ("almalinux", "10.0", "ok"),
    ("centos", "7", "fail"), ("arch", "", "fail"), ("", "", "fail"),
])
def test_systems(identity: str, version: str, severity: str) -> None:
    assert only(supported_system, seen(facts=os_facts(identity, version))).severity == severity


@pytest.mark.parametrize(("written", "severity"), [("", "ok"), ("an-id ours", "ok"), ("another theirs", "fail"), ("garbage", "fail")])
def test_a_host_belongs_to_one_cluster(written: str, severity: str) -> None:
    host = seen(facts={"cluster": written}, variables={"common_cluster_id": "an-id"})
    assert only(one_cluster, host).severity == severity


def test_an_old_system_needs_the_owners_word() -> None:
    asked = {"repos_profile": "legacy-mirror", "repos_accept_eol": True}
    assert only(supported_system, seen(facts=os_facts("centos", "7"), variables=asked)).severity == "warn"
    assert only(supported_system, seen(facts=os_facts("centos", "7"), variables={"repos_profile": "legacy-mirror"})).severity == "fail"


@pytest.mark.parametrize(("rule", "change", "severity", "words"), [
    (python, {"python": {"version": [3, 6, 8], "executable": "/usr/libexec/platform-python"}}, "fail",
     "3.6.8 (/usr/libexec/platform-python)"),
    (python, {"python": {"version": [3, 8, 0], "executable": "/usr/bin/python3"}}, "ok", "3.8.0"),
    (architecture, {"arch": "aarch64"}, "ok", "arm64"),
    (architecture, {"arch": "riscv64"}, "fail", "riscv64"),
    (init, {"init": "runit"}, "fail", "not systemd"),
    (address, {"addresses": ["192.168.1.1"]}, "fail", "10.0.0.1 is not an address of this host (it has 192.168.1.1)"),
    (cpus, {"cpus": 1}, "warn", "1 processor"),
    (cpus, {"cpus": 0}, "fail", "no processor"),
])
def test_facts_that_do_not_fit(rule: Rule, change: dict[str, Any], severity: str, words: str) -> None:
    finding = only(rule, seen(facts=change))
    assert finding.severity == severity
    assert words in finding.message


def test_an_address_that_is_a_name_is_left_to_the_resolver() -> None:
    assert list(address(seen(variables={"common_address": "m1.example.org"}))) == []


@pytest.mark.parametrize(("answer", "severity", "words"), [
    ({"addresses": ["10.0.0.1"], "error": ""}, "ok", "m1 is 10.0.0.1"),
    ({"addresses": ["127.0.1.1"], "error": ""}, "warn", "127.0.1.1, which no other host can reach"),
    ({"addresses": [], "error": "Name or service not known"}, "warn", "can't be resolved: Name or service not known"),
])
def test_the_hosts_own_name(answer: dict[str, Any], severity: str, words: str) -> None:
    finding = only(own_name, seen(name={"name": "m1", **answer}))
    assert finding.severity == severity
    assert words in finding.message


def cgroup(layout: str, *elsewhere: str) -> dict[str, Any]:
    return {"cgroup": {"layout": layout, "elsewhere": list(elsewhere), "v1": []}}


@pytest.mark.parametrize(("has", "needs", "severity"), [
    (cgroup("v2"), "v2", "ok"), (cgroup("v2"), "any", "ok"), (cgroup("v2"), "v1", "fail"), (cgroup("v1"), "v1", "ok"),
    (cgroup("v1"), "v2", "fail"), (cgroup("hybrid", "/sys/fs/cgroup/unified"), "v2", "fail"), (cgroup("none"), "any", "fail"),
    (cgroup("hybrid", "/sys/fs/cgroup/unified"), "v1", "warn"), (cgroup("v1"), "v1-optional", "ok"), (cgroup("v2"), "v1-optional", "warn"),
    (cgroup("none"), "v1-optional", "fail"),
])
def test_control_groups(has: dict[str, Any], needs: str, severity: str) -> None:
    host = seen("mesos_agent", facts=has, variables={"mesos_cgroup_requirement": needs, "mesos_version": "1.11.0"})
    assert only(cgroups, host).severity == severity


@pytest.mark.parametrize(("has", "launcher", "severity"), [("v2", "linux", "fail"), ("v1", "linux", "ok"), ("v2", "posix", "warn")])
def test_a_launcher_that_limits_needs_what_the_build_can_limit_with(has: str, launcher: str, severity: str) -> None:
    variables = {"mesos_cgroup_requirement": "v1-optional", "mesos_agent_launcher": launcher}
    assert only(cgroups, seen("mesos_agent", facts=cgroup(has), variables=variables)).severity == severity


def test_control_groups_matter_to_agents_with_a_real_mesos_only() -> None:
    hybrid = cgroup("hybrid", "/sys/fs/cgroup/unified")
    assert cgroups in rules_of(frozenset({"mesos_agent"})) and cgroups not in rules_of(frozenset({"mesos_master"}))
    assert only(cgroups, seen("mesos_agent", facts=hybrid, variables={"mesos_version": "1.11.0+standin"})).severity == "ok"


def test_packages() -> None:
    lock = {"path": "/var/lib/dpkg/lock-frontend", "pid": 77, "command": "/usr/bin/unattended-upgrade"}
    finding = only(package_work, seen(packages={"locks": [lock], "interrupted": ""}))
    assert (finding.severity, finding.message) == ("warn", "/usr/bin/unattended-upgrade (process 77) holds /var/lib/dpkg/lock-frontend")
    finding = only(package_work, seen(packages={"locks": [], "interrupted": "half"}))
    assert (finding.severity, "dpkg --configure -a" in finding.hint) == ("fail", True)
    assert only(package_work, seen(packages={"locks": [lock], "interrupted": "half"})).severity == "warn"
    ours = seen(packages={"locks": [], "interrupted": "half"}, facts={"cluster": "1-2 lab"}, variables={"common_cluster_id": "1-2"})
    assert only(package_work, ours).severity == "warn"
    assert only(package_work, seen()).severity == "ok"


def test_the_clocks_keeper() -> None:
    assert clock_kept in rules_of(frozenset({"common"})) and clock_kept not in rules_of(frozenset({"zookeeper"}))
    assert only(clock_kept, seen(clock_synchronised=False)).severity == "fail"
    assert only(clock_kept, seen(clock_synchronised=None)).severity == "ok"
    assert only(clock_kept, seen(clock_synchronised=False, facts={"virtualization": "docker"})).severity == "ok"
    assert list(clock_kept(seen(clock_synchronised=False, variables={"common_time_sync": "off"}))) == []


@pytest.mark.parametrize(("state", "severity"), [("enforcing", "warn"), ("permissive", "ok"), ("disabled", "ok")])
def test_selinux(state: str, severity: str) -> None:
    assert only(selinux, seen(facts={"selinux": state})).severity == severity


def test_memory() -> None:
    need = memory_needed(frozenset(ALL), {})
    small = memory_needed(frozenset(ALL), {f"{c}_heap_mb": 128 for c in ("zookeeper", "marathon", "chronos", "logstash")})
    assert need - small == 4 * int(384 * 1.25)
    for mb, severity in ((need - 1, "fail"), (need, "warn"), (2 * need, "ok")):
        assert only(memory, seen(*ALL, facts={"mem_mb": mb})).severity == severity
    assert memory_needed(frozenset(), {}) == 0


def disk(path: str, **changes: Any) -> list[dict[str, Any]]:
    return [{**one, **changes} if one["path"] == path else one for one in found()["disks"]]


@pytest.mark.parametrize(("measured", "severity", "words"), [
    (disk("/var/lib/docker", device=2, free_mb=100), "fail", "0.1 GiB free for /var/lib/docker; 1.0 GiB are needed"),
    (disk("/var/lib/mesos", device=2, free_mb=4000), "warn", "3.9 GiB free for /var/lib/mesos"),
    (disk("/usr", device=2, free_mb=4000), "ok", "enough"),
    (disk("/usr", device=2, free_mb=500), "fail", "0.5 GiB free for /usr; 0.6 GiB are needed"),
    (disk("/usr", device=2, read_only=True), "fail", "the filesystem of /usr is read-only"),
    (disk("/var", device=2, read_only=True), "fail", "the filesystem of /var is read-only"),
    (disk("/var", device=2, free_inodes=10), "fail", "10 inodes free for /var"),
    (disk("/var", device=2, free_inodes=30_000), "warn", "30000 inodes free"),
    (disk("/var", device=2, inodes=0, free_inodes=0), "ok", "enough"),
    (found()["disks"], "ok", "enough"),
])
def test_disks(measured: list[dict[str, Any]], severity: str, words: str) -> None:
    finding = only(disks, seen("common", "docker", "mesos_agent", disks=measured))
    assert finding.severity == severity
    assert words in finding.message


def test_one_filesystem_must_hold_the_sum() -> None:
    shared = [{**one, "free_mb": 2300} for one in found()["disks"]]
    finding = only(disks, seen("common", "docker", "mesos_agent", disks=shared))
    assert (finding.severity, "/var and /usr and /var/lib/docker and /var/lib/mesos" in finding.message) == ("fail", True)
    running = seen("common", "docker", "mesos_agent", disks=shared, docker={**found()["docker"], "version": "29.1"})
    assert only(disks, running).severity == "ok", "what is installed already needs no room again"


@pytest.mark.parametrize(("component", "path"), [("docker", "/var/lib/docker"), ("mesos_agent", "/var/lib/mesos"), ("consul", "/opt")])
def test_programs_are_not_started_from_a_filesystem_that_forbids_it(component: str, path: str) -> None:
    finding = only(programs, seen(component, disks=disk(path, noexec=True)))
    assert (finding.severity, finding.message.split(",")[0]) == ("fail", f"the filesystem of {path} is mounted noexec")
    assert list(programs(seen(component))) == []
    assert list(programs(seen("zookeeper", disks=disk(path, noexec=True)))) == []


def test_a_directory_of_a_need_may_be_a_variable() -> None:
    from_variable = replace(component("mesos_agent"), needs=(Need(1, {"{mesos_dir}": 5}, programs=("{mesos_dir}",)),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("provisioner.observe.preflight.size.COMPONENTS", (from_variable,))
        assert directories(frozenset({"mesos_agent"}), {"mesos_dir": "/data/mesos"}) == {"/data/mesos": 5}


ANY = "0.0.0.0"  # noqa: S104 - what a listener says, not bound to


def listener(port: int, **changes: Any) -> dict[str, Any]:
    return {"protocol": "tcp", "port": port, "address": ANY, "pid": 9, "command": "java", "unit": "", "container": "", **changes}


@pytest.mark.parametrize(("who", "words"), [
    (listener(2181), "zookeeper needs port 2181/tcp, but java (process 9) listens on it"),
    (listener(8080, unit="tomcat.service"), "marathon needs port 8080/tcp, but java (process 9 of tomcat.service)"),
    (listener(8080, container="web"), "marathon needs port 8080/tcp, but the container web listens on it"),
    (listener(53, address="127.0.0.1", command="named", unit="named.service"), "dns needs port 53/tcp, but named"),
    (listener(53, address="10.0.0.1", command="named", unit="named.service"), "dns needs port 53/tcp, but named"),
    (listener(8600, address="::", protocol="udp"), "consul needs port 8600/udp"),
])
def test_a_port_in_wrong_hands(who: dict[str, Any], words: str) -> None:
    finding = only(free_ports, seen(*ALL, variables={"dns_address": "10.0.0.1"}, listeners=[who]))
    assert finding.severity == "fail"
    assert words in finding.message


@pytest.mark.parametrize("who", [
    listener(2181, unit="zookeeper.service"), listener(8080, container="marathon"), listener(53, address="127.0.0.53"),
    listener(53, address="192.168.122.1", command="dnsmasq", unit="libvirtd.service"), listener(8500, address="10.9.9.9"),
    listener(4789, protocol="udp", pid=0, command=""), listener(9999),
])
def test_a_port_in_right_hands_or_elsewhere(who: dict[str, Any]) -> None:
    host = seen(*ALL, variables={"dns_address": "10.0.0.1", "docker_probe": {"overlay": "swarm"}}, listeners=[who])
    assert only(free_ports, host).severity == "ok"


def test_ports_follow_the_settings_and_the_components() -> None:
    assert {p.port for p in needed_ports(frozenset({"zookeeper"}), {**DEFAULTS, "zookeeper_client_port": 2182})} == {2182, 2888, 3888}
    assert {p.port for p in needed_ports(frozenset({"consul"}), {})} == {8301, 8500, 8600}
    assert {p.port for p in needed_ports(frozenset({"docker"}), {"docker_overlay": "swarm"})} == {2377, 7946, 4789}
    assert needed_ports(frozenset({"docker"}), {"docker_overlay": "none"}) == []


@pytest.mark.parametrize(("version", "requirement", "yes"), [
    ("29.0.1", ">=26", True), ("25.0.5", ">=26", False), ("25.0.5", "<=25", True), ("26.0.0", "<=25", False), ("28.1", ">=26,<29", True),
    ("29.0", ">=26, <29", False), ("20.10.24+dfsg1", "<=25", True), ("5:28.3.3-1~debian.12~bookworm", ">=28", True), ("29", "", True),
    ("27.5.1", "==27.5", True), ("27.4", "==27.5", False), ("27", ">=27.0", True),
])
def test_ranges(version: str, requirement: str, yes: bool) -> None:
    assert fits(version, requirement) is yes


def test_docker_and_mesos() -> None:
    need = {"mesos_docker_requirement": ">=26"}
    assert only(docker_range, seen("mesos_agent", variables={**need, "docker_version": "29"})).severity == "ok"
    finding = only(docker_range, seen("mesos_agent", variables=need, docker={"version": "20.10.24", "error": ""}))
    assert (finding.severity, "20.10.24 is installed" in finding.message) == ("fail", True)
    assert "no version is asked for" in only(docker_range, seen("mesos_agent", variables=need)).message
    assert list(docker_range(seen("mesos_agent"))) == []


def test_the_old_overlay_needs_an_old_docker() -> None:
    asked = {"docker_probe": {"overlay": "cluster_store"}}
    assert only(cluster_store, seen("docker", variables={**asked, "docker_version": "29"})).severity == "fail"
    assert list(cluster_store(seen("docker", variables={**asked, "docker_version": "20.10"}))) == []


def test_the_kernel() -> None:
    assert only(overlay, seen(capabilities={"overlayfs": "no", "vxlan": "", "br_netfilter": ""})).severity == "fail"
    assert only(overlay, seen(capabilities={"overlayfs": "", "vxlan": "", "br_netfilter": "no"})).severity == "warn"
    assert only(overlay, seen()).severity == "ok"
    assert list(overlay(seen(capabilities={}))) == []


def test_an_encrypted_overlay_needs_a_kernel_that_can() -> None:
    wanted = {"docker_overlay": "swarm", "docker_overlay_encrypted": True}
    cannot = {"esp": "the kernel can't encrypt between hosts: no AEAD"}
    assert "leave out docker_overlay_encrypted" in only(encryption, seen(variables=wanted, capabilities=cannot)).hint
    assert list(encryption(seen(variables=wanted, capabilities={"esp": ""}))) == list(encryption(seen(capabilities=cannot))) == []
    there = {"version": "29.1", "error": "", "networks": [
        {"name": "cluster", "driver": "overlay", "mtu": 0, "encrypted": False, "subnets": ["10.32.0.0/16"]}]}
    made = only(made_before, seen(variables={**wanted, "docker_overlay_network": "cluster", "docker_overlay_subnet": "10.32.0.0/16"},
                                  docker=there))
    assert "was made without encryption" in made.message


LINKS: dict[str, Any] = found()["links"]


def linked(*routes: tuple[str, str], mtu: int = 1500, peers: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """The links of a host: more routes (interface, network), the MTU of eth0, and whom it talks to (address, what)."""
    return {"routes": [*LINKS["routes"], *({"interface": i, "network": n} for i, n in routes)],
            "mtus": [{"interface": "eth0", "mtu": mtu}], "peers": [{"address": a, "what": w} for a, w in peers]}


@pytest.mark.parametrize(("links", "variables", "words"), [
    (linked(("tun0", "10.32.4.0/22")), {}, "addresses of 10.32.0.0/16, but 10.32.4.0/22 is at tun0"),
    (linked(peers=(("10.32.0.53", "name server"),)), {}, "10.32.0.0/16, but its name server 10.32.0.53"),
    (linked(peers=(("172.17.5.9", "TCP connection"),)), {}, "172.17.0.0/16, but its TCP connection 172.17.5.9"),
    (linked(), {"neighbours": {"a1": "172.17.0.9"}}, "172.17.0.0/16, but a1 (172.17.0.9)"),
    (linked(), {"docker_daemon_options": {"bip": "10.0.0.1/8"}, "neighbours": {"a1": "10.9.0.9"}}, ""),
    (linked(("eth1", "172.17.0.0/16"), peers=(("172.17.5.9", "gateway"),)), {}, ""),
    (linked(("tun0", "10.32.4.0/22")), {"docker_overlay": "none"}, ""),
    (linked(), {}, ""),
])
def test_containers_take_nobodys_addresses(links: dict[str, Any], variables: dict[str, Any], words: str) -> None:
    finding = only(addresses, seen("docker", variables=variables, links=links, neighbours=variables.get("neighbours")))
    assert (finding.severity, words in finding.message) == ("fail" if words else "ok", True)
    assert "172.17.0.0/16" in question(seen().variables)["networks"]


def test_an_engine_that_runs_has_its_bridge() -> None:
    links = linked(("docker0", "172.17.0.0/16"), peers=(("172.17.0.2", "TCP connection"),))
    assert only(addresses, seen("docker", links=links, docker={**found()["docker"], "version": "29.1"})).severity == "ok"


@pytest.mark.parametrize(("carries", "told", "severity"), [
    (1500, 0, "ok"), (9000, 0, "ok"), (1450, 0, "fail"), (1450, 1450, "ok"), (1450, 1400, "ok"), (1400, 1450, "fail"), (1500, 9000, "fail"),
])
def test_the_network_carries_what_the_overlay_sends(carries: int, told: int, severity: str) -> None:
    finding = only(packets, seen("docker", variables={"docker_overlay_mtu": told}, links=linked(mtu=carries)))
    assert finding.severity == severity
    assert severity == "ok" or f"eth0 carries packets of {carries} bytes" in finding.message
    assert list(packets(seen("docker", variables={"docker_overlay": "none"}, links=linked(mtu=576)))) == []


@pytest.mark.parametrize(("subnet", "mtu", "words"), [
    ("10.32.0.0/16", 0, ""), ("10.32.0.0/16", 1400, "with subnet 10.32.0.0/16 and MTU 1400, wanted are 10.32.0.0/16 and 1500"),
    ("10.33.0.0/16", 0, "with subnet 10.33.0.0/16 and MTU 1500, wanted are 10.32.0.0/16"),
])
def test_a_network_that_is_there_can_not_be_changed(subnet: str, mtu: int, words: str) -> None:
    there = {"version": "29.1", "error": "", "networks": [
        {"name": "cluster", "driver": "overlay", "mtu": mtu, "encrypted": False, "subnets": [subnet]}]}
    findings = list(made_before(seen("docker", docker=there)))
    assert [words in f.message for f in findings] == ([True] if words else [])


REGISTRY = {"docker_registry": "reg:5000", "docker_registry_insecure": True}


def theirs(daemon: object, **variables: Any) -> Seen:
    """A host with a daemon.json that we did not write."""
    path = "/etc/docker/daemon.json"
    text = daemon if isinstance(daemon, str) else json.dumps(daemon)
    return seen("docker", variables=variables, others=[{"component": "docker", "path": path, "replaced": True}],
                texts=[{"path": path, "text": text}])


@pytest.mark.parametrize(("daemon", "variables", "words"), [
    ({"data-root": "/data", "log-driver": "json-file"}, {}, '{"data-root": "/data"}'),
    ({"data-root": "/data"}, {"docker_data_root": "/other"}, ""),
    ({"insecure-registries": ["reg:5000", "theirs:5000"]}, REGISTRY, "theirs:5000"),
    ({"insecure-registries": ["reg:5000"]}, REGISTRY, ""),
    ({"dns": ["1.1.1.1"]}, {"docker_dns": ["10.0.0.1"]}, ""),
    ({"dns": ["1.1.1.1"]}, {}, '{"dns": ["1.1.1.1"]}'),
    ("{not json", {}, "no JSON object"), ("[]", {}, ""), ("", {}, ""), ("[1]", {}, "no JSON object"),
])
def test_what_a_daemon_json_from_before_sets_is_not_lost(daemon: object, variables: dict[str, Any], words: str) -> None:
    findings = list(settings_of_others(theirs(daemon, **variables)))
    assert [words in f.message and f.severity == "fail" for f in findings] == ([True] if words else [])
    assert list(settings_of_others(seen("docker", texts=[{"path": "/etc/docker/daemon.json", "text": json.dumps(daemon)}]))) == [], "ours"


def test_the_keys_that_count_as_ours_are_those_that_the_role_writes() -> None:
    text = (roles_dir() / "docker/vars/main.yml").read_text()
    written = set(re.findall(r"'([a-z-]+)':", text[text.index("__docker_daemon:"):text.index("__docker_drop_in:")]))
    told = {"docker_data_root": "/data/docker", "docker_registry": "r:1", "docker_registry_insecure": True, "docker_dns": ["10.0.0.1"],
            "docker_overlay": "cluster_store"}
    assert set(own_keys(told)) == written


@pytest.mark.parametrize(("path", "text", "words"), [
    ("/etc/systemd/system/docker.service.d/x.conf", "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --log-driver=json-file -H fd://",
     "starts the engine with --log-driver"),
    ("/etc/default/docker", 'DOCKER_OPTS="--insecure-registry=reg:5000"', "--insecure-registry, and insecure-registries is in daemon.json"),
    ("/etc/default/docker", '# DOCKER_OPTS="--log-driver=json-file"', ""),
    ("/etc/systemd/system/docker.service.d/http-proxy.conf", "[Service]\nEnvironment=HTTP_PROXY=http://p:1", ""),
    ("/etc/sysconfig/docker", "OPTIONS='--selinux-enabled --default-ulimit nofile=1024:1024'", ""),
])
def test_flags_that_say_what_daemon_json_says(path: str, text: str, words: str) -> None:
    host = seen("docker", variables=REGISTRY, texts=[{"path": path, "text": text}])
    findings = list(flags_of_others(host))
    assert [words in f.message for f in findings] == ([True] if words else [])


def test_files_of_others_are_named_before_they_are_replaced_or_read() -> None:
    found = [{"component": "consul", "path": "/etc/systemd/system/consul.service", "replaced": True},
             {"component": "consul", "path": "/etc/consul.d/web.json", "replaced": False}]
    first, second = foreign(seen("consul", others=found))
    assert (first.severity, "needs its place" in first.message, ".before-provision-" in first.hint) == ("warn", True, True)
    assert (second.severity, second.message) == ("warn", "/etc/consul.d/web.json is not ours, and Consul reads it too")
    assert only(foreign, seen("consul")).severity == "ok"
    asked = question_of_files(frozenset({"consul"}), DEFAULTS)["consul"]
    assert "/etc/systemd/system/consul.service" in asked["witness"]["units"]["consul"]
    assert asked["reads"][-1] == "/etc/systemd/system/consul.service.d/*.conf"


def test_a_loopback_address_is_none_for_containers() -> None:
    found = [f for f in duplicates([seen(variables={"common_address": "127.0.0.11"})]) if f.severity == "fail"]
    assert [(f.check, f.message) for f in found] == [("address", "containers can't reach it at 127.0.0.11")]


def test_clones_are_seen() -> None:
    hosts = [seen(host="m1"), seen(host="m2", variables={"common_address": "10.0.0.2"}, facts={"hostname": "m2"}),
             seen(host="m3", variables={"common_address": "10.0.0.3"}, facts={"hostname": "m1", "machine_id": ""})]
    found = {(f.host, f.check) for f in duplicates(hosts)}
    assert found == {("m1", "machine-id"), ("m2", "machine-id"), ("m1", "hostname"), ("m3", "hostname"), ("m3", "machine-id")}
    same = [seen(host="m1"), seen(host="m2", facts={"hostname": "m2", "machine_id": "f" * 32})]
    assert {(f.host, f.check) for f in duplicates(same)} == {("m1", "address"), ("m2", "address")}


@pytest.mark.parametrize(("ahead", "severity"), [
    ((-0.2, 0.3), "ok"), ((-1.0, 60.0), "ok"), ((1.2, 1.6), "warn"), ((-3.0, -1.5), "warn"), ((5.5, 6.0), "fail"),
    ((-9000.0, -8999.0), "fail"),
])
def test_clock_skew_counts_only_what_is_certain(ahead: tuple[float, float], severity: str) -> None:
    hosts = [seen(host="m1"), seen(host="m2"), seen(host="m3"), seen(host="odd", ahead=ahead)]
    found = {f.host: f.severity for f in clocks(hosts)}
    assert found == {"m1": "ok", "m2": "ok", "m3": "ok", "odd": severity}
    assert list(clocks([])) == []


def test_a_slow_way_to_the_hosts_makes_no_clock_wrong() -> None:
    """Most logins took seconds, so their clocks could be far ahead; those of two fast ones could not."""
    hosts = [seen(host=f"a{number}", ahead=(-0.2, 6.0 + number / 10)) for number in range(50)]
    hosts += [seen(host=f"m{number}", ahead=(-0.1, 0.1)) for number in (1, 2)]
    assert {f.severity for f in clocks(hosts)} == {"ok"}
    assert [f.host for f in clocks([*hosts, seen(host="late", ahead=(-9.0, -7.0))]) if f.severity != "ok"] == ["late"]


def test_a_report_shows_the_worst_first() -> None:
    findings = (Finding("ok", "m1", "system", "Debian"), Finding("warn", "m1", "time", "w", "do"), Finding("fail", "m2", "ssh", "f"))
    report = Report(findings, {})
    assert report.rows() == [["fail", "m2", "ssh", "f"], ["warn", "m1", "time", "w\n→ do"], ["ok", "m1", "1 check", "Debian"]]
    assert (report.failed, report.exit_code) == (True, 5)
    assert replace(report, unreachable={"m2": UnreachableError("away")}).exit_code == 4
    assert Report((), {}).exit_code == 0
