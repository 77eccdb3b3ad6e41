"""A cluster for a test run: that of a lab which is there, or of one that is made and goes again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from provisioner.errors import ProvisionError
from provisioner.mirror.programs import Say
from provisioner_lab import faults
from provisioner_lab.hosts import engine
from provisioner_lab.model import default_inventory
from provisioner_lab.snapshots.store import exists
from provisioner_lab.under_test import PROVISION, ClusterUnderTest
from provisioner_lab.work import find, labs, status


@contextmanager
def provisioned(name: str, directory: Path, size: Sequence[str], *, keep: bool, snapshot: str = "", say: Say) -> Iterator[ClusterUnderTest]:
    """The cluster of the lab of this name, up and verified, without faults at the end.

    A lab that is there is used wherever it was made, and left; where nothing needs doing in it, its cluster has only to be
    healthy. Otherwise one is made in `directory` with `size`, further arguments of `provision lab up`; it goes at the end
    unless `keep`. With the name of a `snapshot` it starts from that; where there is none, or it does not start or lacks something, one is
    made of what then runs. Raises ProvisionError with what the driver said.
    """
    found = next((lab for lab in labs() if lab.name == name), None) if engine.answers() else None
    home = found.directory if found else directory
    # Without an engine to ask, the files say whether there is a lab.
    passing = not found and not keep and not default_inventory(name, home).is_file()
    cluster = ClusterUnderTest(name, home)
    try:
        begun = bool(found or (snapshot and exists(snapshot) and _restored(snapshot, cluster, say)))
        _follow(["lab", "up", "--name", name, *size], home, say)
        if found:
            faults.mend(find(name), [node.name for node in status(name).nodes])
            faults.unspoil(find(name))
        if begun and not cluster.run("plan", "--detailed-exitcode", check=False).returncode:
            cluster.wait_healthy()
        else:
            _follow(["up", *cluster.select, "--yes"], home, say)
            _follow(["verify", *cluster.select], home, say)
            if snapshot and not found:
                _follow(["lab", "snapshot", snapshot, "--name", name, "--replace"], home, say)
        yield cluster
    finally:
        if not passing:
            cluster.undo()
        elif default_inventory(name, home).is_file():
            _follow(["lab", "down", "--name", name], home, say)


def _restored(snapshot: str, cluster: ClusterUnderTest, say: Say) -> bool:
    """Does a lab start from this snapshot? One that does not, on a smaller machine for example, is no reason to have no cluster."""
    try:
        _follow(["lab", "restore", snapshot, "--name", cluster.lab], cluster.directory, say)
    except ProvisionError:
        say(f"the snapshot {snapshot} does not start here: the cluster is built, and then kept in its place")
        if default_inventory(cluster.lab, cluster.directory).is_file():
            _follow(["lab", "down", "--name", cluster.lab], cluster.directory, say)
        return False
    return True


def _follow(arguments: Sequence[str], directory: Path, say: Say) -> None:
    """Run one command and pass on what it says, line by line. Raises ProvisionError with its own error, or its last lines."""
    lines: list[str] = []
    with subprocess.Popen([PROVISION, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", cwd=directory) as process:
        try:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                say(lines[-1])
        except BaseException:  # Ctrl-C: nobody reads any more what it says
            process.terminate()
            raise
    if process.returncode:
        begin = next((n for n, line in enumerate(lines) if line.startswith("error: ")), -15)
        raise ProvisionError(f"provision {' '.join(arguments)} ended with {process.returncode}\n" + "\n".join(lines[begin:]))
