"""What a wrong inventory is told: what, where, and what to do about it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from provisioner.errors import InventoryError
from provisioner.inventory.load import load
from provisioner.state.yaml_document import SIZE_MAX
from tests.unit.builders import SCHEMA, THREE, load_text, refusal

pytestmark = pytest.mark.usefixtures("ansible_is_loaded")
AGENTS = "agents:\n  hosts:\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(6))

ONE_MISTAKE = [
    # Structure.
    ("", "inventory.yml: the inventory is empty\n→ 'provision init'"),
    ("---\n# nothing\n", "inventory.yml: the inventory is empty"),
    ("- a\n", "inventory.yml:1: an inventory is a mapping of groups"),
    ("all:\n", "inventory.yml: no hosts\n→ name them below"),
    (
        "masters:\n  hosts: [m1]\n",
        "inventory.yml:2: hosts must be a mapping\n→ write every name on its own line with a ':'",
    ),
    ("masters:\n  hosts: m1\n", "inventory.yml:2: hosts must be a mapping"),
    ("masters:\n  hosts:\n    m1: up\n", "inventory.yml:3: host 'm1' must be a mapping"),
    (
        THREE + "agnets:\n  hosts: {a1: }\n",
        "inventory.yml:4: group 'agnets' is no component\n→ did you mean agents? A group of your own",
    ),
    (THREE + "agents:\n  host:\n", "inventory.yml:5: unknown key in group agents: 'host'\n→ did you mean hosts?"),
    ("masters: {children: {agents: {children: {masters: }}}}", "inventory.yml:1: group agents contains itself"),
    ("masters: {children: {masters: }}", "inventory.yml:1: group masters contains itself"),
    ("masters: {children: {all: }}", "inventory.yml:1: the group all can't be inside another group"),
    # YAML.
    (THREE + "agents: [\n", "inventory.yml:5: broken YAML: while parsing a flow node"),
    ("masters:\n\thosts:\n", "inventory.yml:2: broken YAML: while scanning for the next token found character"),
    ("masters:\n\thosts:\n", "→ indent with spaces: this line has a tab"),
    ("masters:\n\u00a0\u00a0hosts:\n", "inventory.yml:2: a no-break space (U+00A0) is part of this text\n→ type a plain space"),
    (
        THREE + "masters:\n",
        "inventory.yml:4: 'masters' is written twice here, first in line 1\n→ remove one of them",
    ),
    (THREE + "---\n" + THREE, "inventory.yml:4: a second document starts here"),
    ("a: *b\n", "inventory.yml:1: YAML parsing failed: Found undefined alias"),
    (
        "all: !!python/object:os.system {}",
        "inventory.yml:1: YAML parsing failed: Could not determine a constructor for the tag 'tag:yaml.org,2002:python/object:os.system'",
    ),
    (THREE + "  vars: {ansible_password: !vault x}", "inventory.yml:4: "),
    ("[" * 30, "inventory.yml:1: more than 20 levels deep"),
    ("all:\n  vars: {a: \x00}", "inventory.yml:2: character U+0000 is not accepted"),
    (
        'all:\n  vars: {a: "\\0"}',
        "inventory.yml:2: character U+0000 is not accepted\n→ remove this escape sequence",
    ),
    ("all:\n  # \u202e\n", "inventory.yml:2: character U+202E is not accepted"),
    (THREE + "  vars: {consul_domain: 12:30}", "inventory.yml:4: consul_domain must be text, not a number (given: 750)\n→ put it"),
    (THREE + "  vars: {zookeeper_tick_factor: .inf}", "inventory.yml:4: '.inf' is too large a number"),
    (THREE + f"  vars: {{zookeeper_heap_mb: 0x{'f' * 99}}}", "is too large a number"),
    # Variables.
    (
        THREE + "  vars: {ansible_prot: 22}",
        "inventory.yml:4: unknown variable 'ansible_prot'\n→ did you mean ansible_port?",
    ),
    (
        THREE + "  vars: {zookeeper_heap: 1}",
        "did you mean zookeeper_heap_mb?",
    ),
    (THREE + "  vars: {zookeper_heap_mb: 1}", "unknown variable 'zookeper_heap_mb'\n→ did you mean zookeeper_heap_mb?"),
    (
        THREE + "  vars: {consul_servers: []}",
        "inventory.yml:4: consul_servers can't be set: the driver computes it",
    ),
    (THREE + "  vars: {zookeeper_id: 3}", "inventory.yml:4: m2 has the same zookeeper_id as m1"),
    (THREE + "  vars: {cluster_address: 10.0.0.1}", "inventory.yml:4: m2 has the same address as m1"),
    (
        THREE + "  vars: {cluster_name: a}\n" + AGENTS + "    a1:\n",
        "inventory.yml:4: cluster_name holds for the whole cluster, but is not the same on m1 and a1\n→ write it once, in 'vars'",
    ),
    ("masters: {hosts: {m1: {cluster_name: a}, m2: {cluster_name: b}, m3: }}", "but is not the same on m1 and m2"),
    (
        THREE + "  vars: {marathon_port: '80a'}",
        "inventory.yml:4: marathon_port must be an integer, not text (given: '80a')\n→ write digits",
    ),
    (THREE + "  vars: {marathon_port: yes}", "marathon_port must be an integer, not true or false"),
    (THREE + "  vars: {marathon_port: 70000}", "marathon_port must be between 1 and 65535 (given: 70000)"),
    (THREE + "  vars: {marathon_port: }", "marathon_port has no value"),
    (THREE + "  vars: {docker_overlay: off}", "docker_overlay must be text, not true or false (given: false)\n→ put it in quotes"),
    (
        THREE + "  vars: {docker_overlay: vxlan}",
        "docker_overlay is none of its choices (given: 'vxlan')\n→ one of: none, swarm, cluster_store",
    ),
    (
        THREE + "  vars: {dns_upstream: 192.0.2.1}",
        "dns_upstream must be a list, not text (given: '192.0.2.1')\n→ write one '- item' per line",
    ),
    (THREE + "  vars: {dns_upstream: [a, 1]}", "dns_upstream item 2 must be text, not a number (given: 1)"),
    (THREE + "  vars: {kernel_upgrade: 'yes!'}", "kernel_upgrade must be true or false, not text"),
    (THREE + "  vars: {docker_daemon_options: []}", "docker_daemon_options must be a mapping, not a list"),
    (THREE + "  vars: {consul_domain: 1.10}", "consul_domain must be text, not a number"),
    (
        THREE + "  vars: {ansible_user: '{{ nobody }}'}",
        "inventory.yml:4: ansible_user can't be filled in: 'nobody' is undefined\n→ define what it names",
    ),
    (THREE + "  vars: {docker_daemon_options: {a: [{b: '{{ nobody }}'}]}}", "docker_daemon_options can't be filled in: 'nobody' is"),
    (THREE + "  vars: {ansible_user: '-oProxyCommand=x'}", "ansible_user is not a login name"),
    (THREE + "  vars: {ansible_user: 'a b'}", "ansible_user is not a login name"),
    (THREE + "  vars: {ansible_connection: docker}", "ansible_connection is none of its choices (given: 'docker')\n→ one of: ssh, local"),
    (THREE + "  vars: {ansible_become: no}", "ansible_become is none of its choices"),
    (
        THREE + "  vars: {ansible_python_interpreter: python3 -B}",
        "ansible_python_interpreter must be an absolute path",
    ),
    (THREE + '  vars: {ansible_ssh_common_args: "-v\\nb"}', "ansible_ssh_common_args can't be read: 'b' is no option of ssh"),
    (THREE + "all: {vars: {cluster_name: A_b}}", "inventory.yml:4: cluster_name must be made of a-z, 0-9 and '-'"),
    (THREE + "all: {vars: {cluster_name: ../x}}", "cluster_name must be made of"),
    (THREE + "all: {vars: {cluster_name: ''}}", "cluster_name must be made of"),
    (
        THREE + "all: {vars: {cluster_mirror: 'ftp://x'}}",
        "cluster_mirror must be a URL like http://mirror.example.com",
    ),
    (THREE + "all: {vars: {cluster_mirror: 'http://u:p@x'}}", "cluster_mirror must not carry a password"),
    (THREE + "all: {vars: {cluster_registry: x}}", "cluster_registry must be host:port"),
    (
        THREE + "all: {vars: {cluster_versions: {mesos: 1.1}}}",
        "cluster_versions must have the version of mesos in quotes",
    ),
    (
        THREE + "all: {vars: {cluster_versions: {meso: '1'}}}",
        "cluster_versions names no component: 'meso'; valid: chronos,",
    ),
    # Hosts.
    ("masters: {hosts: {M1: }}", "inventory.yml:1: host name 'M1' must be made of a-z, 0-9 and '-'"),
    ("masters: {hosts: {m_1: }}", "host name 'm_1' must be made of"),
    ("masters: {hosts: {'m1;reboot': }}", "host name 'm1;reboot' must be made of"),
    ("masters: {hosts: {Web_1.example.com: }}", "call it web-1.example.com, and write ansible_host: Web_1.example.com below it if"),
    ("masters: {hosts: {'2001:db8::1': }}", "give the host a name, and write ansible_host: '2001:db8::1' below it"),
    ("masters: {hosts: {'m 1': }}", "and start with a letter or digit: remove the space (U+0020)"),
    ("masters: {hosts: {-m1: }}", "host name '-m1' must be made of"),
    (f"masters: {{hosts: {{{'m' * 300}: }}}}", "a host name has at most 253 characters"),
    ("masters: {hosts: {marathon: }}", "a host can't have the name of the group marathon"),
    ("masters: {hosts: {'m[3:1]': }}", "host 'm[3:1]': the range ends before it starts"),
    ("masters: {hosts: {'m[1:999999999]': }}", "host 'm[1:999999999]': this names more than 100,000 hosts"),
    ("masters: {hosts: {'m[1:999][1:999]': }}", "this names more than 100,000 hosts"),
    ("masters: {hosts: {'m[1-3]': }}", "a range is written like m[1:3], m[01:10], m[0:9:3] or m[a:c]"),
    ("masters: {hosts: {'m[01:100]': }}", "both ends of a range with leading zeros must be equally long"),
    (
        THREE + AGENTS + "    a1: {ansible_host: 10.0.0.300}",
        "inventory.yml:6: ansible_host is neither an IP address nor a DNS name",
    ),
    (THREE + AGENTS + "    a1: {ansible_host: 0.0.0.0}", "ansible_host is not the address of one machine"),
    (
        THREE + AGENTS + "    a1: {ansible_host: '10.0.0.1 -x'}",
        "ansible_host is neither an IP address nor a DNS name",
    ),
    (THREE + AGENTS + "    a1: {ansible_port: 0}", "inventory.yml:6: ansible_port must be between 1 and 65535"),
    (THREE + AGENTS + "    a1: {cluster_address: '::1'}", "cluster_address must be an IPv4 address or a DNS name"),
    (THREE + AGENTS + "    a1: {zookeeper_id: 256}", "zookeeper_id must be between 1 and 255"),
    # The cluster as a whole.
    (
        "agents: {hosts: {a1: }}\nlogstash_server: {hosts: {a1: }}",
        "inventory.yml: no host is in zookeeper, consul_server, mesos_master",
    ),
    (THREE + "logstash_server:\n", "inventory.yml: no host is in logstash_server"),
    (
        "masters: {hosts: {'m[1:2]': }}",
        "inventory.yml: there are 2 hosts in zookeeper, consul_server, mesos_master\n→ make it 1, 3, 5, 7 or 9",
    ),
    ("masters: {hosts: {'m[1:11]': }}", "there are 11 hosts in zookeeper, consul_server, mesos_master"),
    (THREE + "consul_server: {hosts: {m1: , m2: }}", "inventory.yml: there are 2 hosts in consul_server"),
    (
        THREE + AGENTS + "    a1: {ansible_host: 192.0.2.1}\n    a2:\n      ansible_host: 192.0.2.1\n      cluster_address: 10.0.0.2",
        "inventory.yml:8: a2 connects to the same address and port as a1 (inventory.yml:6)",
    ),
    (
        THREE + AGENTS + "    a1: {ansible_host: 192.0.2.1}\n    a2: {ansible_host: 192.0.2.1, ansible_port: 2222}",
        "inventory.yml:7: a2 has the same address as a1 (inventory.yml:6)\n→ every host needs a cluster_address",
    ),
    (THREE + AGENTS + "    a1: {cluster_address: m1}", "m1 has the same address as a1"),
    (
        "zookeeper: {hosts: {z1: {zookeeper_id: 1}, z2: {zookeeper_id: 1}, z3: }}\n" + THREE,
        "z2 has the same zookeeper_id as z1",
    ),
    (THREE + AGENTS + "    a1: {ansible_host: 'fd00::1'}", "inventory.yml:6: a1 has only an IPv6 address"),
    (
        THREE + AGENTS + "    a1: {ansible_host: 127.0.0.1}",
        "inventory.yml:6: the other hosts can't reach a1 at '127.0.0.1'",
    ),
    (THREE + AGENTS + "    localhost:", "the other hosts can't reach localhost at 'localhost'"),
    (
        THREE + "  vars: {marathon_port: 5050}",
        "inventory.yml:4: on m1 and 2 more hosts: Marathon (marathon_port: 5050) and the Mesos master (mesos_master_port: 5050) overlap",
    ),
    (
        THREE + AGENTS + "    m1: {mesos_agent_resources: 'ports(*):[3000-4000]'}",
        "inventory.yml:6: on m1: tasks of the Mesos agent (mesos_agent_resources: 3000-4000) and ZooKeeper's election",
    ),
    (
        THREE + "  vars: {marathon_port: 31500}\n" + AGENTS + "    m1:",
        "tasks of the Mesos agent (mesos_agent_resources: 31000-32000) and Marathon",
    ),
    (
        THREE + AGENTS + "    a1: {mesos_agent_resources: 'ports:[31000]'}",
        "inventory.yml:6: mesos_agent_resources cannot be read: '[31000]' is no [range], like [31000-32000]",
    ),
    (THREE + AGENTS + "    a1: {mesos_agent_resources: 'lots'}", "mesos_agent_resources cannot be read: 'lots' is not name:value"),
    (THREE + AGENTS + "    a1: {mesos_agent_resources: '[1]'}", "mesos_agent_resources cannot be read"),
    (
        THREE + AGENTS + "    a1: {mesos_agent_resources: 'ports:[5-1]'}",
        "mesos_agent_resources: [(5, 1)] are no ranges of ports",
    ),
    (
        THREE + AGENTS + "    m1: {mesos_agent_resources: 'ports:[5000-9000]'}",
        "tasks of the Mesos agent (mesos_agent_resources: 5000-9000) and Marathon (marathon_port: 8080) overlap",
    ),
    (
        THREE + AGENTS + "    m1: {ansible_port: 2222, cluster_address: 10.0.0.1, marathon_port: 22}",
        "Marathon (marathon_port: 22) and sshd (22) overlap",
    ),
    ("masters: {hosts: {m\u200b1: }}", "host name 'm\\u200b1' must be made of"),
    (
        THREE + "  vars: {ansible_port: 8080}",
        "Marathon (marathon_port: 8080) and sshd (ansible_port: 8080) overlap",
    ),
    (
        THREE + "  vars: {docker_overlay: swarm, marathon_port: 2377}",
        "Docker swarm's managers (2377) and Marathon (marathon_port: 2377) overlap",
    ),
]


@pytest.mark.parametrize(("text", "expected"), ONE_MISTAKE, ids=[expected[:60] for _, expected in ONE_MISTAKE])
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refusal(tmp_path, text)


def test_masters_may_be_agents_too(tmp_path: Path) -> None:
    assert load_text(tmp_path, THREE + "agents: {children: {masters: }}").warnings == ()


def test_the_port_of_an_address_translator_is_not_one_of_the_host(tmp_path: Path) -> None:
    load_text(tmp_path, "masters: {hosts: {m1: {ansible_host: 192.0.2.1, ansible_port: 8080, cluster_address: 10.0.0.1}}}")


def test_json_resources_are_understood(tmp_path: Path) -> None:
    resources = '[{"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 2000, "end": 3000}]}}]'
    text = THREE + AGENTS + f"    m1: {{mesos_agent_resources: '{resources}'}}"
    assert "(mesos_agent_resources: 2000-3000)" in refusal(tmp_path, text)


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = "all:\n  vars:\n    ansible_prot: 1\n    cluster_name: A\n  children:\n    agnets:\n"
    assert refusal(tmp_path, text) == (
        "inventory.yml: 3 problems\n"
        "  inventory.yml:3: unknown variable 'ansible_prot'\n"
        "    → did you mean ansible_port?\n"
        "  inventory.yml:4: cluster_name must be made of a-z, 0-9 and '-', at most 63 characters (given: 'A')\n"
        "    → Name of the cluster: a-z, 0-9 and '-'. State is kept under it.\n"
        "  inventory.yml:6: group 'agnets' is no component\n"
        "    → did you mean agents? A group of your own needs a name that can't be taken for it"
    )


def test_countless_mistakes_are_counted(tmp_path: Path) -> None:
    text = "all:\n  vars:\n" + "".join(f"    ansible_prot{i}: 1\n" for i in range(20_000))
    started = time.process_time()
    error = refusal(tmp_path, text)
    assert error.startswith("inventory.yml: 20000 problems\n")
    assert error.endswith("\n  and 19980 more")
    assert time.process_time() - started < 20, "on a busy machine too"


def test_variables_of_others_are_not_counted_among_countless_mistakes(tmp_path: Path) -> None:
    text = "all:\n  vars:\n" + "".join(f"    ansible_prot{i}: 1\n    theirs{i}: 1\n" for i in range(100))
    assert refusal(tmp_path, text).startswith("inventory.yml: 100 problems\n")


def test_a_password_is_never_repeated(tmp_path: Path) -> None:
    for value in ("[hunter2]", "{hunter2: 1}", "'{{ hunter2 }}'", '"hunter2\\nx"'):
        assert "hunter2" not in refusal(tmp_path, THREE + f"  vars: {{ansible_password: {value}}}")


def test_a_bomb_costs_nothing(tmp_path: Path) -> None:
    assert len(BOMB) < 350
    load_text(tmp_path, THREE)
    started = time.process_time()
    refusal(tmp_path, BOMB)
    assert time.process_time() - started < 2, "unfolded it takes minutes"


@pytest.mark.parametrize("text", ["[" * 10**6, "{a," + "a," * 400_000, "? " * 500_000, "- a\n" * 250_000, "!" * 10**6, "'" * 10**6])
def test_a_large_hostile_file_ends_soon(tmp_path: Path, text: str) -> None:
    started = time.process_time()
    refusal(tmp_path, text)
    assert time.process_time() - started < 20, "on a busy machine too: a quadratic one takes minutes"


def test_what_only_ansible_can_read_is_refused_as_soon_and_as_briefly(tmp_path: Path) -> None:
    assert len(refusal(tmp_path, "!" * 10**6)) < 5000
    (tmp_path / "hosts").write_text("[masters]\n" + "m" * 10**6)
    with pytest.raises(InventoryError, match="a line is longer than 100,000 bytes"):
        load(tmp_path / "hosts", SCHEMA)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "large.yml").write_bytes(b"#" * (SIZE_MAX + 1))
    (tmp_path / "latin1.yml").write_bytes(b"all:\n  # \xe9\n")
    os.mkfifo(tmp_path / "pipe.yml")
    expected = {
        "large.yml": "large.yml: the file is larger than 8192 KiB",
        "latin1.yml": "latin1.yml:2: the file is not UTF-8 text",
        "pipe.yml": "pipe.yml: this is not a regular file",
        "missing.yml": "missing.yml: no such file\n→ 'provision init'",
        "large.yml/x": "large.yml/x: can't read the file: Not a directory",
        ".": "pipe.yml: this is not a regular file",
        "a\0b": "can't read the file: embedded null byte",
    }
    for name, message in expected.items():
        with pytest.raises(InventoryError) as caught:
            load(tmp_path / name, SCHEMA)
        assert message in str(caught.value)
