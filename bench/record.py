"""`python -m bench.record --hosts INVENTORY`: ask the hosts of a healthy lab all that the driver asks, and keep the answers.

They become `bench/recordings/cluster.json`, from which `bench/simulated_hosts.py` makes as many hosts as are wanted. Nothing is written to
the hosts, nor beside their inventory.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.simulated_hosts import RECORDING
from provisioner.cluster.model import Host
from provisioner.context import Context
from provisioner.hosts.openssh import Completed, Transport
from provisioner.observe.observation import observe
from provisioner.observe.payload import read_answer
from provisioner.observe.preflight import preflight

#: What of the inventory the answers depend on.
VARIABLES = ("cluster_mirror", "cluster_registry")


class Recorder:
    """A Transport that keeps what hosts answer; a later answer adds its sections to an earlier one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.answers: dict[str, dict[str, Any]] = {}

    def run(self, host: Host, command: str, stdin: bytes = b"", *, become: bool = False, timeout: float = 60.0,
            line: Callable[[bytes], None] | None = None) -> Completed:
        """See Transport."""
        done = self._transport.run(host, command, stdin, become=become, timeout=timeout, line=line)
        if done.stdout:
            self.answers[host.name] = {**self.answers.get(host.name, {}), **read_answer(done.stdout)}
        return done


def main() -> int:
    """Ask the masters and the first agent, and write the file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--hosts", required=True, metavar="INVENTORY", help="of a lab that is built and healthy")
    options.add_argument("--out", type=Path, default=RECORDING)
    chosen = options.parse_args()
    context, recorder = Context(Path(chosen.hosts)), Recorder(Context(Path(chosen.hosts)).transport)
    agent = context.cluster.members("agents")[0]
    asked = [*context.cluster.members("masters"), agent]
    names = [host.name for host in asked]
    observe(context.cluster, context.rendered, recorder, hosts=names)
    preflight(context.cluster, context.rendered, recorder, hosts=names)
    ill = [f"{host}: {name} is {one['state']}" for host in names for name, one in recorder.answers[host]["health"].items()
           if one["state"] != "ok"]
    if ill:
        sys.exit("nothing was kept: " + "; ".join(ill))
    catalogue = json.loads((context.path.parent / str(context.cluster.variables["cluster_catalogue"])).read_text())
    found = {"hosts": {name: recorder.answers[name] for name in names}, "addresses": {h.name: h.cluster_address for h in asked},
             "agent": agent.name, "catalogue": catalogue, "variables": {name: context.cluster.variables[name] for name in VARIABLES}}
    chosen.out.parent.mkdir(exist_ok=True)
    chosen.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
