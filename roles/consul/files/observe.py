"""Print, as JSON, what there is of Consul on this host.

Argument: the address that the agent will bind.

binary     the program behind /usr/local/bin/consul, "" unless it is as it was unpacked: its content, root's, nobody else's to write to
folders    whether the folders for the program and its settings are there, root's and nobody else's to write to
unit       whether our unit file is there; active: whether it runs; user: whether the user consul exists
voting     whether this host belongs to a raft that has voters: its servers were founded once and must not be founded again
bootstrap  whether there is a file that says how many servers to wait for; expected: that number, 0 if none can be read
absent     whether this host lacks the address; taken: ports another program holds
"""
import errno
import hashlib
import json
import pwd
import socket
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

BOOTSTRAP = Path("/etc/consul.d/bootstrap.json")
LINK = Path("/usr/local/bin/consul")
FOLDERS = (Path("/opt/consul"), Path("/etc/consul.d"))
PORTS = ((None, 8300), (None, 8301), ("127.0.0.1", 8500), ("127.0.0.1", 8600))


def guarded(path, kind):
    try:
        found = path.stat()
    except OSError:
        return False
    return kind(found.st_mode) and (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (0, 0, 0o755)


def binary():
    program = LINK.resolve()
    digest, noted = hashlib.sha256(), program.with_name("consul.sha256")
    if not guarded(program, stat.S_ISREG) or not noted.is_file():
        return ""
    with program.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return str(program) if digest.hexdigest() == noted.read_text().strip() else ""


def bind_error(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno
    return 0


def voting(active):
    """Servers that were started but never had a leader have raft data too, so a running agent is asked."""
    if not active:
        return Path("/var/lib/consul/raft").is_dir()
    try:
        with urllib.request.urlopen("http://127.0.0.1:8500/v1/status/peers", timeout=5) as answer:
            return bool(json.load(answer))
    except (OSError, ValueError):
        return True


def expected():
    try:
        return int(json.loads(BOOTSTRAP.read_text())["bootstrap_expect"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def has_user():
    try:
        return bool(pwd.getpwnam("consul"))
    except KeyError:
        return False


def main():
    address = sys.argv[1]
    active = subprocess.call(["systemctl", "is-active", "--quiet", "consul"]) == 0
    errors = {port: bind_error(own or address, port) for own, port in PORTS if own or address}
    print(json.dumps({
        "binary": binary(),
        "folders": all(guarded(folder, stat.S_ISDIR) for folder in FOLDERS),
        "unit": Path("/etc/systemd/system/consul.service").exists(),
        "active": active,
        "user": has_user(),
        "voting": voting(active),
        "bootstrap": BOOTSTRAP.exists(),
        "expected": expected(),
        "absent": errno.EADDRNOTAVAIL in errors.values(),
        "taken": [] if active else [port for port, error in errors.items() if error == errno.EADDRINUSE],
    }))


main()
