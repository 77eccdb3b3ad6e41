"""Ansible's connection variables: their names, what is refused, what has no effect; compared with Ansible's own plugins."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible import constants
from ansible.plugins.loader import become_loader, connection_loader, shell_loader

from provisioner.cluster.model import Host
from provisioner.inventory import ssh_arguments
from provisioner.inventory.connection import NAMES, TABLE, normalise
from tests.unit.builders import THREE, load_text, refusal

MASTERS = THREE + "  vars:\n"


def host_of(folder: Path, *lines: str) -> Host:
    """m1 of three masters with these variables."""
    return load_text(folder, MASTERS + "".join(f"    {line}\n" for line in lines)).host("m1")


def warnings_of(folder: Path, *lines: str) -> list[str]:
    text = MASTERS + "".join(f"    {line}\n" for line in lines) + "agents: {hosts: {m1: }}\n"
    return [warning.removeprefix("all hosts: ") for warning in load_text(folder, text).warnings]


def test_old_names_are_names_of_the_same(tmp_path: Path) -> None:
    host = host_of(tmp_path, "ansible_ssh_user: root", "ansible_ssh_port: 2222", "ansible_ssh_pass: a", "ansible_sudo_pass: b",
                   "ansible_private_key_file: keys/id")
    assert (host.user, host.port) == ("root", 2222)
    assert host.variables == {"ansible_user": "root", "ansible_port": 2222, "ansible_password": "a", "ansible_become_password": "b",
                              "ansible_ssh_private_key_file": str(tmp_path / "keys/id")}
    assert host_of(tmp_path, "ansible_ssh_user: ''").variables == {}


def test_an_old_name_of_a_group_is_stronger_than_the_new_one_of_a_host_as_ansible_has_it(tmp_path: Path) -> None:
    text = "masters:\n  hosts: {m1: {ansible_host: 192.0.2.1}}\n  vars: {ansible_ssh_host: 192.0.2.9, ansible_private_key_file: /old}\n"
    assert load_text(tmp_path, text).host("m1").address == "192.0.2.9"
    both = text.replace("ansible_host: 192.0.2.1", "ansible_ssh_private_key_file: /new")
    assert load_text(tmp_path, both).host("m1").variables["ansible_ssh_private_key_file"] == "/new"


@pytest.mark.parametrize("text", ["''", '""'])
def test_an_empty_key_is_no_key(tmp_path: Path, text: str) -> None:
    found = load_text(tmp_path, "all: {vars: {ansible_ssh_private_key_file: ~/.ssh/id}}\n"
                                "masters: {hosts: {m1: {ansible_ssh_private_key_file: " + text + "}}}\nagents: {hosts: {a1: }}")
    assert "ansible_ssh_private_key_file" not in found.host("m1").variables
    assert found.host("a1").variables["ansible_ssh_private_key_file"] == str(Path.home() / ".ssh/id")


@pytest.mark.parametrize(("written", "used"), [
    ("auto", None), ("auto_silent", None), ("auto_legacy", None), ("auto_legacy_silent", None),
    ("/usr/bin/env python3", "/usr/bin/env python3"), ("python3.11", "python3.11"), ("/opt/py/bin/python", "/opt/py/bin/python"),
])
def test_the_ways_to_say_which_python(tmp_path: Path, written: str, used: str | None) -> None:
    assert host_of(tmp_path, f"ansible_python_interpreter: {written}").variables.get("ansible_python_interpreter") == used


@pytest.mark.parametrize("value", ["python3 -B", "-c", "/bin/python3;id", "/usr/bin/env -S python3"])
def test_what_is_no_python(tmp_path: Path, value: str) -> None:
    text = refusal(tmp_path, MASTERS + f"    ansible_python_interpreter: '{value}'")
    assert "ansible_python_interpreter must be an absolute path" in text


def test_texts_count_as_what_ansible_reads_in_them(tmp_path: Path) -> None:
    host = host_of(tmp_path, "ansible_port: '2222'", "ansible_become: 'yes'", "ansible_password: 1234", "ansible_user: 1000")
    assert host.variables == {"ansible_port": 2222, "ansible_become": True, "ansible_password": "1234", "ansible_user": "1000"}
    assert "ansible_port must be an integer" in refusal(tmp_path, MASTERS + "    ansible_port: ssh")
    assert "ansible_become must be true or false" in refusal(tmp_path, MASTERS + "    ansible_become: maybe")


@pytest.mark.parametrize(("written", "address", "user"), [
    ("root@192.0.2.1", "192.0.2.1", "root"), ("'[2001:db8::1]'", "2001:db8::1", ""), ("fe80::1%eth0", "fe80::1%eth0", ""),
    ("'ops@[2001:db8::1]'", "2001:db8::1", "ops"),
])
def test_addresses_as_ssh_takes_them(tmp_path: Path, written: str, address: str, user: str) -> None:
    text = "masters: {hosts: {m1: {cluster_address: 192.0.2.1, ansible_host: " + written + "}}}"
    host = load_text(tmp_path, text).host("m1")
    assert (host.address, host.user, host.variables["ansible_host"]) == (address, user, address)


@pytest.mark.parametrize(("line", "words"), [
    ("ansible_ssh_private_key: |\n      a key", "ansible_ssh_private_key can't be followed\n→ a key lies in a file"),
    ("ansible_private_key_passphrase: a", "can't be followed\n→ a key with a passphrase belongs into ssh-agent"),
    ("ansible_ssh_pkcs11_provider: /lib/x", "ansible_ssh_pkcs11_provider can't be followed\n→ write -o PKCS11Provider="),
    ("ansible_sshpass_prompt: x", "ansible_sshpass_prompt can't be followed"),
    ("ansible_ssh_password_mechanism: sshpass", "ansible_ssh_password_mechanism is none of its choices\n→ one of: ssh_askpass"),
    ("ansible_shell_type: powershell", "ansible_shell_type is none of its choices (given: 'powershell')\n→ one of: sh"),
    ("ansible_sudo_user: deploy", "ansible_sudo_user is none of its choices (given: 'deploy')\n→ one of: root"),
    ("ansible_become_method: su", "ansible_become_method is none of its choices (given: 'su')\n→ one of: sudo"),
    ("ansible_ssh_host: 10.0.0.300", "ansible_ssh_host is neither an IP address nor a DNS name"),
    ("ansible_host: 192.0.2.1:2222", "ansible_host has a port in it: write the address alone, and the port as ansible_port"),
    ("ansible_host: fe80::1", "ansible_host holds on one network only: name the interface of this"),
    ("ansible_ssh_common_args: jump.example.com", "can't be read: 'jump.example.com' is no option of ssh"),
    ("ansible_ssh_common_args: \"-o 'ProxyCommand x\"", "ansible_ssh_common_args can't be read: no closing quotation"),
    ("ansible_ssh_common_args: -o", "can't be read: -o needs a value"),
    ("ansible_ssh_common_args: -o ProxyJump", "can't be read: -o ProxyJump has no value"),
    ("ansible_ssh_extra_args: -tt", "has -t: a terminal mixes"),
    ("ansible_ssh_extra_args: -o RequestTTY=force", "has -o RequestTTY=force: a terminal mixes"),
    ("ansible_ssh_extra_args: -vNC", "has -N: no command would be run"),
    ("ansible_ssh_extra_args: -E log", "has -E log: ssh's messages would go to a file"),
])
def test_what_can_not_be_followed_is_refused_with_its_place_and_the_reason(tmp_path: Path, line: str, words: str) -> None:
    text = refusal(tmp_path, MASTERS + f"    {line}\n")
    assert text.startswith("inventory.yml:5: ")
    assert words in text


def test_a_user_in_a_hosts_name_is_no_part_of_it(tmp_path: Path) -> None:
    text = refusal(tmp_path, "masters: {hosts: {root@m1: }}")
    assert "host name 'root@m1' has a user in it: write the name alone, and the user as ansible_user" in text


@pytest.mark.parametrize(("line", "words"), [
    ("ansible_ssh_common_args: -o StrictHostKeyChecking=no", "-o StrictHostKeyChecking=no in ansible_ssh_common_args has no effect: "),
    ("ansible_ssh_extra_args: -o 'UserKnownHostsFile /dev/null'", "-o UserKnownHostsFile=/dev/null in ansible_ssh_extra_args has no"),
    ("ansible_ssh_common_args: -A", "-o ForwardAgent=yes in ansible_ssh_common_args has no effect: no host gets the use of your keys"),
    ("ansible_ssh_common_args: -S none", "-o ControlPath=none in ansible_ssh_common_args has no effect: connections are shared"),
    ("ansible_ssh_common_args: -o BatchMode=no", "-o BatchMode=no in ansible_ssh_common_args has no effect: nobody is there"),
    ("ansible_ssh_host_key_checking: 'no'", "ansible_host_key_checking has no effect: host keys are always checked"),
    ("ansible_control_path_dir: /tmp/cp", "ansible_control_path_dir has no effect: connections are shared"),
])
def test_what_has_no_effect_is_said_once_for_all_hosts(tmp_path: Path, line: str, words: str) -> None:
    (warning,) = warnings_of(tmp_path, line)
    assert warning.startswith(words)


def test_hosts_are_named_where_it_does_not_hold_for_all(tmp_path: Path) -> None:
    text = THREE + "agents:\n  hosts:\n    m1: {ansible_ssh_extra_args: -A}\n"
    text += "    m2: {ansible_ssh_extra_args: -A, ansible_control_path: x}\n"
    who = [warning.partition(": ")[0] for warning in load_text(tmp_path, text).warnings]
    assert who == ["m1 and 1 more", "m2"]


@pytest.mark.parametrize("line", [
    "ansible_ssh_common_args: -o StrictHostKeyChecking=yes -o ForwardAgent=no -oControlMaster=auto -a -J ops@jump:2222",
    "ansible_host_key_checking: true", "ansible_ssh_transfer_method: piped", "ansible_ssh_common_args: ''",
])
def test_what_is_followed_needs_no_warning(tmp_path: Path, line: str) -> None:
    assert warnings_of(tmp_path, line) == []


def test_the_clusters_own_known_hosts_may_be_named(tmp_path: Path) -> None:
    own = tmp_path / ".provision/cluster/known_hosts"
    assert warnings_of(tmp_path, f"ansible_ssh_common_args: -o UserKnownHostsFile={own}") == []


def test_files_that_arguments_name_are_relative_to_the_inventory(tmp_path: Path) -> None:
    text = "-F ssh.cfg -i keys/id -o CertificateFile=c.pub -o 'ProxyCommand=./tunnel %h' -o IdentityFile=~/id -v"
    found = ssh_arguments.values(str(host_of(tmp_path, f'ansible_ssh_common_args: "{text}"').variables["ansible_ssh_common_args"]))
    assert found["-f"] == str(tmp_path / "ssh.cfg")
    assert found["identityfile"] == str(tmp_path / "keys/id")
    assert found["certificatefile"] == str(tmp_path / "c.pub")
    assert found["proxycommand"] == f"{tmp_path}/tunnel %h"
    assert ssh_arguments.settled("-F ~/x -F none", tmp_path) == f"-F {Path.home()}/x -F none"


def test_what_needs_no_change_is_the_same_object(tmp_path: Path) -> None:
    class OutOfAVault(str):
        """A text that knows where it came from."""

        __slots__ = ()

    written = {name: OutOfAVault(text) for name, text in {
        "ansible_host": "192.0.2.1", "ansible_password": "x", "ansible_ssh_private_key_file": "/k", "ansible_ssh_common_args": "-J jump",
        "ansible_ssh_executable": "ssh"}.items()}
    assert {type(value) for value in normalise(written, tmp_path).values()} == {OutOfAVault}


@pytest.mark.parametrize("text", ["-J ops@jump:2222", "-o  ProxyJump=x  -vv", "-o ProxyCommand='nc %h %p'", "-i /k -C"])
def test_arguments_that_need_no_change_stay_as_they_are_written(text: str) -> None:
    assert ssh_arguments.settled(text, Path("/x")) == text


@pytest.mark.parametrize("first", ["-o ForwardAgent=no", "-o ControlPath=/ours", "-o LogLevel=INFO"])
def test_no_letter_wins_over_an_option_before_it(tmp_path: Path, first: str) -> None:
    text = ssh_arguments.settled("-A -S /other -qM", tmp_path)
    shown = subprocess.run(["ssh", "-G", *f"{first} {text} host".split()], capture_output=True, text=True, check=True).stdout.lower()
    assert first[3:].lower().replace("=", " ") in shown.splitlines()


def test_every_variable_of_ansibles_plugins_is_in_the_table_and_in_their_order() -> None:
    missing: set[str] = set()
    orders: dict[str, list[str]] = {}
    loaders = {"connection": (connection_loader, "ssh"), "become": (become_loader, "sudo"), "shell": (shell_loader, "sh")}
    for kind, (loader, name) in loaders.items():
        loader.get(name, class_only=True)
        for option, definition in constants.config.get_configuration_definitions(kind, name).items():
            names = [each["name"] for each in definition.get("vars", ()) if each["name"].startswith("ansible_")]
            missing |= {*names} - {*NAMES}
            orders[f"{name} {option}"] = names
    assert missing == set()
    rank = {name: number for each in TABLE for number, name in enumerate(each.names or (each.name,))}
    for names in orders.values():
        known = [name for name in names if name in rank]
        assert known == sorted(known, key=lambda name: rank[name])
        assert len({NAMES[name].name for name in known}) <= 1
