"""What the roles would refuse of a host's values is refused by `validate`, in the line that says it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.cli import main
from provisioner.components.mesos_master.settings import problems
from provisioner.context import Context
from provisioner.errors import InventoryError
from provisioner.inventory.load import load
from provisioner.inventory.role_rules import internals, known_flags
from provisioner.inventory.schema import load_schema
from provisioner.state import ledger

pytestmark = pytest.mark.usefixtures("ansible_is_loaded")
FLAGGED = ("marathon", "chronos", "mesos")
HOSTS = """
  children:
    masters: {hosts: {m1: {ansible_host: 198.51.100.11}}}
    agents:
      hosts:
        a1:
          ansible_host: 198.51.100.21
"""


def refusals(folder: Path, variables: str, host: str = "") -> list[tuple[int, str]]:
    """Line and message of everything that is wrong with an inventory with these variables, the first of them in line 3."""
    path = folder / "inventory.yml"
    path.write_text("all:\n  vars:\n" + "".join(f"    {line}\n" for line in variables.splitlines())
                    + HOSTS + "".join(f"          {line}\n" for line in host.splitlines()))
    try:
        load(path)
    except InventoryError as error:
        said = str(error).splitlines()
        return [(int(m[1]), m[2]) for m in (re.search(r"inventory\.yml:(\d+): (.*)", line) for line in said) if m]
    return []


FLAGS = [
    ("marathon_extra_flags: {no_such_flag: 1}", "no flag no_such_flag"),
    ("marathon_extra_flags: {http_port: 9999}", "set marathon_port instead"),
    ("marathon_extra_flags: {task_lauch_timeout: 1}", "did you mean task_launch_timeout?"),
    ("marathon_extra_flags: {checkpoint: 'no'}", "wants a value of type toggle"),
    ("chronos_extra_flags: {nosuch: true}", "no flag nosuch"),
    ("chronos_extra_flags: {mesos_framework_name: x}", "set chronos_framework_name instead"),
    ("chronos_extra_flags: {cluster_name: my lab}", "cannot hold blanks in the value of cluster_name: 'my lab'"),
    ("mesos_agent_extra_flags: {attributs: x}", "did you mean attributes?"),
    ("mesos_agent_extra_flags: {attributes: 'a:b'}", "set mesos_agent_attributes instead"),
    ("mesos_agent_extra_flags: {gc_delay: soon}", "wants a value of type duration, not 'soon'"),
    ("mesos_master_extra_flags: {quorum: 5}", "quorum is set by the role; leave it out"),
    ("registrator_extra_flags: [nodash]", "no flag nodash"),
    ("registrator_extra_flags: [-no-such]", "no flag -no-such"),
]


@pytest.mark.parametrize(("text", "sentence"), FLAGS)
def test_flags_that_a_program_would_not_follow(tmp_path: Path, text: str, sentence: str) -> None:
    ((line, message),) = refusals(tmp_path, f"cluster_name: demo\n{text}")
    assert line == 4 and sentence in message


def test_flags_that_a_program_follows(tmp_path: Path) -> None:
    wanted = """
marathon_extra_flags: {mesos_user: www, checkpoint: false, decline_offer_duration: 5000}
chronos_extra_flags: {mesos_task_mem: 256}
mesos_master_extra_flags: {agent_ping_timeout: 20secs}
mesos_agent_extra_flags: {switch_user: false, executor_registration_timeout: 5mins}
registrator_extra_flags: [-internal, -ttl=30]"""
    assert refusals(tmp_path, wanted.strip()) == []


ATTRIBUTES = [
    ("mesos_agent_attributes: {zone: [a, b]}", "zone: ['a', 'b'] is no attribute"),
    ("mesos_agent_attributes: {note: 'a;b:c'}", "note: 'a;b:c' is no attribute"),
    ("mesos_agent_attributes: {'bad key:x': y}", "bad key:x: 'y' is no attribute"),
    ("mesos_agent_resources: 'cpus:4;mem:16GB'", "'16GB' is no number"),
    ("mesos_agent_resources: 'disk:lots'", "'lots' is no number"),
]


@pytest.mark.parametrize(("text", "sentence"), ATTRIBUTES)
def test_attributes_and_resources_that_mesos_cannot_read(tmp_path: Path, text: str, sentence: str) -> None:
    ((line, message),) = refusals(tmp_path, "cluster_name: demo", text)
    assert line == 11 and sentence in message


def test_attributes_and_resources_that_mesos_reads(tmp_path: Path) -> None:
    assert refusals(tmp_path, "cluster_name: demo", """
mesos_agent_attributes: {rack: 1, share: 0.5, ssd: true, url: 'http://x:1', slots: '[1-3]'}
mesos_agent_resources: 'cpus:4;mem:16384;ports:[31000-32000];disks(db):{a,b}'""".strip()) == []


RANGES = [
    ("zookeeper_heap_mb: -1", "zookeeper_heap_mb must be between 32 and 1048576, not -1"),
    ("consul_data_dir: /opt/consul", "of a folder of its own"), ("zookeeper_data_dir: /opt/zookeeper/data", "of a folder of its own"),
    ("logstash_data_dir: /var/log/logstash", "of a folder of its own"), ("docker_overlay_network: bridge", "no name of Docker's own"),
    ("cluster_http_proxy: 'http://proxy:3128/path'", "must end with the port"),
    ("cluster_http_proxy: 'http://proxy:0'", "must be a URL like"),
    ("cluster_http_proxy: 'http://999.1.1.1:3128'", "is neither"), ("cluster_https_proxy: 'http://localhost:3128'", "means each host"),
    ("cluster_http_proxy: 'proxy:3128'", "like http://proxy.example.com:3128"),
    ("marathon_heap_mb: 0", "must be between"),
    ("logstash_heap_mb: 1000000000", "must be between"),
    ("logstash_keep_days: 0", "must be between"),
    ("zookeeper_tick_ms: 0", "must be between"),
    ("mesos_check_seconds: -5", "must be between"),
    ("zookeeper_snapshots_kept: 1", "must be between 3 and"),
    ("chronos_failover_timeout_seconds: 60", "must be between 3600 and"),
    ("chronos_zk_path: /marathon/chronos", "/marathon belongs to Marathon"),
    ("chronos_zk_path: /zookeeper/x", "belongs to ZooKeeper itself"),
    ("mesos_principals: {spark: {secret: x, users: root}}", "users is no list of names"),
    ("mesos_principals: {spark: {secret: x, user: [root]}}", "has user, which means nothing"),
    ("cluster_ca_key: rubbish", "cluster_ca_key needs cluster_ca_certificate"),
    ("cluster_networks: [0.0.0.0/0]", "too wide"),
    ("marathon_port: 0", "must be between 1 and 65535"),
    ("marathon_port: 70000", "must be between 1 and 65535"),
    ("docker_overlay_subnet: 10.32.0.0/33", "must be an IPv4 network like 10.32.0.0/16"),
    ("docker_overlay_subnet: 10.32.1.0/16", "without bits behind its prefix, not '10.32.1.0/16'"),
    ("docker_overlay_network: has space", "must be made of"),
    ("consul_domain: bad domain!", "must be a domain"),
    ("consul_datacenter: DC 1", "must be made of"),
    ("chronos_zk_path: no-slash", "must be the path of a znode"),
    ("zookeeper_java: java", "must be an absolute path"),
    ("dns_upstream: [10.0.0.300]", "must be an IP address, or address#port, not '10.0.0.300'"),
    ("logstash_output_file: '/var/log/%{host}/all.log'", "whose folder holds no field or date"),
]


@pytest.mark.parametrize(("text", "sentence"), RANGES)
def test_values_outside_what_makes_sense(tmp_path: Path, text: str, sentence: str) -> None:
    ((line, message),) = refusals(tmp_path, f"cluster_name: demo\n{text}")
    assert line == 4 and sentence in message


def test_values_at_the_edge_of_what_makes_sense(tmp_path: Path) -> None:
    assert refusals(tmp_path, """
zookeeper_heap_mb: 32
zookeeper_client_connections: 0
registrator_resync_seconds: 0
docker_overlay_subnet: 10.64.0.0/10
consul_domain: node.example.com
dns_upstream: ['10.0.0.1#5353', '2001:db8::1', /corp.example.com/10.0.0.2]
logstash_output_file: '/data/logs/%{+YYYY-MM-dd}-%{program}.log'
chronos_zk_path: /chronos""".strip()) == []


REGISTRIES = [
    ("https://registry.example.com/mesos", "leave out https://; leave out /mesos: images keep their own names there; add its port: "
     "registry.example.com:443 (not"),
    ("http://registry.example.com", "leave out http://; add its port: registry.example.com:80"),
    ("registry.example.com", "like registry.example.com:5000; add its port: registry.example.com:443 (not 'registry.example.com')"),
    ("registry.example.com:5000/team", "leave out /team"),
    ("'[2001:db8::5]:5000'", "name it by DNS or IPv4: names of images hold no IPv6 address"),
    ("bob:secret@registry.example.com:5000", "leave the login out and run 'docker login' on the hosts"),
    ("registry.example.com:70000", "must be host:port, like registry.example.com:5000 (not 'registry.example.com:70000')"),
]


@pytest.mark.parametrize(("value", "sentence"), REGISTRIES)
def test_a_registry_that_is_no_host_and_port_is_refused_with_what_to_leave_out(tmp_path: Path, value: str, sentence: str) -> None:
    ((line, message),) = refusals(tmp_path, f"cluster_name: demo\ncluster_registry: {value}")
    assert line == 4 and sentence in message


UNFOLLOWED = [
    ("zookeeper_extra_config: {dataDir: /data/zk}", "set zookeeper_data_dir instead"),
    ("zookeeper_extra_config: {dataLogDir: /data/zk}", "set zookeeper_log_dir instead"),
    ("zookeeper_extra_config: {clientPort: 2191}", "set zookeeper_client_port instead"),
    ("zookeeper_extra_config: {server.1: '192.0.2.1:2888:3888'}", "server.* is set by the role; leave it out"),
    ("consul_extra_config: {ports: {http: 8501}}", "ports.http is set by the role; leave it out"),
    ("consul_extra_config: {data_dir: /data/consul}", "set consul_data_dir instead"),
    ("consul_extra_config: {datacenter: east}", "set consul_datacenter instead"),
    ("consul_extra_config: {client_addr: 192.0.2.1}", "client_addr '192.0.2.1' leaves out 127.0.0.1"),
    ("consul_extra_config: {addresses: {http: 192.0.2.1}}", "addresses.http '192.0.2.1' leaves out 127.0.0.1"),
    ("mesos_master_extra_flags: {work_dir: /data/mesos}", "set mesos_work_dir instead"),
    ("mesos_agent_extra_flags: {work_dir: /data/mesos}", "set mesos_work_dir instead"),
    ("docker_daemon_options: {data-root: /data/docker}", "set docker_data_root instead"),
    ("docker_daemon_options: {cluster-store: 'consul://192.0.2.1:8500'}", "set docker_overlay instead"),
    ("logstash_extra_settings: {path.data: /data/logstash}", "set logstash_data_dir instead"),
    ("logstash_extra_settings: {path: {queue: /data/queue}}", "set logstash_data_dir instead"),
    ("logstash_extra_settings: {api.http.port: 9601}", "set logstash_api_port instead"),
]


@pytest.mark.parametrize(("text", "sentence"), UNFOLLOWED)
def test_settings_that_the_role_would_not_follow_everywhere(tmp_path: Path, text: str, sentence: str) -> None:
    ((line, message),) = refusals(tmp_path, f"cluster_name: demo\n{text}")
    assert line == 4 and sentence in message


def test_settings_that_are_the_users_business(tmp_path: Path) -> None:
    assert refusals(tmp_path, """
zookeeper_extra_config: {tickTime: 3000, jute.maxbuffer: 4194304}
consul_extra_config: {ports: {grpc: 8502}, client_addr: 127.0.0.1 192.0.2.1, performance: {raft_multiplier: 5}}
docker_daemon_options: {log-driver: json-file, dns: [192.0.2.53]}
logstash_extra_settings: {pipeline.workers: 2, path.logs: /var/log/ls}""".strip()) == []


FOLDERS = ("zookeeper_data_dir", "zookeeper_log_dir", "consul_data_dir", "docker_data_root", "mesos_work_dir", "logstash_data_dir")


@pytest.mark.parametrize("variable", FOLDERS)
def test_data_on_another_disk(tmp_path: Path, variable: str) -> None:
    assert refusals(tmp_path, f"{variable}: /data/{variable}") == []
    for folder in ("/", "/data", "/var/lib", "/etc/data", "data/zk", "/data/../etc", "/data/a b"):
        ((line, message),) = refusals(tmp_path, f"{variable}: {folder}")
        assert line == 3 and "must be an absolute path of a folder of its own" in message, folder


def test_two_components_do_not_share_a_folder(tmp_path: Path) -> None:
    (found,) = refusals(tmp_path, "zookeeper_data_dir: /data/one\nconsul_data_dir: /data/one/consul")
    assert found == (4, "on m1: consul_data_dir /data/one/consul and zookeeper_data_dir /data/one are not apart")
    assert refusals(tmp_path, "zookeeper_log_dir: /var/lib/consul")[0][1].startswith("on m1: consul_data_dir")


def test_every_refused_setting_has_a_variable_that_may_be_set(tmp_path: Path) -> None:
    lists = [internals(role)[f"__{role}_owned"] for role in ("zookeeper", "consul", "logstash")]
    assert {instead for one in lists for instead in one.values() if instead} <= set(load_schema().settable())


NETWORKS = [
    ("docker_overlay_subnet: 198.51.100.0/24", "subnet 198.51.100.0/24, where containers get their addresses, holds 198.51.100.21"),
    ("docker_daemon_options: {bip: 198.51.100.1/24}", "docker_daemon_options: bip 198.51.100.0/24"),
    ("docker_daemon_options: {fixed-cidr: 198.51.0.0/16}", "docker_daemon_options: fixed-cidr 198.51.0.0/16"),
    ("docker_daemon_options: {bip: 10.32.0.1/24}", "bip 10.32.0.0/24 overlaps with docker_overlay_subnet 10.32.0.0/16"),
    ("docker_daemon_options: {bip: 10.200.0.1}", "bip must be an IPv4 address with the length of its network"),
    ("docker_daemon_options: {bip: 10.200.0.1/24, fixed-cidr: 10.201.0.0/25}", "fixed-cidr 10.201.0.0/25 does not lie in bip"),
    ("docker_daemon_options: {default-address-pools: [{base: 10.200.0.0/16, size: 8}]}", "size 8 must be between 16 and 30"),
    ("docker_daemon_options: {default-address-pools: 10.200.0.0/16}", "must be a list of {base"),
    ("docker_daemon_options: {hosts: ['fd://']}", "must not set hosts"),
    ("docker_daemon_options: {live-restore: true}", "sets live-restore, which a swarm excludes"),
]


@pytest.mark.parametrize(("text", "sentence"), NETWORKS)
def test_networks_of_containers_that_hold_the_hosts_or_each_other(tmp_path: Path, text: str, sentence: str) -> None:
    ((line, message),) = refusals(tmp_path, f"cluster_name: demo\n{text}")
    assert line == 4 and sentence in message


def test_networks_of_containers_that_nobody_uses(tmp_path: Path) -> None:
    assert refusals(tmp_path, """
docker_overlay_subnet: 10.64.0.0/16
docker_daemon_options: {bip: 10.2.0.1/24, fixed-cidr: 10.2.0.0/25, default-address-pools: [{base: 10.3.0.0/16, size: 24}]}""".strip()) == []
    assert refusals(tmp_path, "docker_overlay: none\ndocker_overlay_subnet: 198.51.100.0/24") == []


@pytest.mark.parametrize(("address", "sentence"), [
    ("10.32.1.11", "inventory.yml:5: docker_overlay_subnet 10.32.0.0/16, where containers get their addresses, holds 10.32.1.11"),
    ("172.17.0.11", "inventory.yml:5: Docker's default network 172.17.0.0/16 holds 172.17.0.11, the address of m1"),
])
def test_the_networks_that_docker_takes_when_nothing_is_said(tmp_path: Path, address: str, sentence: str) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text(f"masters:\n  hosts:\n    m2: {{ansible_host: 192.0.2.2}}\n    m3: {{ansible_host: 192.0.2.3}}\n"
                    f"    m1: {{ansible_host: {address}}}\n")
    try:
        said = "\n".join(load(path).warnings)
    except InventoryError as error:
        said = str(error)
    assert sentence in said.replace(f"{tmp_path}/", "")


def test_a_bridge_of_the_users_own_is_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    hosts = "masters:\n  hosts:\n    m1: {ansible_host: 172.17.0.11}\n"
    for options, told in (("{}", True), ("{bip: 10.200.0.1/24}", False)):
        path.write_text(f"all:\n  vars: {{docker_daemon_options: {options}}}\n{hosts}")
        assert any("172.17.0.0/16" in warning for warning in load(path).warnings) is told


def test_what_all_hosts_share_is_said_once_and_a_host_that_does_not_run_it_is_not_judged(tmp_path: Path) -> None:
    assert len(refusals(tmp_path, "mesos_agent_extra_flags: {nosuch: 1}\nmesos_master_extra_flags: {nosuch: 1}")) == 2
    assert refusals(tmp_path, "cluster_name: demo", "marathon_extra_flags: {nosuch: 1}") == []


def own_flags(role: str) -> dict[str, set[str]]:
    """The flags that a role's templates set, by the part of its program."""
    variables = internals(role)
    if role != "mesos":
        return {role: set(re.findall(r"'(\w+)':", variables[f"__{role}_own_flags"]))}
    common = set(variables["__mesos_common_flags"])
    return {part: common | set(re.findall(r"'(\w+)':", variables[f"__mesos_{part}_flags"])) for part in ("master", "agent")}


def owned(role: str) -> dict[str, dict[str, str]]:
    found: dict[str, Any] = internals(role)[f"__{role}_owned"]
    return found if role == "mesos" else {role: found}


@pytest.mark.parametrize("role", FLAGGED)
def test_what_a_role_sets_is_named_as_owned_or_meant_to_be_changed(role: str) -> None:
    free = {"hostname_lookup", "executor_registration_timeout", "reconfiguration_policy", "mesos_user", "user"}
    for part, names in own_flags(role).items():
        assert len(names) > 5 and names - free == set(owned(role)[part]) & names
        known = known_flags(role)
        assert set(owned(role)[part]) <= set(known[part] if role == "mesos" else known)


@pytest.mark.parametrize("role", FLAGGED)
def test_a_refusal_names_a_variable_that_an_inventory_may_set(role: str) -> None:
    named = {instead for part in owned(role).values() for instead in part.values() if instead}
    assert named and named <= set(load_schema().settable())


@pytest.mark.parametrize("role", [*FLAGGED, "registrator"])
def test_the_role_asks_the_same_function_with_the_same_lists(role: str) -> None:
    problems = internals(role)[f"__{role}_problems"]
    assert re.search(r"flag_problems\(", problems) and (f"__{role}_owned" in problems or role == "registrator")


def test_checking_imports_nothing_of_ansible(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    inventory = {"all": {"vars": {"mesos_agent_extra_flags": {"strict": False}, "mesos_agent_attributes": {"rack": 1}}, "children": {
        "masters": {"hosts": {"m1": {"ansible_host": "198.51.100.11"}}}, "agents": {"hosts": {"m1": {}}}}}}
    path.write_text(yaml.safe_dump(inventory))
    code = ("import sys; from pathlib import Path; from provisioner.inventory.load import load; load(Path(sys.argv[1])); "
            "sys.exit(any(name.split('.')[0] in ('ansible', 'ansible_collections') for name in sys.modules))")
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == 0


@pytest.mark.parametrize(("principals", "sentence"), [
    ({"a:b": {"secret": "x"}}, "'a:b' is no principal"), ({"marathon": {"secret": "x"}}, "one of the cluster's own"),
    ({"spark": {"roles": ["x"]}}, "spark has no secret"), ({"spark": {"secret": "x"}}, ""),
])
def test_principals_that_mesos_would_not_know(principals: dict[str, Any], sentence: str) -> None:
    found = list(problems({"mesos_principals": principals}))
    assert [(variable, sentence in message) for variable, message in found] == ([("mesos_principals", True)] if sentence else [])


def test_networks_that_are_none_are_answered_with_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text("all:\n  vars:\n    cluster_networks: [10.1.0.7/16]\n" + HOSTS)
    with pytest.raises(InventoryError) as caught:
        load(tmp_path / "inventory.yml")
    assert "→ write a list, as in [10.1.0.0/16, 10.2.0.5-10.2.0.9]" in str(caught.value)
    assert "Where the hosts' addresses" not in str(caught.value), "that is what it is for, not what to do"


@pytest.mark.parametrize(("written", "named"), [
    ("cluster_access: open\n    cluster_networks: [198.51.100.0/24]", "cluster_networks"),
    ("cluster_access: open\n    cluster_operator_networks: [10.0.0.0/8]", "cluster_operator_networks"),
    ("cluster_access: open\n    common_firewall: managed\n    cluster_networks: [198.51.100.0/24]", ""),
    ("cluster_networks: [198.51.100.0/24]", ""),
])
def test_what_only_a_closed_cluster_reads_is_said_of_an_open_one(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str, named: str) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text(f"all:\n  vars:\n    {written}\n" + HOSTS)
    assert main(["validate", "--hosts", str(path)]) == 0
    said = capsys.readouterr().err
    assert (f"{named}: without effect, as this cluster is open" in said) is bool(named) and ("without effect" in said) is bool(named)


def test_a_cluster_that_was_built_open_reads_them_no_more_than_one_that_is_to_be(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text("all:\n  vars:\n    cluster_operator_networks: [10.0.0.0/8]\n" + HOSTS)
    context = Context(path)
    ledger.save(context.cluster, replace(context.ledger, access=""))
    main(["validate", "--hosts", str(path)])
    assert "cluster_operator_networks: without effect" in capsys.readouterr().err


@pytest.mark.parametrize(("below", "cure"), [
    ("cluster_networks=198.51.100.0/24", """cluster_networks=["one", "two"] below [all:vars]"""),
    ("cluster_networks=['198.51.100.7/24']", """cluster_networks=["10.1.0.0/16", "10.2.0.5-10.2.0.9"] below [all:vars]"""),
    ("docker_daemon_options={'debug': true}", """docker_daemon_options={"key": True} below [all:vars]"""),
    ("consul_domain=5", """consul_domain='5' below [all:vars]"""),
    ("[masters:vars]\ncluster_access=open", "write it once, below [all:vars]"),
])
def test_in_an_ini_file_the_cure_is_written_as_ini_and_it_cures(tmp_path: Path, below: str, cure: str) -> None:
    path = tmp_path / "hosts"
    head = "[masters]\nm1 ansible_host=198.51.100.11\n[agents]\na1 ansible_host=198.51.100.21\n[all:vars]\n"
    path.write_text(f"{head}{below}\n")
    with pytest.raises(InventoryError) as caught:
        load(path)
    assert cure in caught.value.hint and "- item" not in caught.value.hint
    meant = {"one\", \"two": "198.51.100.0/24", "10.1.0.0/16\", \"10.2.0.5-10.2.0.9": "198.51.100.0/24", "key": "debug",
             "write it once, below [all:vars]": "cluster_access=open below"}
    for shown, own in meant.items():
        cure = cure.replace(shown, own)
    path.write_text(head + cure.partition(" below")[0] + "\n")
    load(path)


@pytest.mark.parametrize(("key", "said"), [
    ("registry-mirror", "has the key registry-mirror, .*: did you mean registry-mirrors\\?$"), ("debg", "did you mean debug"),
    ("log-opts", ""), ("swarm-raft-election-tick", ""), ("xyzzy", "has the key xyzzy, and it does not start with one that it lacks$"),
])
def test_a_key_that_no_dockerd_knows_is_a_warning_with_the_nearest_one(tmp_path: Path, key: str, said: str) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text(f"all:\n  vars:\n    docker_daemon_options: {{{key}: {{}}}}\n" + HOSTS)
    found = [w for w in load(path).warnings if "docker_daemon_options" in w]
    assert len(found) == bool(said) and all(re.search(said, w) and w.startswith(f"{path}:3: ") for w in found)
