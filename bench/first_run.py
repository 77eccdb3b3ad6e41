"""What a first run on fresh hosts takes: ours, ours by mitogen, and by a tuned `ansible-playbook` the same roles and those of `baseline`,
in turn.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML

from bench import baseline, plain
from bench.commands import timed
from bench.contenders import TUNED, whole_cluster
from provisioner.context import Context
from provisioner.hosts.host_keys import establish
from provisioner.paths import project_dir
from provisioner.state import ledger, secrets
from provisioner_lab.model import default_inventory


def first_run(lab: str, size: tuple[str, ...], work: Path, repetitions: int) -> dict[str, list[float]]:
    """Seconds by contender; each gets a lab of its own of this size (arguments of `lab up`), of which the last stays."""
    old = f"first run, {TUNED}, a task for each file"
    contenders: dict[str, Callable[[str, Path], float]] = {
        old: lambda lab, _: baseline.first_run(lab, size),
        f"first run, {TUNED}": _tuned,
        "first run, ours with cluster_mitogen": _ours_by_mitogen,
        "first run, ours": _ours,
    }
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(repetitions):
        for name, bring_up in contenders.items():
            timed("lab", "down", "--name", lab, "--ignore-missing")
            if name != old:
                timed("lab", "up", "--name", lab, *size)
            found[name].append(bring_up(lab, work))
            print(f"round {number + 1}: {name}: {found[name][-1]:.0f} s", flush=True)
    return found


def _ours(lab: str, _: Path) -> float:
    return timed("up", "--lab", lab, "--yes")


def _ours_by_mitogen(lab: str, work: Path) -> float:
    path, yaml = default_inventory(lab, project_dir()), YAML()
    inventory = yaml.load(path)
    inventory["all"]["vars"]["cluster_mitogen"] = True
    yaml.dump(inventory, path)
    return _ours(lab, work)


def _tuned(lab: str, work: Path) -> float:
    """What the driver makes before its first step is there beforehand: host keys, secrets, identities, variables."""
    context = Context(default_inventory(lab, project_dir()))
    ledger.save(context.cluster, context.ledger)
    secrets.ensure(context.cluster)
    establish(context.cluster, say=print)
    plain.write(context, work, [])
    playbook = whole_cluster(work, TUNED)
    with tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as sockets:
        begin = time.monotonic()
        done = subprocess.run(playbook.command(Path(sockets)), env={**os.environ, **playbook.environment(Path(sockets))}, cwd=project_dir(),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        taken = time.monotonic() - begin
    if done.returncode:
        raise RuntimeError(f"ansible-playbook ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return taken
