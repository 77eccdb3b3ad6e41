"""Host keys: what is known, what is new, and how a key is fetched without logging in."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import UnreachableError
from provisioner.hosts import host_keys
from provisioner.hosts.host_keys import HostKey, establish, scan
from provisioner.hosts.known_hosts import KnownHosts, fingerprint, forget, record
from provisioner.hosts.login import login
from provisioner.hosts.openssh import SshError
from provisioner.hosts.route import read_route
from tests.unit.builders import reachable

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIFtJuNl+kWFyEsmxYaiFyIsCcQXZ/pjtYYFPQW5S8iXt"


def known(tmp_path: Path, text: str) -> KnownHosts:
    of = reachable(tmp_path, "m1")
    record(of, text.splitlines())
    return KnownHosts.of(of)


def test_a_hosts_keys_are_forgotten_and_nothing_else(tmp_path: Path) -> None:
    cluster = Cluster("c", tmp_path / "inventory.yml", ())
    lines = ["192.0.2.1,m1 ssh-ed25519 AAAA", "# a note", "192.0.2.2 ssh-ed25519 BBBB", "@revoked 192.0.2.1 ssh-ed25519 CCCC",
             "[192.0.2.1]:2222 ssh-ed25519 DDDD"]
    forget(cluster, ["192.0.2.1"])
    record(cluster, lines)
    forget(cluster, ["192.0.2.1"])
    assert KnownHosts.of(cluster).path.read_text().splitlines() == lines[1:]


@pytest.mark.parametrize(("names", "host", "yes"), [
    ("10.0.0.1", "10.0.0.1", True), ("10.0.0.1", "10.0.0.10", False), ("m1,10.0.0.1", "10.0.0.1", True),
    ("[10.0.0.1]:2222", "[10.0.0.1]:2222", True), ("[10.0.0.1]:2222", "10.0.0.1", False), ("10.0.0.1", "[10.0.0.1]:2222", False),
    ("*.example.org", "m1.example.org", True), ("M1.Example.org", "m1.example.org", True),
    ("*.example.org,!m1.example.org", "m1.example.org", False),
    ("10.0.0.?", "10.0.0.7", True), ("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg=", "192.168.1.61", True),
    ("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg=", "192.168.1.62", False), ("|1|broken", "x", False),
])
def test_names_in_known_hosts(tmp_path: Path, names: str, host: str, yes: bool) -> None:
    assert known(tmp_path, f"# comment\n\n{names} ssh-ed25519 {KEY} remark").knows(host) is yes


def test_authorities_count_and_revoked_keys_do_not(tmp_path: Path) -> None:
    found = known(tmp_path, f"@cert-authority *.example.org ssh-ed25519 {KEY}\n@revoked m9 ssh-ed25519 {KEY}\nonly two")
    assert found.knows("m1.example.org")
    assert not found.knows("m9")
    assert found.fingerprints("m1.example.org") == ()


def test_a_fingerprint_is_the_one_ssh_shows(tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text(f"ssh-ed25519 {KEY}\n")
    shown = subprocess.run(["ssh-keygen", "-l", "-f", str(file)], capture_output=True, text=True, check=True).stdout.split()[1]
    assert fingerprint(KEY) == shown
    assert fingerprint("not base64!") == "an unreadable key"


def test_recording_keeps_what_was_there_and_is_private(tmp_path: Path) -> None:
    of = reachable(tmp_path, "m1")
    record(of, ["a x y"])
    path = KnownHosts.of(of).path
    path.write_text("by hand without newline")
    record(of, ["b x y"])
    assert path.read_text() == "by hand without newline\nb x y\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [p.name for p in path.parent.iterdir()] == ["known_hosts"]


def test_only_hosts_without_a_key_are_contacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = reachable(tmp_path, "m1", "m2", "m3")
    record(of, [f"10.0.0.1 ssh-ed25519 {KEY}"])
    asked = []

    def fake(host: Host) -> HostKey:
        asked.append(host.name)
        if host.name == "m3":
            raise SshError("timeout", "does not answer")
        return HostKey((host.address, "other.name"), "ssh-ed25519", KEY)

    monkeypatch.setattr(host_keys, "scan", fake)
    lines: list[str] = []
    lost = establish(of, say=lines.append)
    assert sorted(asked) == ["m2", "m3"]
    assert list(lost) == ["m3"]
    assert lines == [f"m2: new host key {fingerprint(KEY)} (ssh-ed25519), trusted from now on"]
    assert KnownHosts.of(of).knows("other.name")
    establish(of, say=lines.append, hosts=["m2"])
    assert len(asked) == 2


def test_strict_accepts_nothing_new(tmp_path: Path) -> None:
    of = reachable(tmp_path, "m1", "m2")
    record(of, [f"10.0.0.2 ssh-ed25519 {KEY}"])
    with pytest.raises(UnreachableError, match="host keys of m1 are not known"):
        establish(of, say=print, strict=True)
    assert establish(of, say=print, strict=True, hosts=["m2"]) == {}


class _Greeter(threading.Thread):
    """An SSH server that shows its key, one client at a time; with `words` it says those instead."""

    def __init__(self, words: bytes = b"") -> None:
        super().__init__(daemon=True)
        self.key = paramiko.ECDSAKey.generate()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.logins = 0
        self._words = words

    def run(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self._words:
                client.sendall(self._words)
                client.close()
                continue
            transport = paramiko.Transport(client)
            transport.add_server_key(self.key)
            transport.start_server(server=_Counter(self))


class _Counter(paramiko.ServerInterface):
    def __init__(self, greeter: _Greeter) -> None:
        self._greeter = greeter

    def check_auth_none(self, username: str) -> int:
        self._greeter.logins += 1
        return paramiko.common.AUTH_FAILED


@pytest.fixture
def greeter() -> Iterator[_Greeter]:
    server = _Greeter()
    server.start()
    yield server
    server.listener.close()


def local(folder: Path, port: int, **variables: object) -> tuple[Host, Cluster]:
    host = Host("m1", "127.0.0.1", port, "deploy", variables=variables)
    return host, Cluster("test", folder / "inventory.yml", (host,))


def test_a_key_is_fetched_without_logging_in(tmp_path: Path, greeter: _Greeter) -> None:
    key = scan(local(tmp_path, greeter.port)[0])
    assert key == HostKey((f"[127.0.0.1]:{greeter.port}",), greeter.key.get_name(), greeter.key.get_base64())
    assert greeter.logins == 0


def test_a_key_is_fetched_through_a_proxy_command(tmp_path: Path, greeter: _Greeter) -> None:
    carry = ("import socket,sys,os,threading; s=socket.create_connection((sys.argv[1],int(sys.argv[2])))\n"
             "def out():\n  while True:\n    d=s.recv(9999)\n    if not d: os._exit(0)\n    os.write(1,d)\n"
             "threading.Thread(target=out).start()\nwhile True:\n  d=os.read(0,9999)\n  if not d: os._exit(0)\n  s.sendall(d)\n")
    (tmp_path / "carry.py").write_text(carry)
    host, _ = local(tmp_path, greeter.port, ansible_ssh_common_args=f"-o ProxyCommand='python3 {tmp_path}/carry.py %h %p'")
    assert scan(host).key == greeter.key.get_base64()


def test_a_proxy_that_fails_says_why(tmp_path: Path) -> None:
    host, _ = local(tmp_path, 22, ansible_ssh_common_args="-o ProxyCommand='echo no such gate >&2; exit 1'")
    with pytest.raises(SshError, match=r"no connection through ProxyCommand 'echo no such gate .*': no such gate"):
        scan(host)


def test_nobody_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SshError) as error:
        scan(local(tmp_path, port)[0])
    assert (error.value.cause, error.value.message) == ("refused", f"nothing listens on port {port} of 127.0.0.1")
    host, _ = local(tmp_path, 22)
    with pytest.raises(SshError) as error:
        scan(replace(host, address="no-such-host.invalid"))
    assert error.value.cause == "name"


def test_something_else_listens_there(tmp_path: Path) -> None:
    server = _Greeter(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    server.start()
    with pytest.raises(SshError, match="no SSH server answers there") as error:
        scan(local(tmp_path, server.port)[0])
    assert error.value.cause == "closed"
    server.listener.close()


SETTINGS = "hostname 10.0.0.1\nport 22\nuser deploy\n"


@pytest.mark.parametrize(("settings", "through"), [
    ("", ""),
    ("proxycommand none\nproxyjump none\n", ""),
    ("proxyjump jump\n", "ssh -o BatchMode=yes -o ConnectTimeout=10 -W '[10.0.0.1]:22' ssh://jump"),
    ("proxyjump a,ops@[10.9.9.9]:2200\n", "ssh -o BatchMode=yes -o ConnectTimeout=10 -J a -W '[10.0.0.1]:22' 'ssh://ops@[10.9.9.9]:2200'"),
    ("proxycommand nc -X 5 %h %p %r 100%%\n", "exec nc -X 5 10.0.0.1 22 deploy 100%"),
])
def test_the_way_to_a_host(settings: str, through: str) -> None:
    assert read_route(SETTINGS + settings, login(Host("m1", "10.0.0.1"))).through == through


def test_the_configuration_file_is_handed_on_to_the_jump() -> None:
    host = Host("m1", "10.0.0.1", variables={"ansible_ssh_common_args": "-v -F /x/config", "ansible_ssh_timeout": 3})
    assert read_route(SETTINGS + "proxyjump j\n", login(host)).through.startswith("ssh -F /x/config -o BatchMode=yes -o ConnectTimeout=3 ")
    assert read_route(SETTINGS + "hostkeyalias web\n", login(host)).known_as == "web"
