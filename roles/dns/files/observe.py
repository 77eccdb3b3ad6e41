"""Print, as JSON, how this host resolves names now.

Arguments: the file that keeps the former settings, and the address dnsmasq will listen on besides 127.0.0.1 (may be "").

manager  "resolved" (systemd-resolved feeds /etc/resolv.conf) or "file"
content  text of /etc/resolv.conf, "" if there is none; link: where it points if it is a symbolic link, else ""
kept     text of the file with the former settings, "" if there is none
absent   listen addresses that this host does not have; taken: those whose port 53 another program holds
running  whether dnsmasq runs; unit: whether our unit file is there
network_manager, dhclient: whether these could overwrite /etc/resolv.conf
"""
import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

RESOLV = "/etc/resolv.conf"


def active(unit):
    return subprocess.call(["systemctl", "is-active", "--quiet", unit]) == 0


def bind_error(address, kind):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1 if kind == socket.SOCK_STREAM else 0)
        try:
            probe.bind((address, 53))
        except OSError as error:
            return error.errno
    return 0


def text_of(path):
    file = Path(path)
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def main():
    kept, *listen = sys.argv[1:]
    content = text_of(RESOLV)
    addresses = [a for a in ["127.0.0.1", *listen] if a]
    kinds = (socket.SOCK_DGRAM, socket.SOCK_STREAM)
    errors = {a: {bind_error(a, kind) for kind in kinds} for a in addresses}
    fed = os.path.realpath(RESOLV).startswith("/run/systemd/resolve/") or "nameserver 127.0.0.53" in content
    ours = active("dnsmasq")
    print(json.dumps({
        "manager": "resolved" if fed and active("systemd-resolved") else "file",
        "content": content,
        "kept": text_of(kept),
        "link": os.readlink(RESOLV) if Path(RESOLV).is_symlink() else "",  # noqa: PTH115 - Path.readlink came with Python 3.9
        "absent": [a for a in addresses if errno.EADDRNOTAVAIL in errors[a]],
        "taken": [] if ours else [a for a in addresses if errno.EADDRINUSE in errors[a]],
        "running": ours,
        "unit": Path("/etc/systemd/system/dnsmasq.service").exists(),
        "network_manager": active("NetworkManager"),
        "dhclient": Path("/etc/dhcp/dhclient-enter-hooks.d").is_dir(),
    }))


main()
