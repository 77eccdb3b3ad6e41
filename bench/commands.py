"""What single commands of ours take: those that ask nobody, one change, one host more, one that is silent, a kept lab."""

from __future__ import annotations

import copy
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ruamel.yaml import YAML

from bench.contenders import PROVISION
from provisioner.paths import project_dir
from provisioner_lab.model import default_inventory
from provisioner_lab.snapshots import store
from provisioner_lab.work import find

#: The exit code of a run that did everything except on hosts that do not answer.
SOME_SILENT = 4


def small(lab: str, repetitions: int) -> dict[str, list[float]]:
    """Seconds of the commands that ask no host, or ask and change nothing."""
    found: dict[str, list[float]] = {"--help": [], "validate": [], "status": []}
    for _ in range(repetitions):
        for name, seconds in found.items():
            words = [name] if name.startswith("-") else [name, "--lab", lab]
            seconds.append(timed(*words))
    return found


def keep_and_restore(lab: str, repetitions: int) -> dict[str, list[float]]:
    """Seconds until a lab is kept, and until a cluster started from what was kept is healthy, in this and in a new engine."""
    found = {"lab snapshot": [timed("lab", "snapshot", lab, "--name", lab, "--replace")], "lab restore": [], "lab restore, new engine": []}
    for _ in range(repetitions):
        timed("lab", "down", "--name", lab)
        found["lab restore"].append(timed("lab", "restore", lab))
    timed("lab", "down", "--name", lab)
    kept = store.find(lab)
    for kind, name in (("image", kept.image), ("volume", kept.volume)):
        subprocess.run(["docker", kind, "rm", *map(name, kept.hosts)], check=True, stdout=subprocess.DEVNULL)
    found["lab restore, new engine"].append(timed("lab", "restore", lab))
    timed("lab", "snapshots", "--remove", lab)
    return found


def one_variable(lab: str, repetitions: int) -> dict[str, list[float]]:
    """Seconds of an `up` that brings one changed setting of Consul to one agent. Raises RuntimeError when it would touch other hosts."""
    found: list[float] = []
    with _own_setting(lab, "a1") as change:
        for number in range(repetitions):
            change("WARN" if number % 2 == 0 else "INFO")
            touched = {h for step in _plan(lab)["steps"] for h in step["hosts"]}
            if touched != {"a1"}:
                raise RuntimeError(f"one variable of a1 touches {sorted(touched)}")
            found.append(timed("up", "--lab", lab, "--yes"))
    timed("up", "--lab", lab, "--yes")
    return {"one variable on one host": found}


def silent_host(lab: str, repetitions: int) -> dict[str, list[float]]:
    """Seconds of an `up` with nothing to do while one agent is frozen."""
    container = find(lab).container("a1")
    subprocess.run(["docker", "pause", container], check=True, stdout=subprocess.DEVNULL)
    try:
        return {"nothing to do, one host silent": [timed("up", "--lab", lab, "--yes", code=SOME_SILENT) for _ in range(repetitions)]}
    finally:
        subprocess.run(["docker", "unpause", container], check=True, stdout=subprocess.DEVNULL)


def one_more_agent(lab: str, agents: int) -> dict[str, list[float]]:
    """Seconds of an `up` on an inventory with one agent more than the cluster has."""
    timed("lab", "up", "--name", lab, "--agents", str(agents + 1))
    return {"one more agent": [timed("up", "--lab", lab, "--yes")]}


def timed(*arguments: str, code: int = 0) -> float:
    """Wall seconds of one `provision` command. Raises RuntimeError with the end of its output when it ends with another code."""
    begin = time.monotonic()
    done = subprocess.run([PROVISION, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          cwd=project_dir())
    if done.returncode != code:
        raise RuntimeError(f"provision {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return time.monotonic() - begin


def _plan(lab: str) -> Any:
    done = subprocess.run([PROVISION, "plan", "--lab", lab, "--json"], check=True, capture_output=True, text=True, cwd=project_dir())
    return json.loads(done.stdout)


@contextmanager
def _own_setting(lab: str, host: str) -> Iterator[Callable[[str], None]]:
    """Gives what changes how much Consul logs on one host; the inventory is as before in the end."""
    path = default_inventory(lab, project_dir())
    before = path.read_text()

    def change(level: str) -> None:
        yaml = YAML()
        inventory = yaml.load(before)
        # A copy, because what stands twice in memory would be written as an alias.
        general = copy.deepcopy(inventory["all"]["vars"].get("consul_extra_config", {}))
        inventory["all"]["children"]["agents"]["hosts"][host]["consul_extra_config"] = {**general, "log_level": level}
        with path.open("w") as file:
            yaml.dump(inventory, file)

    try:
        yield change
    finally:
        path.write_text(before)
