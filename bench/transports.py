"""`python -m bench.transports --lab NAME`: one command on every host by way of OpenSSH, paramiko and asyncssh, in turn.

New connections each time. Wall and processor time, for the choice in decision 3.
paramiko and asyncssh run in the environment of the other contenders, in one process each, with all hosts at once.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import measured
from bench.contenders import TOOLS, at_once
from bench.measured import Cost
from provisioner.context import Context
from provisioner.paths import project_dir
from provisioner_lab.model import default_inventory
from provisioner_lab.work import find
from tests.lab.support.results import keep

PARAMIKO = """
import sys
from concurrent.futures import ThreadPoolExecutor
import paramiko
key, known, user, *hosts = sys.argv[1:]
def one(host):
    client = paramiko.SSHClient()
    client.load_host_keys(known)
    client.connect(host, username=user, key_filename=key, look_for_keys=False, allow_agent=False)
    assert client.exec_command("true")[1].channel.recv_exit_status() == 0
    client.close()
with ThreadPoolExecutor(32) as pool:
    list(pool.map(one, hosts))
"""
ASYNCSSH = """
import asyncio, sys
import asyncssh
key, known, user, *hosts = sys.argv[1:]
async def one(host):
    async with asyncssh.connect(host, username=user, client_keys=[key], known_hosts=known, config=None) as connection:
        await connection.run("true", check=True)
async def main():
    await asyncio.gather(*map(one, hosts))
asyncio.run(main())
"""


def main() -> int:
    """Print and keep the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lab", default="bench")
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    context, lab = Context(default_inventory(chosen.lab, project_dir())), find(chosen.lab)
    user, known = str(context.rendered["all"]["vars"]["ansible_user"]), str(context.cluster.state_dir / "known_hosts")
    hosts = [host.address for host in context.cluster.hosts]
    base = ["-i", str(lab.key), "-l", user, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known}"]
    python = str(TOOLS / "bin/python")
    costs: dict[str, list[Cost]] = {}
    with measured.counted(str(lab.subnet)), tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as folder:
        for number in range(chosen.rounds):
            shared = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", f"ControlPath={folder}/{number}%C"]
            ways = {
                "OpenSSH": at_once(["ssh", *base, "-o", "ControlPath=none"], hosts),
                "OpenSSH, sharing": at_once(["ssh", *base, *shared], hosts),
                "paramiko": [python, "-c", PARAMIKO, str(lab.key), known, user, *hosts],
                "asyncssh": [python, "-c", ASYNCSSH, str(lab.key), known, user, *hosts],
            }
            for name, argv in ways.items():
                costs.setdefault(name, []).append(measured.run(argv, environment=os.environ, cwd=project_dir()))
    rows = [f"{name:<20}{statistics.median(c.wall for c in runs):>8.2f} s{statistics.median(c.cpu for c in runs):>8.2f} s CPU"
            f"{statistics.median(c.memory for c in runs):>8.0f} MiB" for name, runs in costs.items()]
    title = f"`true` on {len(hosts)} hosts at once, new connections, {chosen.rounds} rounds, medians"
    keep(f"transports-{len(hosts)}-hosts", "\n".join([title, *rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
