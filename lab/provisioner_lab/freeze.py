"""Makes a snapshot: the hosts are stopped, kept as images and disks, started again, and all of it is packed into files."""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from provisioner.context import Context
from provisioner.errors import ProvisionError, UsageError
from provisioner.hosts.remote_process import HostProcess
from provisioner.mirror.programs import Say, failure, run, working
from provisioner.run.lock import Lock
from provisioner_lab import restore, work
from provisioner_lab.cache import cache_dir, exclusively
from provisioner_lab.commands import piped
from provisioner_lab.hosts import network, nodes
from provisioner_lab.mirror.server import serves
from provisioner_lab.model import MIRROR, VENDORS, Lab
from provisioner_lab.snapshots import disks
from provisioner_lab.snapshots.store import MAKING, Parts, Snapshot, exists, parts, shelf, tidy

# Docker in a host ends its containers first, ten seconds each at most.
_STOP_SECONDS = 90
_COMMIT_SECONDS = 600.0
# The engine lays empty files over these in every new container.
_NOT_IN_IMAGES = ("etc/hostname", "etc/hosts", "etc/resolv.conf")
# What the engine says of a container that it had to kill.
_KILLED = "137"
# Downloaded packages are a fifth of a host, and the mirror has them. SSH sessions must be over before the shutdown: on cgroup v1 in a
# container nobody tells systemd that the last process of one is gone, and it would wait for the full time-out.
_CALM_DOWN = """
rm -f /var/cache/apt/archives/*.deb
pkill -f '^sshd(-session)?: [^/]'
for _ in $(seq 50); do pgrep -f '^sshd(-session)?: [^/]' >/dev/null || break; sleep 0.1; done
"""


def take(name: str, lab_name: str, *, again: bool, say: Say) -> Snapshot:
    """Keeps a lab under a name; its hosts stop for that and are started again. With `again` one of that name is replaced.

    Raises UsageError when the name is taken or not all hosts run, LockedError when somebody is changing the cluster,
    ProvisionError when a part fails: then the lab runs on, and what was kept before is untouched.
    """
    if exists(name) and not again:
        raise UsageError(f"there is a snapshot {name!r} already",
                         hint=f"take another name, replace it with --replace, or remove it: provision lab snapshots --remove {name}")
    lab = work.find(lab_name)
    _check_runs(lab)
    context = Context(lab.inventory)
    with exclusively(say), tempfile.TemporaryDirectory(dir=shelf(), prefix=MAKING) as scratch:
        for cut_off in set(shelf().glob(f"{MAKING}*")) - {Path(scratch)}:
            shutil.rmtree(cut_off)  # nobody else is making one now
        place = Parts(Path(scratch) / name)
        place.mirror("").mkdir(parents=True)
        snapshot = _describe(name, lab, healthy=not restore.problems(context))
        place.about.write_text(snapshot.as_json())
        try:
            with Lock(context.cluster, functools.partial(HostProcess, context.cluster), f"snapshot {name}").acquire():
                _read_files(lab, snapshot, place)
            _keep_in_engine(lab, snapshot, say)
            _write(lab, snapshot, place, say)
            if exists(name):
                shutil.rmtree(parts(name).folder)
            place.folder.rename(parts(name).folder)
        except BaseException:  # Ctrl-C too
            place.about.unlink(missing_ok=True)
            raise
        finally:
            tidy()
    nodes.wait(lab, [lab.node(host) for host in snapshot.hosts], say)
    if snapshot.healthy:
        restore.wait_healthy(context, say)
    return snapshot


def _check_runs(lab: Lab) -> None:
    found = work.status(lab.name)
    if VENDORS in found.states:
        raise UsageError(f"the lab {lab.name!r} has played vendors, which a snapshot does not hold",
                         hint="make one without --vendors, and keep that")
    asleep = [f"{name} is {state}" for name, state in found.states.items() if state != "running"]
    if asleep or not found.nodes or MIRROR not in found.states:
        raise UsageError(f"not all of the lab {lab.name!r} runs: {', '.join(asleep) or 'there is no host or no mirror'}",
                         hint=f"start it, then try again: provision lab up --name {lab.name}")
    if not lab.inventory.is_file():
        raise UsageError("the lab's inventory is gone", where=str(lab.inventory),
                         hint=f"write it again: provision lab up --name {lab.name}")


def _describe(name: str, lab: Lab, *, healthy: bool) -> Snapshot:
    content, programs = serves(lab).split()
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    hosts = tuple(node.name for node in work.status(lab.name).nodes)
    return Snapshot(name, secrets.token_hex(6), made, lab.name, lab.origin or lab.name, lab.system, str(lab.subnet), str(lab.directory),
                    network.intended_size(lab), hosts, content, programs, healthy)


def _read_files(lab: Lab, snapshot: Snapshot, place: Parts) -> None:
    for host in snapshot.hosts:
        done = nodes.exec_in(lab, host, ["tar", "--create", "--directory", "/", *_NOT_IN_IMAGES])
        if done.returncode:
            raise failure(f"reading files of {host}", done.returncode, done.stderr.decode(errors="replace"))
        place.files(host).write_bytes(done.stdout)


def _keep_in_engine(lab: Lab, snapshot: Snapshot, say: Say) -> None:
    def stop(host: str) -> None:
        nodes.exec_in(lab, host, ["sh", "-c", _CALM_DOWN])
        nodes.stop(lab, host, seconds=_STOP_SECONDS)
        ended = run(["docker", "inspect", "--format", "{{.State.ExitCode}}", lab.container(host)], what=f"how {host} ended").strip()
        if ended == _KILLED:
            raise ProvisionError(f"{host} did not shut down within {_STOP_SECONDS} s", where=f"lab {lab.name}",
                                 hint="see what held it up, then try again: journalctl -b -1 on that host")

    def commit(host: str) -> None:
        command = ["docker", "commit", "--message", f"snapshot {snapshot.name}", lab.container(host), snapshot.image(host)]
        run(command, what=f"keeping {host}", timeout=_COMMIT_SECONDS)

    pairs = {lab.volume(host): snapshot.volume(host) for host in snapshot.hosts}
    for volume in pairs.values():
        run(["docker", "volume", "create", volume], what="disks of the snapshot")
    try:
        with ThreadPoolExecutor() as side_by_side:
            with working(say, f"stopping {' '.join(snapshot.hosts)}"):
                list(side_by_side.map(stop, snapshot.hosts))
            with working(say, "keeping file systems and disks"):
                list(side_by_side.map(commit, snapshot.hosts))
                disks.copy(snapshot.image(snapshot.hosts[0]), pairs)
    except BaseException:  # Ctrl-C too: the engine still ends what it was told to, and a host that is about to stop can't be started
        for host in snapshot.hosts:
            nodes.stop(lab, host, seconds=_STOP_SECONDS)
        raise
    finally:
        nodes.start(lab, snapshot.hosts, {})


def _write(lab: Lab, snapshot: Snapshot, place: Parts, say: Say) -> None:
    images = [snapshot.image(host) for host in snapshot.hosts]
    with working(say, f"packing snapshot {snapshot.name}"):
        piped(["docker", "save", *images], disks.compress(place.images), what="packing the file systems")
        disks.pack(images[0], {host: snapshot.volume(host) for host in snapshot.hosts}, place.disks)
        place.home.touch(0o600)
        run(["tar", "--create", "--directory", str(lab.home), "--file", str(place.home), "."], what="packing the lab's folder")
        for folder in (snapshot.content, snapshot.programs):
            shutil.copytree(cache_dir() / folder, place.mirror(folder), symlinks=True, copy_function=os.link)


