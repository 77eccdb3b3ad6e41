"""How a host is entered and root is had: options, passwords, sudo."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader

from provisioner.cluster.model import Host
from provisioner.errors import UsageError
from provisioner.hosts import login as login_options
from provisioner.hosts.failures import become_failure
from provisioner.hosts.login import ASKPASS, ansible_ssh_args, cluster_options, control_dir, environment, host_options, login
from provisioner.hosts.sudo import as_root
from tests.unit.builders import reachable

HOST = Host("m1", "10.0.0.1", 22, "deploy")


def login_of(**variables: object) -> login_options.Login:
    return login(replace(HOST, variables=variables))


def values(options: list[str]) -> dict[str, str]:
    return dict(option.split("=", 1) for option in options if "=" in option)


def test_ansible_gets_the_same_known_hosts_and_connections(tmp_path: Path) -> None:
    of = reachable(tmp_path, "m1")
    settings = values(shlex.split(ansible_ssh_args(cluster_options(of), login(of.hosts[0]))))
    assert settings["UserKnownHostsFile"] == str(tmp_path / ".provision/test/known_hosts")
    assert settings["StrictHostKeyChecking"] == "yes"
    assert settings["ControlPath"].startswith(str(control_dir(of)))
    assert settings["ControlPath"].endswith("/%C")
    assert len(settings["ControlPath"]) - len("%C") + 40 + 17 < 104


def test_a_path_with_spaces_and_percents_survives_ssh(tmp_path: Path) -> None:
    folder = tmp_path / "my 100% cluster"
    folder.mkdir()
    of = reachable(folder, "m1")
    shown = subprocess.run(["ssh", "-G", *cluster_options(of), "10.0.0.1"], capture_output=True, text=True, check=True).stdout
    assert f"userknownhostsfile {folder}/.provision/test/known_hosts" in shown.replace("%%", "%").replace('"', "").splitlines()


def test_a_key_login_never_asks() -> None:
    found = login_of(ansible_ssh_private_key_file="/keys/id", ansible_ssh_common_args="-J 'ops@jump.example.org:2200'",
                     ansible_ssh_extra_args="-v")
    options = host_options(found)
    assert options[:2] == ["-l", "deploy"]
    assert options[options.index("-i") + 1] == "/keys/id"
    assert "BatchMode=yes" in options
    assert "IdentitiesOnly=yes" in options
    assert options[-3:] == ["-J", "ops@jump.example.org:2200", "-v"]
    assert "SSH_ASKPASS" not in environment(found)


def test_ssh_decides_on_the_port_that_nobody_wrote_as_it_does_for_ansible() -> None:
    assert "-p" not in host_options(login_of())
    assert host_options(login_of(ansible_port=22))[:2] == ["-p", "22"]
    assert host_options(login(replace(HOST, port=2222)))[:2] == ["-p", "2222"]


@pytest.mark.parametrize(("variables", "seconds"), [
    ({}, 10), ({"ansible_ssh_timeout": 60}, 60), ({"ansible_ssh_extra_args": "-o ConnectTimeout=30"}, 30),
    ({"ansible_ssh_common_args": "-o 'ConnectTimeout 1m30s'"}, 90),
    ({"ansible_ssh_timeout": 60, "ansible_ssh_common_args": "-o ConnectTimeout=30"}, 60),  # as Ansible has them
    ({"ansible_ssh_timeout": 60, "ansible_ssh_args": "-o ConnectTimeout=30"}, 30),
])
def test_the_time_for_a_connection_is_the_users_for_us_and_for_ansible(tmp_path: Path, variables: dict[str, object], seconds: int) -> None:
    found = login_of(**variables)
    assert found.connect_seconds == seconds
    ours, ansibles = by_ssh(host_options(found)), by_ssh(as_ansible(tmp_path, found))
    assert ours["connecttimeout"] == ansibles["connecttimeout"] == str(seconds)


@pytest.mark.parametrize("variables", [
    {}, {"ansible_port": 22, "ansible_ssh_args": "-C -o ControlMaster=auto -o ControlPersist=30m"},
    {"ansible_ssh_common_args": "-o ServerAliveInterval=77 -J ops@jump:2222", "ansible_ssh_private_key_file": "/dev/null"},
    {"ansible_ssh_extra_args": "-o IdentitiesOnly=no -o LogLevel=QUIET -p 2200 -l other", "ansible_ssh_private_key_file": "/dev/null"},
    {"ansible_ssh_args": "-o StrictHostKeyChecking=no -o ForwardAgent=yes", "ansible_ssh_common_args": "-o UserKnownHostsFile=/dev/null"},
    {"ansible_password": "p"}, {"ansible_password": "p", "ansible_ssh_common_args": "-o PreferredAuthentications=password,publickey"},
], ids=str)
def test_ssh_understands_the_same_from_us_and_from_ansible(tmp_path: Path, variables: dict[str, object]) -> None:
    found = login_of(**variables)
    ours, ansibles = by_ssh([*cluster_options(reachable(tmp_path, "m1")), *host_options(found)]), by_ssh(as_ansible(tmp_path, found))
    # What Ansible adds where no password is given forbids no more than our BatchMode does.
    own = {"kbdinteractiveauthentication", "passwordauthentication", "preferredauthentications"} if not found.password else set()
    assert {k: v for k, v in ours.items() if k not in own} == {k: v for k, v in ansibles.items() if k not in own}
    assert ours["stricthostkeychecking"] in ("true", "yes")
    assert ours["loglevel"] in ("INFO", "ERROR")


def by_ssh(options: list[str]) -> dict[str, str]:
    """What ssh makes of its arguments, without any configuration file of this machine."""
    shown = subprocess.run(["ssh", *options, "-F", "none", "-G", "10.0.0.1"], capture_output=True, text=True, check=True).stdout
    return {name.lower(): value for name, _, value in (line.partition(" ") for line in shown.splitlines())}


def as_ansible(folder: Path, found: login_options.Login) -> list[str]:
    """The options with which Ansible's own connection plugin calls ssh for a host that is rendered so."""
    told = folder / "told"
    (folder / "ssh").write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >'{told}'\n")
    (folder / "ssh").chmod(0o755)
    variables = {"ansible_host": found.address, "ansible_user": found.user, "ansible_ssh_private_key_file": found.key or None,
                 "ansible_password": found.password or None, "ansible_port": found.port if found.port_told else None,
                 "ansible_ssh_args": ansible_ssh_args(cluster_options(reachable(folder, "m1")), found), "ansible_ssh_timeout": 45,
                 "ansible_ssh_common_args": shlex.join(found.arguments[len(found.shared):]),
                 "ansible_ssh_executable": str(folder / "ssh")}
    plugin = connection_loader.get("ssh", PlayContext(), shell="sh")  # noqa: S604 - the name of a plugin
    plugin.set_options(var_options={name: value for name, value in variables.items() if value is not None})
    plugin.exec_command("true", sudoable=False)
    words = told.read_text().splitlines()
    return words[:words.index(found.address)]


def test_a_password_login_has_one_method_and_one_try() -> None:
    found = login_of(ansible_password="secret")
    options = host_options(found)
    assert "PreferredAuthentications=password" in options
    assert "BatchMode=yes" not in options
    assert not any("secret" in option for option in options)
    assert environment(found)["SSH_ASKPASS_REQUIRE"] == "force"
    assert "PreferredAuthentications=publickey,password" in host_options(login_of(ansible_password="p", ansible_ssh_private_key_file="/k"))


@pytest.mark.parametrize(("question", "answer"), [
    ("deploy@10.0.0.1's password: ", b"it's $ecret\n"),
    ("ops@jump.example.org's password: ", b""),
    ("Enter passphrase for key '/home/x/.ssh/id': ", b""),
    ("Are you sure you want to continue connecting (yes/no/[fingerprint])? ", b""),
])
def test_askpass_answers_only_for_the_host_itself(question: str, answer: bytes) -> None:
    given = environment(login_of(ansible_password="it's $ecret"))
    done = subprocess.run([str(ASKPASS), question], env=given, capture_output=True, check=False)
    assert (done.stdout, done.returncode) == (answer, 0 if answer else 1)


def test_the_socket_folder_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    short = Path("/tmp") if len(str(tmp_path)) > 30 else tmp_path  # pytest's own folders have long names
    monkeypatch.setattr(login_options, "SOCKET_PATH_MAX", 200)
    of = reachable(tmp_path, "m1")
    folder = control_dir(of)
    assert folder.parent.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    with pytest.raises(UsageError, match="not private"):
        control_dir(of)
    folder.rmdir()
    folder.symlink_to(short)
    with pytest.raises(UsageError, match="not private"):
        control_dir(of)


def test_a_folder_with_too_long_a_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with pytest.raises(UsageError, match="short enough"):
        control_dir(reachable(tmp_path, "m1"))


SUDO = """#!/bin/sh
# like sudo: -n fails when a password is needed; -S reads one line of stdin when it is needed, and up to three when wrong
stdin=no
while [ $# -gt 0 ]; do case "$1" in -n) mode=n ;; -S) mode=S ;; -p) shift ;; *) break ;; esac; shift; done
echo "$mode" >>"$SUDO_LOG"
if [ "$SUDO_NEEDS" = yes ]; then
  [ "$mode" = n ] && { echo "sudo: a password is required" >&2; exit 1; }
  tries=0
  while [ $tries -lt 3 ] && IFS= read -r line; do
    tries=$((tries + 1)); echo "try" >>"$SUDO_LOG"
    [ "$line" = "right 'pass" ] && exec "$@"
  done
  echo "sudo: $tries incorrect password attempt" >&2; exit 1
fi
exec "$@"
"""
PAYLOAD = b"right 'pass\nprovision: end of password\n" + bytes(range(256)) * 2000


@pytest.fixture
def with_sudo(tmp_path: Path) -> Callable[..., tuple[subprocess.CompletedProcess[bytes], list[str]]]:
    """Runs a command like a host would: a shell, a user that is not root, and a sudo that behaves as told."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("sudo", SUDO), ("id", "#!/bin/sh\necho 1000\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)

    def run(command: str, stdin: bytes, password: str, *, needs: bool) -> tuple[subprocess.CompletedProcess[bytes], list[str]]:
        line, sent = as_root(command, stdin, password)
        log = tmp_path / "log"
        log.write_text("")
        env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "SUDO_LOG": str(log), "SUDO_NEEDS": "yes" if needs else "no"}
        done = subprocess.run(["sh", "-c", line], input=sent, capture_output=True, env=env, check=False)
        return done, log.read_text().split()

    return run


Sudo = Callable[..., tuple[subprocess.CompletedProcess[bytes], list[str]]]


@pytest.mark.parametrize("needs", [True, False])
def test_the_payload_survives_sudo_whether_it_asks_or_not(with_sudo: Sudo, needs: bool) -> None:
    done, _ = with_sudo("cat; exit 3", PAYLOAD, "right 'pass", needs=needs)
    assert (done.returncode, done.stderr) == (3, b"")
    assert done.stdout == PAYLOAD


def test_a_wrong_sudo_password_is_one_attempt(with_sudo: Sudo) -> None:
    done, log = with_sudo("cat", PAYLOAD, "wrong", needs=True)
    assert log.count("try") == 1, "the payload must never be tried as a password"
    error = become_failure(HOST, login_of(), done.stderr)
    assert error and "refused the password of deploy" in error.message
    assert b"wrong" not in done.stdout + done.stderr


def test_without_a_password_sudo_does_not_wait(with_sudo: Sudo) -> None:
    done, log = with_sudo("cat", PAYLOAD, "", needs=True)
    assert log == ["n"]
    error = become_failure(HOST, login_of(), done.stderr)
    assert error and error.message == "sudo asks deploy for a password"
    assert with_sudo("cat", PAYLOAD, "", needs=False)[0].stdout == PAYLOAD


def test_sudo_is_called_as_the_inventory_says() -> None:
    found = login_of(ansible_become_flags="-H -S -n --preserve-env=A", ansible_become_exe="/opt/sudo")
    assert found.sudo == "/opt/sudo -H --preserve-env=A"
    for password in ("", "right"):
        line, _ = as_root("true", b"", password, "/opt/sudo -H")
        assert " sudo" not in line
        assert "/opt/sudo -H -" in line


def test_root_needs_no_sudo() -> None:
    for password in ("", "unused"):
        line, stdin = as_root("cat; id -u", PAYLOAD, password)
        script = f"id() {{ echo 0; }}; sudo() {{ exit 99; }}; {shlex.split(line)[2]}"
        assert subprocess.run(["sh", "-c", script], input=stdin, capture_output=True, check=False).stdout.startswith(PAYLOAD)
