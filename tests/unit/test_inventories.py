"""Every kind of inventory that Ansible reads: what `provision` makes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli import main
from provisioner.cluster.model import Cluster
from provisioner.context import Context
from provisioner.errors import InventoryError
from provisioner.inventory import by_ansible
from provisioner.inventory.by_ansible import Vault
from provisioner.inventory.described import Secret
from provisioner.inventory.find import namesakes
from provisioner.inventory.load import load
from provisioner.inventory.move import guess
from provisioner.inventory.render import inventory_secrets, to_json
from provisioner.run.execute import open_playbooks
from provisioner.state import secrets

pytestmark = pytest.mark.usefixtures("ansible_is_loaded")
PASSWORD = "opens it"
INI = """\
[masters]
m1 ansible_host=198.51.100.11 ansible_user=root

[agents]
a[1:2] own="some thing"

[agents:vars]
mesos_agent_resources='cpus:4;mem:4096'
kernel_upgrade=no

[all:vars]
cluster_name=demo
cluster_authentication=no
zookeeper_heap_mb=768
"""
PLAIN = """\
all:
  vars: {cluster_name: demo}
  children:
    masters: {hosts: {m1: {ansible_host: 198.51.100.11}}}
    agents: {hosts: {a1: {ansible_host: 198.51.100.21}}}
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def written(folder: Path, files: Mapping[str, str]) -> Path:
    """The files, below a folder; gives the path of the first."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / next(iter(files))


def vault(folder: Path) -> Vault:
    (folder / "password").write_text(f"{PASSWORD}\n")
    return Vault((str(folder / "password"),))


def encrypted(folder: Path, text: str) -> str:
    """As `ansible-vault encrypt_string` writes it, below `name: !vault |`."""
    from ansible.parsing.vault import VaultLib, VaultSecret

    vault(folder)
    found: bytes = VaultLib([("default", VaultSecret(PASSWORD.encode()))]).encrypt(text)
    return found.decode()


def inline(folder: Path, text: str, indent: int) -> str:
    lines = encrypted(folder, text).splitlines()
    return "!vault |\n" + "".join(f"{' ' * indent}{line}\n" for line in lines)


def rendered_of(cluster: Cluster) -> dict[str, Any]:
    return Context(cluster.path, cluster=cluster).rendered


def refused(path: Path, **more: Any) -> str:
    with pytest.raises(InventoryError) as caught:
        load(path, **more)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_ini(tmp_path: Path) -> None:
    for name in ("hosts", "hosts.ini", "inventory.cfg"):
        cluster = load(written(tmp_path, {name: INI}))
        assert [h.name for h in cluster.hosts] == ["a1", "a2", "m1"]
        assert (cluster.name, cluster.variables["cluster_authentication"]) == ("demo", False)
        m1, a1 = cluster.host("m1"), cluster.host("a1")
        assert (m1.address, m1.user, m1.variables["zookeeper_heap_mb"]) == ("198.51.100.11", "root", 768)
        assert (a1.variables["kernel_upgrade"], a1.variables["own"]) == (False, "some thing")


def test_what_a_wrong_ini_file_is_told(tmp_path: Path) -> None:
    error = refused(written(tmp_path, {"hosts": "[masters:boxes]\nm1\n"}))
    assert "hosts: Failed to parse inventory: Section [masters:boxes] has unknown type: boxes" in error
    error = refused(written(tmp_path, {"hosts": "[masters]\nm1 zookeeper_hep_mb=3\n"}))
    assert "unknown variable 'zookeeper_hep_mb'\n→ did you mean zookeeper_heap_mb?" in error


def test_a_converted_inventory_is_accepted(tmp_path: Path) -> None:
    """`ansible-inventory --list --yaml` writes every variable at every host, and INI's texts as texts."""
    path = written(tmp_path, {"inventory.yml": """\
all:
  children:
    masters: {hosts: {m1: {ansible_host: 198.51.100.11, cluster_name: demo, cluster_authentication: 'no', zookeeper_heap_mb: '768'}}}
    agents: {hosts: {a1: {ansible_host: 198.51.100.21, cluster_name: demo, cluster_authentication: 'no'}}}
"""})
    cluster = load(path)
    assert (cluster.name, cluster.variables["cluster_authentication"]) == ("demo", False)
    assert cluster.host("m1").variables["zookeeper_heap_mb"] == 768


def test_variables_beside_the_inventory(tmp_path: Path) -> None:
    path = written(tmp_path, {"inventory.yml": PLAIN, "group_vars/all.yml": "ansible_user: ops\ncluster_registry: r.example.com:5000\n",
                              "group_vars/agents/more.yml": "mesos_agent_resources: 'cpus:4;mem:4096'\n",
                              "host_vars/m1.yml": "ansible_host: 198.51.100.99\n"})
    cluster = load(path)
    assert (cluster.host("m1").address, cluster.host("m1").user) == ("198.51.100.99", "ops")
    assert cluster.host("a1").variables["mesos_agent_resources"] == "cpus:4;mem:4096"
    assert cluster.variables["cluster_registry"] == "r.example.com:5000"
    (tmp_path / "group_vars/all.yml").write_text("ansible_user: ops\ncluster_registry: 'r'\n")
    assert "group_vars/all.yml:2: cluster_registry must be host:port" in refused(path)


def test_a_directory(tmp_path: Path) -> None:
    written(tmp_path, {"site/hosts.ini": "[masters]\nm1 ansible_host=198.51.100.11\n", "site/agents.yml": "agents: {hosts: {a1: }}\n",
                       "site/group_vars/all.yml": "cluster_name: demo\n"})
    cluster = load(tmp_path / "site")
    assert (cluster.name, [h.name for h in cluster.hosts]) == ("demo", ["a1", "m1"])
    assert cluster.state_dir == tmp_path / ".provision" / "demo"


def test_anchors_and_merge_keys(tmp_path: Path) -> None:
    path = written(tmp_path, {"inventory.yml": """\
all: {vars: {cluster_name: demo}}
masters: {hosts: {m1: &common {ansible_host: 198.51.100.11, ansible_user: ops}}}
agents: {hosts: {a1: {<<: *common, ansible_host: 198.51.100.21}}}
"""})
    a1 = load(path).host("a1")
    assert (a1.address, a1.user, a1.where) == ("198.51.100.21", "ops", f"{path}:3")


def test_templates_are_filled_in(tmp_path: Path) -> None:
    path = written(tmp_path, {"inventory.yml": """\
all: {vars: {cluster_name: "{{ site }}-{{ stage }}", site: demo, stage: prod, ansible_user: "{{ login | default('ops') }}"}}
masters: {hosts: {m1: {ansible_host: "198.51.100.{{ 10 + number }}", number: 1}}}
agents: {hosts: {a1: {ansible_host: 198.51.100.21, own: "{{ ansible_facts['hostname'] }}"}}}
"""})
    cluster = load(path)
    assert (cluster.name, cluster.host("m1").address, cluster.host("m1").user) == ("demo-prod", "198.51.100.11", "ops")
    # What is not ours is for Ansible to fill in.
    assert rendered_of(cluster)["all"]["hosts"]["a1"]["own"] == "{{ ansible_facts['hostname'] }}"
    path.write_text(path.read_text().replace("number: 1", "numbr: 1"))
    assert "inventory.yml:2: ansible_host can't be filled in: 'number' is undefined" in refused(path)


def test_a_script(tmp_path: Path) -> None:
    answer = {"masters": {"hosts": ["m1"]}, "agents": {"hosts": ["a1"]}, "all": {"vars": {"cluster_name": "demo"}},
              "_meta": {"hostvars": {"m1": {"ansible_host": "198.51.100.11"}, "a1": {"ansible_host": "198.51.100.21"}}}}
    program = f"#!{sys.executable}\nopen('{tmp_path}/asked', 'a').write('x')\nprint({json.dumps(answer)!r})\n"
    path = written(tmp_path, {"terraform.py": program})
    path.chmod(0o755)
    for _ in range(2):
        assert [h.address for h in load(path).hosts] == ["198.51.100.21", "198.51.100.11"]
    assert len((tmp_path / "asked").read_text()) >= 2, "what a script said once may not be what it says now"
    path.write_text("#!/bin/sh\necho 'no such region' >&2\nexit 3\n")
    assert "terraform.py" in refused(path)


def test_a_plugin(tmp_path: Path) -> None:
    written(tmp_path, {"site/1-hosts.yml": PLAIN.replace("masters:", "boxes:").replace("    agents:", "    nodes:"),
                       "site/2-groups.yml": "plugin: ansible.builtin.constructed\nstrict: true\n"
                       "groups: {masters: inventory_hostname == 'm1', agents: inventory_hostname.startswith('a')}\n"})
    cluster = load(tmp_path / "site")
    assert [h.name for h in cluster.members("zookeeper")] == ["m1"]
    assert [h.name for h in cluster.members("mesos_agent")] == ["a1"]
    error = refused(written(tmp_path, {"inventory.yml": "plugin: netbox.netbox.nb_inventory\napi_endpoint: https://netbox.example.com\n"}))
    assert "netbox.netbox.nb_inventory" in error and "ansible-galaxy collection install" in error


def test_own_groups(tmp_path: Path) -> None:
    cluster = load(written(tmp_path, {"inventory.yml": """\
all: {vars: {cluster_name: demo}}
masters: {hosts: {m1: {ansible_host: 198.51.100.11}}}
agents:
  children:
    agents_private: {vars: {mesos_agent_attributes: {kind: private}}, hosts: {a1: {ansible_host: 198.51.100.21}}}
    rack=2: {vars: {mesos_agent_attributes: {kind: public}}, hosts: {a2: {ansible_host: 198.51.100.22}}}
"""}))
    assert [h.variables["mesos_agent_attributes"] for h in cluster.members("mesos_agent")] == [{"kind": "private"}, {"kind": "public"}]
    assert "rack=2" in cluster.host("a2").groups
    assert rendered_of(cluster)["all"]["children"]["rack=2"] == {"hosts": {"a2": {}}}
    assert not [w for w in cluster.warnings if "rack" in w]


def test_machines_of_others_in_the_same_inventory_are_left_alone(tmp_path: Path) -> None:
    cluster = load(written(tmp_path, {"inventory.yml": PLAIN + "    webservers: {hosts: {Web_1: }}\n"}))
    assert [h.name for h in cluster.hosts] == ["a1", "m1"]
    assert [w for w in cluster.warnings if w.startswith("Web_1 will be left alone: only in groups of your own (webservers)")]


def test_an_inventory_of_own_groups_alone_is_told_what_to_do(tmp_path: Path) -> None:
    text = "all: {children: {role=control: {hosts: {control-01: , control-02: }}, dc=dc1: {hosts: {control-01: }}}}\n"
    error = refused(written(tmp_path, {"inventory.yml": text}))
    assert "no host is in a group that says what runs on it; your own groups: dc=dc1, role=control\n→ put them into masters" in error
    assert "'provision init --from" in error


def test_a_component_switched_off_by_an_empty_group_is_said_aloud(tmp_path: Path) -> None:
    cluster = load(written(tmp_path, {"inventory.yml": PLAIN + "    chronos: {hosts: {}}\n"}))
    assert cluster.members("chronos") == ()
    assert [w for w in cluster.warnings if w.startswith("group chronos (") and "is on no host: remove the group" in w]


def test_a_group_for_what_is_on_every_host_restricts_nothing(tmp_path: Path) -> None:
    cluster = load(written(tmp_path, {"inventory.yml": PLAIN + "    docker: {hosts: {a1: }}\n"}))
    assert len(cluster.members("docker")) == 2
    assert [w for w in cluster.warnings if w.startswith("group docker (") and "restricts nothing" in w]


def test_a_value_written_twice_is_a_warning_and_the_later_holds(tmp_path: Path) -> None:
    path = written(tmp_path, {"inventory.yml": PLAIN + "  hosts: {m1: {ansible_host: 198.51.100.12}}\n"})
    cluster = load(path)
    assert cluster.host("m1").address == "198.51.100.12"
    assert "ansible_host of m1 is written twice: the value in line 6 holds, not that in line 4" in cluster.warnings


# --- secrets and braces ---------------------------------------------------------------------------------------------


@pytest.fixture
def vaulted(tmp_path: Path) -> Path:
    text = "all:\n  vars:\n    cluster_name: demo\n    ansible_become_password: " + inline(tmp_path, "hid{{den", 6)
    text += "    docker_daemon_options: {log-opts: {splunk-token: '{{ token }}'}}\n"
    path = written(tmp_path, {"inventory.yml": text + PLAIN.partition("\n")[2].partition("\n")[2]})
    written(tmp_path, {"group_vars/all/vault.yml": encrypted(tmp_path, "token: abcdefgh-{%-1\nspare: x\n"),
                       "group_vars/all/plain.yml": "ansible_password: '{{ spare_password }}'\nspare_password: pass{%word\n"})
    return path


def test_vaulted_values_are_read_and_never_written_in_clear(tmp_path: Path, vaulted: Path) -> None:
    cluster = load(vaulted, vault=vault(tmp_path))
    values = cluster.host("m1").variables
    assert (values["ansible_become_password"], values["ansible_password"]) == ("hid{{den", "pass{%word")
    assert values["docker_daemon_options"] == {"log-opts": {"splunk-token": "abcdefgh-{%-1"}}
    text = to_json(rendered_of(cluster))
    assert not [secret for secret in ("hid{{den", "abcdefgh") if secret in text]
    assert set(inventory_secrets(cluster).values()) >= {"hid{{den", "abcdefgh-{%-1", "pass{%word"}
    assert not list(Path(os.environ["XDG_CACHE_HOME"]).rglob("*.json")), "what came out of a vault is not kept"


def test_ansible_finds_what_the_rendered_inventory_refers_to(tmp_path: Path, vaulted: Path) -> None:
    """The real Ansible, with the rendered inventory and the secrets as a run gets them."""
    context = Context(vaulted, vault=vault(tmp_path))
    secrets.ensure(context.cluster)
    folder = tmp_path / "run"
    folder.mkdir()
    open_playbooks(context, folder, {})
    task = "{debug: {msg: '{{ [ansible_become_password, docker_daemon_options] | to_json }}'}, connection: local, become: false}"
    playbook = written(tmp_path, {"plays/show.yml": f"- hosts: m1\n  gather_facts: false\n  tasks: [{task}]\n"})
    command = [sys.executable, "-m", "ansible", "playbook", "-i", str(folder / "inventory.json"), "-e", f"@{folder}/inventory_secrets.yml",
               "-e", "ansible_connection=local", "--vault-password-file", str(secrets.password_file(context.cluster)), str(playbook)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "hid{{den" in done.stdout and "abcdefgh-{%-1" in done.stdout, done.stdout + done.stderr
    assert "hid" not in (folder / "inventory_secrets.yml").read_text()


def test_a_vault_without_its_password(tmp_path: Path, vaulted: Path) -> None:
    error = refused(vaulted)
    assert "→ give the vault's password with --vault-password-file FILE, --ask-vault-pass or $ANSIBLE_VAULT_PASSWORD_FILE" in error


def test_the_wrong_password_of_a_file_is_told_apart_from_a_missing_one(tmp_path: Path, vaulted: Path) -> None:
    (tmp_path / "wrong").write_text("wrong")
    with pytest.raises(InventoryError) as error:
        load(vaulted, vault=Vault(password_files=(str(tmp_path / "wrong"),)))
    assert "Decryption failed" in error.value.message
    assert error.value.where.endswith("group_vars/all/vault.yml"), "the file that it does not open"
    assert error.value.hint.startswith("the password that was given does not open it")


def test_the_password_as_ansible_is_told_it(tmp_path: Path, vaulted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", vault(tmp_path).password_files[0])
    assert load(vaulted).host("m1").variables["ansible_become_password"] == "hid{{den"


def test_a_whole_file_in_a_vault(tmp_path: Path) -> None:
    path = written(tmp_path, {"inventory.yml": encrypted(tmp_path, PLAIN)})
    cluster = load(path, vault=vault(tmp_path))
    assert (cluster.name, cluster.host("m1").address) == ("demo", "198.51.100.11")
    assert not isinstance(cluster.host("m1").variables["ansible_host"], Secret), "what the wiring is made of stays readable"


@pytest.mark.parametrize("value", ["{{.Name}}/{{.ID}}", '{{ GetInterfaceIP "eth0" }}:8125', "x{%y", "{# no comment"])
def test_braces_for_another_program_are_literal(tmp_path: Path, value: str) -> None:
    text = PLAIN.replace("demo}", f"demo, docker_daemon_options: {{log-opts: {{tag: '{value}'}}}}, ansible_password: '{value}'}}")
    cluster = load(written(tmp_path, {"inventory.yml": text}))
    assert cluster.host("m1").variables["docker_daemon_options"] == {"log-opts": {"tag": value}}
    assert cluster.host("m1").variables["ansible_password"] == value
    assert [w for w in cluster.warnings if "docker_daemon_options holds braces that are no template" in w]
    assert not [w for w in cluster.warnings if "ansible_password" in w]
    assert rendered_of(cluster)["all"]["vars"]["docker_daemon_options"] == {"log-opts": {"tag": {"__ansible_unsafe": value}}}


def test_unsafe_says_that_braces_are_literal(tmp_path: Path) -> None:
    text = PLAIN.replace("demo}", "demo, docker_daemon_options: {log-opts: {tag: !unsafe '{{ name }}'}}}")
    cluster = load(written(tmp_path, {"inventory.yml": text}))
    assert cluster.host("m1").variables["docker_daemon_options"] == {"log-opts": {"tag": "{{ name }}"}}
    assert not [w for w in cluster.warnings if "braces" in w]


# --- what is kept ---------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A mark for every time that Ansible is asked."""
    calls: list[str] = []
    real: Callable[..., Any] = subprocess.run

    def run(command: list[str], **more: Any) -> Any:
        calls.append(command[1])
        return real(command, **more)

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_ansible_is_asked_again_only_when_a_file_changed(tmp_path: Path, asked: list[str]) -> None:
    path = written(tmp_path, {"hosts": INI, "group_vars/all.yml": "ansible_user: ops\n"})
    first: Cluster = load(path)
    assert load(path) == first
    assert len(asked) == 1
    (tmp_path / "group_vars/all.yml").write_text("ansible_user: dev\n")
    assert load(path).host("a1").user == "dev"
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars/a1.yml").write_text("ansible_user: own\n")
    assert load(path).host("a1").user == "own"
    assert len(asked) == 3


def test_what_may_be_another_next_time_is_asked_each_time(tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, {"inventory.yml": PLAIN.replace("demo}", "demo, ansible_user: \"{{ lookup('env', 'LOGIN_AS') }}\"}")})
    for name in ("one", "two"):
        monkeypatch.setenv("LOGIN_AS", name)
        assert load(path).host("m1").user == name
    assert len(asked) == 2


def test_a_plain_file_asks_nobody(tmp_path: Path, asked: list[str]) -> None:
    load(written(tmp_path, {"inventory.yml": PLAIN}))
    assert asked == []


# --- moving over ----------------------------------------------------------------------------------------------------

MANTL = """\
[role=control]
control-01 private_ipv4=198.51.100.6 ansible_host=198.51.100.6
control-02 private_ipv4=198.51.100.7 ansible_host=198.51.100.7
control-03 private_ipv4=198.51.100.8 ansible_host=198.51.100.8
[role=worker]
worker-001 private_ipv4=198.51.100.11 ansible_host=198.51.100.11
[dc=dc1:children]
role=control
role=worker
"""
DCOS = """\
[bootstraps]
bootstrap1.example.com
[masters]
master[1:3].example.com
[agents_private]
agent1.example.com
[agents_public]
publicagent1.example.com
[agents:children]
agents_private
agents_public
"""


def test_init_shows_the_way_from_another_tools_inventory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, {"hosts": MANTL})
    assert main(["init", "--from", str(path)]) == 0
    added = capsys.readouterr().out
    assert "[masters:children]\nrole=control\n" in added and "[agents:children]\nrole=worker\n" in added
    path.write_text(MANTL + added[added.index("["):])
    cluster = load(path)
    assert [h.name for h in cluster.members("zookeeper")] == ["control-01", "control-02", "control-03"]
    assert [h.name for h in cluster.members("mesos_agent")] == ["worker-001"]
    assert sorted(tmp_path.iterdir()) == [path]


def test_groups_of_mesos_alone_are_masters_and_agents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, {"hosts": "[mesos_masters]\nm1\n[mesos_slaves]\na1\n"})
    assert main(["init", "--from", str(path)]) == 0
    added = capsys.readouterr().out
    path.write_text(path.read_text() + added[added.index("["):])
    cluster = load(path)
    assert [len(cluster.members(group)) for group in ("zookeeper", "consul_server", "mesos_master", "mesos_agent")] == [1, 1, 1, 1]


def test_a_dcos_inventory_is_read_as_it_is(tmp_path: Path) -> None:
    cluster = load(written(tmp_path, {"hosts": DCOS}))
    assert len(cluster.members("zookeeper")) == 3
    assert [h.name for h in cluster.members("mesos_agent")] == ["agent1.example.com", "publicagent1.example.com"]
    assert [w for w in cluster.warnings if w.startswith("bootstrap1.example.com will be left alone")]


@pytest.mark.parametrize(("name", "expected"), [
    ("role=worker", "agents"), ("mesos_masters", "mesos_master"), ("mesos-slaves", "mesos_agent"), ("zookeeper_servers", "zookeeper"),
    ("consul-servers", "consul_server"), ("kube-node", "agents"), ("webservers", ""), ("marathon", "marathon"), ("master_nodes", ""),
])
def test_what_a_group_is_by_its_name(name: str, expected: str) -> None:
    assert guess(name) == expected


@pytest.mark.parametrize("name", ["DOMAIN\\\\svc", "user.name@corp.example.com", "svc$"])
def test_the_login_names_of_directories(tmp_path: Path, name: str) -> None:
    assert load(written(tmp_path, {"inventory.yml": PLAIN.replace("demo}", f"demo, ansible_user: '{name}'}}")})).host("m1").user == name


def test_a_vaults_text_that_is_not_marked_as_one(tmp_path: Path) -> None:
    text = PLAIN.replace("demo}", "demo, ansible_become_password: '$ANSIBLE_VAULT;1.1;AES256 6430'}")
    assert "ansible_become_password is a vault's text, but not marked as one" in refused(written(tmp_path, {"inventory.yml": text}))


# --- what a hostile reader found ------------------------------------------------------------------------------------


def vaulted_beside(folder: Path, secrets: str, plain: str) -> Path:
    """A plain pair of hosts, with a vaulted and a plain file of variables of all hosts."""
    path = written(folder, {"inventory.yml": PLAIN})
    written(folder, {"group_vars/all/vault.yml": encrypted(folder, secrets), "group_vars/all/plain.yml": plain})
    return path


def test_what_is_made_of_a_secret_is_one(tmp_path: Path) -> None:
    in_the_vault = """\
key: ABCDEFGHIJ
short: abc
pin: 98765432
url: 'http://u:PASSW0RD@{{ ansible_host }}/'
logstash_extra_outputs: "http { password => 'hunter2secret' }"
"""
    path = vaulted_beside(tmp_path, in_the_vault, """\
docker_daemon_options:
  log-opts: {splunk-token: "{{ key | lower }}", a: "{{ key[:3] }}x", b: "s={{ short }}", c: "{{ indirect }}"}
indirect: "{{ key | b64encode }}"
""")
    cluster = load(path, vault=vault(tmp_path))
    options = cluster.host("m1").variables["docker_daemon_options"]
    assert options == {"log-opts": {"splunk-token": "abcdefghij", "a": "ABCx", "b": "s=abc", "c": "QUJDREVGR0hJSg=="}}
    text = to_json(rendered_of(cluster))
    clear = [each for each in ("abcdefghij", "ABCx", "s=abc", "QUJD", "98765432", "PASSW0RD", "hunter2secret") if each in text]
    assert clear == []
    assert {"abcdefghij", "ABCx", "s=abc"} <= set(inventory_secrets(cluster).values()), "each has its own name"


def test_secrets_in_arguments_of_ssh_are_in_no_file_in_clear(tmp_path: Path) -> None:
    """Also where a relative file in them makes the arguments others than were written."""
    told = "ansible_ssh_common_args: '-F ssh.cfg -o ProxyCommand=\"p {{ tok }} %h\"'\n"
    path = vaulted_beside(tmp_path, "tok: SECRETPW1234567890\n", told)
    context = Context(path, vault=vault(tmp_path))
    secrets.ensure(context.cluster)
    assert "SECRETPW1234567890" in str(context.cluster.host("m1").variables["ansible_ssh_common_args"])
    folder = tmp_path / "run"
    folder.mkdir()
    open_playbooks(context, folder, {})
    assert [file.name for file in folder.rglob("*") if file.is_file() and "SECRETPW" in file.read_text()] == []
    opened = encrypted_text(tmp_path, folder / "inventory_secrets.yml", secrets.password_file(context.cluster))
    assert opened.count("SECRETPW1234567890") == 2, "the argument, and all that ssh is told"
    assert '"ansible_ssh_args": "{{ vault_inventory_ssh_' in (folder / "inventory.json").read_text()
    assert "SECRETPW" not in to_json(context.rendered)


def encrypted_text(folder: Path, path: Path, password: Path) -> str:
    command = [str(Path(sys.executable).with_name("ansible-vault")), "view", "--vault-password-file", str(password), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout


@pytest.mark.parametrize("written_as", [
    "ansible_user: '{{ tok }} x'", "cluster_registry: '{{ tok }}'", "zookeeper_data_dir: '{{ tok }}'",
    "mesos_agent_attributes: {t: '{{ tok }};x'}", "ansible_ssh_extra_args: '-o Foo={{ tok }} -t'",
    "consul_extra_config: \"{{ {'a': 1}[tok] }}\"", "consul_extra_config: \"{{ lookup('file', '/nonexistent/' + tok) }}\"",
])
def test_no_message_shows_a_secret(tmp_path: Path, written_as: str) -> None:
    said = refused(vaulted_beside(tmp_path, "tok: SECRETPW1234567890\n", f"{written_as}\n"), vault=vault(tmp_path))
    assert "SECRET" not in said, said


def test_a_broken_file_in_a_vault_is_not_quoted(tmp_path: Path) -> None:
    path = written(tmp_path, {"hosts": encrypted(tmp_path, "[masters]\nm1 ansible_password=hunter TWOSECRET\n")})
    said = refused(path, vault=vault(tmp_path))
    assert "TWOSECRET" not in said and "ansible-vault view" in said


def test_settings_of_ansible_that_decide_what_a_plain_file_says_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "all: {vars: {cluster_name: demo, d: {a: 1}}}\nmasters: {vars: {d: {b: 2}}, hosts: {m1: {ansible_host: 198.51.100.11}}}\n"
    path = written(tmp_path, {"inventory.yml": text})
    assert load(path).host("m1").variables["d"] == {"b": 2}
    written(tmp_path, {"conf/ansible.cfg": "[defaults]\nhash_behaviour = merge\n"})
    monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "conf"))
    assert load(path).host("m1").variables["d"] == {"a": 1, "b": 2}
    (tmp_path / "conf/ansible.cfg").write_text("[defaults]\nhash_behaviour = replace\n")
    assert load(path).host("m1").variables["d"] == {"b": 2}


def test_machines_of_others_are_not_judged(tmp_path: Path) -> None:
    cluster = load(written(tmp_path, {"hosts": f"{INI}\n[windows]\nw1 ansible_connection=winrm docker_version=19 ansible_prot=1\n"}))
    assert "w1" not in {h.name for h in cluster.hosts}


def test_groups_whose_hosts_were_probably_meant_are_named(tmp_path: Path) -> None:
    cluster = load(written(tmp_path, {"inventory.yml": PLAIN + "    slaves: {hosts: {a2: {ansible_host: 198.51.100.22}}}\n"}))
    assert [w for w in cluster.warnings if "a2 will be left alone" in w and "(slaves into agents?)" in w]


def test_programs_are_run_whatever_they_are_written_in(tmp_path: Path) -> None:
    path = written(tmp_path, {"terraform-inventory": "\x7fELF"})
    assert by_ansible.needed(path) == ""
    path.chmod(0o755)
    assert by_ansible.needed(path) == "a program"


def test_templates_may_name_other_hosts_variables(tmp_path: Path) -> None:
    other = "\"{{ hostvars['m1'].ansible_host | replace('11', '99') }}\""
    path = written(tmp_path, {"inventory.yml": PLAIN.replace("198.51.100.21", other)})
    assert load(path).host("a1").address == "198.51.100.99"


def test_a_key_of_somebody_who_does_not_exist(tmp_path: Path) -> None:
    path = written(tmp_path, {"inventory.yml": PLAIN.replace("demo}", "demo, ansible_ssh_private_key_file: '~nosuchuser/x'}")})
    assert str(load(path).host("m1").variables["ansible_ssh_private_key_file"]).endswith("~nosuchuser/x")


@pytest.mark.parametrize(("name", "kept"), [("smart", "ssh"), ("ansible.builtin.ssh", "ssh"), ("''", None)])
def test_ansibles_other_names_of_the_connection(tmp_path: Path, name: str, kept: str | None) -> None:
    path = written(tmp_path, {"inventory.yml": PLAIN.replace("demo}", f"demo, ansible_connection: {name}, ansible_port: ''}}")})
    variables = load(path).host("m1").variables
    assert (variables.get("ansible_connection"), "ansible_port" in variables) == (kept, False)


def test_a_name_that_begins_like_ours_and_is_like_none_is_a_warning(tmp_path: Path) -> None:
    path = written(tmp_path, {"inventory.yml": PLAIN.replace("demo}", "demo, consul_template_version: 1, consul_domian: x}")})
    assert "unknown variable 'consul_domian'\n→ did you mean consul_domain?" in refused(path)
    path.write_text(path.read_text().replace(", consul_domian: x", ""))
    assert [w for w in load(path).warnings if w.startswith("consul_template_version (") and "no role reads it" in w]


def test_inventories_of_one_cluster_name_are_noticed_in_every_layout(tmp_path: Path) -> None:
    written(tmp_path, {"prod.yml": PLAIN, "staging/hosts": "[masters]\nm9\n", "staging/group_vars/all.yml": "cluster_name: demo\n",
                       "test": INI, "notes.yml": "cluster_name: demo\n", "unnamed.ini": "[masters]\nm7\n"})
    assert namesakes(tmp_path / "prod.yml", "demo") == ["staging", "test"]
    assert namesakes(tmp_path / "prod.yml", "demo", default=True) == ["staging", "test", "unnamed.ini"]
