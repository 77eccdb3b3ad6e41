"""Print, as JSON, what there is of ZooKeeper on this host.

Argument: JSON with the address to bind, the ports, and the folder the archive is unpacked to.

id       the number in the data folder, "" if there is none (Debian's package puts a sentence there)
unit     whether our unit file is there; active: whether a unit of that name runs
user     whether the user zookeeper exists; folders: whether those for settings and data do, with the right owners and modes
home     whether the archive is unpacked
absent   whether this host lacks the address; taken: ports that another program holds
"""
import errno
import grp
import json
import pwd
import socket
import stat
import subprocess
import sys
from pathlib import Path

DATA = Path("/var/lib/zookeeper")
CONFIG = Path("/etc/zookeeper/provisioner")


def bind_error(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno
    return 0


def number():
    path = DATA / "myid"
    text = path.read_text(errors="replace").strip() if path.is_file() else ""
    return text if text.isdigit() else ""


def user():
    """Its number, None if there is none. Data from another machine may belong to a number that has no name here."""
    try:
        return pwd.getpwnam("zookeeper").pw_uid
    except KeyError:
        return None


def owned(folder, name, mode):
    try:
        found, owner, group = folder.stat(), pwd.getpwnam(name), grp.getgrnam(name)
    except (OSError, KeyError):
        return False
    return stat.S_ISDIR(found.st_mode) and (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (owner.pw_uid, group.gr_gid, mode)


def main():
    asked = json.loads(sys.argv[1])
    active = subprocess.call(["systemctl", "is-active", "--quiet", "zookeeper"]) == 0
    errors = {port: bind_error(asked["address"], port) for port in asked["ports"]} if asked["address"] else {}
    print(json.dumps({
        "id": number(),
        "unit": Path("/etc/systemd/system/zookeeper.service").exists(),
        "active": active,
        "user": user() is not None,
        "folders": owned(CONFIG, "root", 0o755) and owned(DATA, "zookeeper", 0o750),
        "home": Path(asked["home"], "lib").is_dir(),
        "absent": errno.EADDRNOTAVAIL in errors.values(),
        "taken": [] if active else [port for port, error in errors.items() if error == errno.EADDRINUSE],
    }))


main()
