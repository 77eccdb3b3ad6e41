"""What a correct inventory means."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provisioner.cluster.model import Cluster
from provisioner.inventory.load import is_plain, load
from provisioner.inventory.starter import write_inventory
from provisioner.paths import inventory_examples_dir
from tests.unit.builders import THREE, load_text

EXAMPLES = sorted(inventory_examples_dir().glob("*.yml"))


def names(cluster: Cluster, group: str) -> list[str]:
    return [h.name for h in cluster.members(group)]


def test_shorthands_give_every_component_its_hosts(tmp_path: Path) -> None:
    cluster = load_text(tmp_path, THREE + "agents:\n  hosts:\n    a[1:2]:\n")
    masters, agents, everybody = ["m1", "m2", "m3"], ["a1", "a2"], ["a1", "a2", "m1", "m2", "m3"]
    for group in ("zookeeper", "mesos_master", "marathon", "chronos", "consul_server", "logstash_server", "masters"):
        assert names(cluster, group) == masters
    for group in ("mesos_agent", "registrator", "agents"):
        assert names(cluster, group) == agents
    for group in ("common", "repos", "kernel", "docker", "consul", "dns", "logstash", "all"):
        assert names(cluster, group) == everybody


def test_what_the_template_shows_of_access_can_be_used_by_taking_the_sign_away(tmp_path: Path) -> None:
    text = write_inventory(tmp_path).read_text()
    assert is_plain(tmp_path / "inventory.yml"), "nothing in it, not even in a comment, looks as if it were for Ansible to read"
    for name in ("cluster_access", "cluster_networks", "cluster_operator_networks", "mesos_principals", "mesos_task_users"):
        assert text.count(f"    # {name}: ") == 1, name
        text = text.replace(f"    # {name}: ", f"    {name}: ")
    (tmp_path / "inventory.yml").write_text(text)
    variables = load(tmp_path / "inventory.yml").hosts[0].variables
    assert variables["mesos_principals"] == {"spark": {"secret": "put this into a vault", "users": ["spark"]}}


def test_a_components_own_group_replaces_its_shorthand(tmp_path: Path) -> None:
    cluster = load_text(tmp_path, THREE + "chronos: {hosts: {m2: }}\nzookeeper: {hosts: {'z[1:3]': }}\n")
    assert names(cluster, "chronos") == ["m2"]
    assert names(cluster, "zookeeper") == ["z1", "z2", "z3"]
    assert names(cluster, "mesos_master") == ["m1", "m2", "m3"]


def test_own_groups_may_be_made_of_other_groups(tmp_path: Path) -> None:
    text = "all: {children: {masters: {children: {zookeeper: {hosts: {'z[1:3]': }}}}}}\nchronos: {hosts: {}}\n"
    cluster = load_text(tmp_path, text + "consul_server: {children: {zookeeper: }}\n")
    for group in ("masters", "zookeeper", "mesos_master", "consul_server"):
        assert names(cluster, group) == ["z1", "z2", "z3"]
    assert names(cluster, "chronos") == []


def test_the_order_is_by_name_and_numbers_count(tmp_path: Path) -> None:
    cluster = load_text(tmp_path, "masters: {hosts: {m10: , m2: , m1: }}")
    assert [h.name for h in cluster.hosts] == ["m1", "m2", "m10"]


def test_the_order_in_the_file_means_nothing(tmp_path: Path) -> None:
    one = load_text(tmp_path, "masters: {hosts: {m1: , m2: , m3: }}\nagents: {hosts: {a1: , a2: }}")
    other = load_text(tmp_path, "agents: {hosts: {a2: , a1: }}\nmasters: {hosts: {m3: , m1: , m2: }}")
    assert one == other


def test_connection_and_cluster_settings(tmp_path: Path) -> None:
    text = "all:\n  vars: {cluster_name: demo, ansible_user: operator, cluster_accept_eol: yes}\n  hosts:\n"
    text += "    m1: {ansible_host: 192.0.2.1, ansible_port: 2222, cluster_address: 10.0.0.1}\nmasters: {hosts: {m1: }}"
    cluster = load_text(tmp_path, text)
    host = cluster.host("m1")
    assert (host.address, host.port, host.user, host.cluster_address) == ("192.0.2.1", 2222, "operator", "10.0.0.1")
    assert host.where == f"{tmp_path}/inventory.yml:4"
    assert cluster.name == "demo"
    assert cluster.state_dir == tmp_path / ".provision" / "demo"
    assert cluster.variables["cluster_accept_eol"] is True
    assert cluster.variables["cluster_profile"] == "current"


def test_defaults_of_a_bare_host(tmp_path: Path) -> None:
    host = load_text(tmp_path, "masters: {hosts: {m1.example.com: }}").hosts[0]
    assert (host.address, host.port, host.user, host.cluster_address) == ("m1.example.com", 22, "", "m1.example.com")


def test_a_group_that_cannot_exist_is_a_mistake_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such group: master"):
        load_text(tmp_path, THREE).members("master")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("m[1:3]", ["m1", "m2", "m3"]),
        ("m[01:03]", ["m01", "m02", "m03"]),
        ("m[a:c]", ["ma", "mb", "mc"]),
        ("m[1:5:2]", ["m1", "m3", "m5"]),
        ("m[0:2].example.com", ["m0.example.com", "m1.example.com", "m2.example.com"]),
        ("r[1:1]-[7:9]", ["r1-7", "r1-8", "r1-9"]),
        ("m[:2]", ["m0", "m1", "m2"]),
        ("control[08:10].example.com", ["control08.example.com", "control09.example.com", "control10.example.com"]),
        ("198.51.100.[11:13]", ["198.51.100.11", "198.51.100.12", "198.51.100.13"]),
    ],
)
def test_host_ranges(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    assert [h.name for h in load_text(tmp_path, f"masters: {{hosts: {{'{pattern}': }}}}").hosts] == expected


def test_one_voter_is_a_warning(tmp_path: Path) -> None:
    (warning,) = load_text(tmp_path, "masters: {hosts: {m1: }}\nagents: {hosts: {m1: }}").warnings
    assert warning.startswith("there is one host in zookeeper, consul_server, mesos_master: the cluster stops")


def test_what_is_probably_not_meant_is_a_warning(tmp_path: Path) -> None:
    text = THREE + "agents: {hosts: {a1: {zookeeper_id: 4}}}\nall: {hosts: {h1: }}"
    assert [w.replace(f"{tmp_path}/", "") for w in load_text(tmp_path, text).warnings] == [
        "a1 (inventory.yml:4) has a zookeeper_id but runs no ZooKeeper",
        "h1 (inventory.yml:5) is in no group: it gets only what every host gets",
    ]


def test_a_cluster_without_passwords_is_a_warning(tmp_path: Path) -> None:
    for value, expected in (("false", 1), ("true", 0)):
        (tmp_path / value).mkdir()
        cluster = load_text(tmp_path / value, f"all: {{vars: {{cluster_authentication: {value}}}}}\n{THREE}agents: {{hosts: {{a1: }}}}")
        assert sum("run programs as root" in warning for warning in cluster.warnings) == expected


def test_a_byte_order_mark_and_windows_line_ends_are_harmless(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + THREE.replace("\n", "\r\n").encode()
    assert len(load_text(tmp_path, text).hosts) == 3


PRECEDENCE = """
all:
  vars: {zookeeper_heap_mb: 1, marathon_port: 1, consul_domain: all, mesos_master_port: 5050}
  hosts: {m1: }
masters:
  vars: {zookeeper_heap_mb: 2, marathon_port: 2, consul_domain: masters, docker_overlay: none}
  children:
    zookeeper:
      vars: {zookeeper_heap_mb: 3, marathon_port: 3}
      hosts: {m1: {zookeeper_heap_mb: 4}, m2: , m3: {kernel_upgrade: yes, docker_daemon_options: {a: 010}}}
agents:
  vars: {docker_overlay: swarm, consul_domain: agents, dns_upstream: [192.0.2.53], kernel_upgrade: yes}
  hosts: {m2: , a1: {mesos_agent_resources: ""}}
mesos_agent:
  vars: {kernel_upgrade: no}
  children: {agents: }
"""


def test_precedence_and_values_are_those_of_ansible(tmp_path: Path) -> None:
    cluster = load_text(tmp_path, PRECEDENCE)
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(cluster.path), "--list"]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, cwd=tmp_path).stdout)
    hostvars = found["_meta"]["hostvars"]
    assert {h.name for h in cluster.hosts} == hostvars.keys()
    for host in cluster.hosts:
        assert dict(host.variables) == hostvars[host.name]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_every_example_is_valid(path: Path) -> None:
    cluster = load(path)
    assert cluster.name == path.stem
    assert len(cluster.members("mesos_agent")) >= 1


def test_init_writes_the_example_once(tmp_path: Path) -> None:
    path = write_inventory(tmp_path / "new")
    assert load(path).name == "example"
    path.write_text("mine")
    with pytest.raises(Exception, match="the file already exists"):
        write_inventory(tmp_path / "new")
    assert path.read_text() == "mine"


def test_loading_needs_neither_ansible_nor_rich() -> None:
    """`validate` is offline and must answer at once (under 0.4 s on two slow cores, interpreter included)."""
    program = (
        "import sys; from pathlib import Path; from provisioner.inventory.load import load; load(Path(sys.argv[1]));"
        "print([m for m in ('ansible', 'rich', 'ruamel', 'cryptography', 'jinja2', 'paramiko') if m in sys.modules])"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", program, str(EXAMPLES[0])], capture_output=True, check=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout == "[]\n"
    # Processor time, because the machine may have other work; three times the promise, because that may be slow work.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.2


def test_a_thousand_hosts_load_quickly(tmp_path: Path) -> None:
    hosts = "".join(f"    a{i}: {{ansible_host: 10.0.{i // 250}.{i % 250 + 1}, ansible_port: 22}}\n" for i in range(997))
    started = time.process_time()
    cluster = load_text(tmp_path, THREE + "agents:\n  hosts:\n" + hosts)
    assert len(cluster.members("mesos_agent")) == 997
    assert time.process_time() - started < 20, "on a busy machine too"
