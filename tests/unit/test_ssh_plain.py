"""Which logins a library can do as ssh would: what OpenSSH's files and arguments may say without a say in it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from provisioner.cluster.model import Cluster
from provisioner.hosts import plain_login
from provisioner.hosts.known_hosts import record
from provisioner.hosts.login import any_open, control_dir
from provisioner.hosts.plain_login import plain_logins
from tests.unit.builders import reachable

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJ0y0yVtLd2XzNDjC4zBWCQ4HDXnIVYZPHdr3YbnFqWg"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The account's own ssh configuration; the machine has Debian's."""
    system, own = tmp_path / "etc/ssh_config", tmp_path / "home/config"
    for file in (system, own):
        file.parent.mkdir()
    system.write_text("# Debian's\nInclude ssh_config.d/*.conf\nHost *\n    SendEnv LANG LC_*\n    HashKnownHosts yes\n"
                      "    GSSAPIAuthentication yes\n")
    monkeypatch.setattr(plain_login, "SYSTEM_CONFIG", system)
    monkeypatch.setattr(plain_login, "_own_config", lambda: own)
    return own


def two(folder: Path, **variables: str) -> Cluster:
    """m1 and m2 with a key file and recorded host keys."""
    key = folder / "key"
    key.write_text("a key")
    key.chmod(0o600)
    found = reachable(folder, "m1", "m2", variables={"ansible_ssh_private_key_file": str(key), **variables})
    record(found, [f"{host.address} ssh-ed25519 {KEY}" for host in found.hosts])
    return found


BOTH = {"m1", "m2"}


@pytest.mark.parametrize(("text", "plain"), [
    ("", BOTH),
    ("IdentityFile ~/.ssh/id_other\nServerAliveInterval=60\nUser other\n", BOTH),  # ours come first
    ("Port 2222\n", set()),
    ("ProxyJump gate\n", set()),
    ("host 10.0.0.2 # no\n  HostName 10.9.9.9\n", {"m1"}),
    ("Host *.example.org github.com\n  ProxyCommand nc %h %p\n", BOTH),
    ("Host !10.0.0.1 10.*\n  Ciphers aes256-ctr\n", {"m1"}),
    ('Host "10.0.0.1"\n  CertificateFile c\n', {"m2"}),
    ("Match exec true\n  ProxyJump gate\n", set()),
    ("Include more\n", {"m1"}),
    ("Host elsewhere\n  Include more\n", {"m1"}),  # more careful than it must be
    ("SomethingNew yes\n", set()),
])
def test_a_configuration_that_has_a_say(tmp_path: Path, config: Path, text: str, plain: set[str]) -> None:
    config.write_text(text)
    (config.parent / "more").write_text("Host 10.0.0.2\nKexAlgorithms x\n")
    assert plain_logins(two(tmp_path)) == plain


def test_a_configuration_that_cannot_be_read_may_say_anything(tmp_path: Path, config: Path) -> None:
    config.mkdir()
    assert plain_logins(two(tmp_path)) == set()


def test_a_configuration_that_includes_itself_may_say_anything(tmp_path: Path, config: Path) -> None:
    config.write_text("Include config\n")
    assert plain_logins(two(tmp_path)) == set()


@pytest.mark.parametrize(("variables", "plain"), [
    ({"ansible_ssh_common_args": "-o UserKnownHostsFile=/x -oIdentitiesOnly=yes -o 'ConnectTimeout 3'"}, BOTH),
    ({"ansible_ssh_common_args": "-J gate"}, set()),
    ({"ansible_ssh_extra_args": "-o ProxyCommand=nc"}, set()),
    ({"ansible_ssh_extra_args": "-F other"}, set()),
    ({"ansible_password": "p"}, set()),
    ({"ansible_become_password": "p"}, BOTH),
    ({"ansible_ssh_private_key_file": ""}, set()),
])
def test_what_the_inventory_says(tmp_path: Path, config: Path, variables: dict[str, str], plain: set[str]) -> None:
    assert plain_logins(two(tmp_path, **variables)) == plain


def test_a_key_that_ssh_would_not_use_or_not_use_alone(tmp_path: Path, config: Path) -> None:
    found = two(tmp_path)
    (tmp_path / "key-cert.pub").touch()
    assert plain_logins(found) == set()
    (tmp_path / "key-cert.pub").unlink()
    (tmp_path / "key").chmod(0o644)
    assert plain_logins(found) == set()
    (tmp_path / "key").unlink()
    assert plain_logins(found) == set()


def test_a_host_that_an_authority_vouches_for_or_that_was_revoked(tmp_path: Path, config: Path) -> None:
    found = two(tmp_path)
    record(found, [f"@revoked 10.0.0.2 ssh-rsa {KEY}"])
    assert plain_logins(found) == {"m1"}
    (found.state_dir / "known_hosts").write_text(f"@cert-authority * ssh-ed25519 {KEY}\n")
    assert plain_logins(found) == set()


def test_a_socket_that_nobody_listens_on_is_no_open_connection(tmp_path: Path) -> None:
    found, server = reachable(tmp_path, "m1"), socket.socket(socket.AF_UNIX)
    assert not any_open(found)
    server.bind(str(control_dir(found) / "s"))
    server.listen()
    assert any_open(found)
    server.close()
    assert not any_open(found)
