"""Print, as JSON, what the role needs to know about Docker on this host. Argument 1: JSON {packages, address}.

installed  version of the engine, "" if there is none; candidate: version of its package that would be installed, "" if unknown
running    whether the daemon runs
held       which of the packages apt would leave alone
folder     whether the folder for our addition to the unit exists
absent     the address if this host does not have it, else ""
"""
import errno
import json
import re
import socket
import subprocess
import sys
from pathlib import Path


def printed(command):
    """What a query printed; a program that is not installed has nothing to say."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        return ""
    return done.stdout.decode(errors="replace").strip()


def missing_address(address):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            return address if error.errno == errno.EADDRNOTAVAIL else ""
    return ""


def main():
    asked = json.loads(sys.argv[1])
    packages = asked["packages"]
    version = re.search(r"version ([0-9.]+)", printed(["dockerd", "--version"]))
    candidate = re.search(r"Candidate: (?:\d+:)?([0-9.]+)", printed(["apt-cache", "policy", *packages[:1]]))
    wishes = printed(["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Want}\n", *packages])
    print(json.dumps({
        "installed": version.group(1) if version else "",
        "candidate": candidate.group(1) if candidate else "",
        "running": printed(["systemctl", "is-active", "docker"]) == "active",
        "held": [line.split()[0] for line in wishes.splitlines() if line.endswith(" hold")],
        "folder": Path("/etc/systemd/system/docker.service.d").is_dir(),
        "absent": missing_address(asked["address"]) if asked["address"] else "",
    }))


if __name__ == "__main__":
    main()
