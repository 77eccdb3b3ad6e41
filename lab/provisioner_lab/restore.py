"""Starts a lab from a snapshot: the same cluster, hosts and addresses, under the same or another name."""

from __future__ import annotations

import ipaddress
import os
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from provisioner.context import Context
from provisioner.errors import StepFailed, UsageError
from provisioner.mirror.programs import Say, run, working
from provisioner.observe.observation import observe
from provisioner.observe.status import summarize
from provisioner.state.files import private_dir
from provisioner_lab import work
from provisioner_lab.cache import cache_dir, exclusively
from provisioner_lab.commands import piped
from provisioner_lab.hosts import engine, inventory, network, nodes
from provisioner_lab.hosts.machine import allow_watchers, capability_arguments, networks_in_use
from provisioner_lab.images import bootstrap
from provisioner_lab.mirror import server
from provisioner_lab.model import Lab, check_name
from provisioner_lab.snapshots import disks, store
from provisioner_lab.snapshots.store import Snapshot

# Twenty on a quiet machine. ZooKeeper's and Mesos' elections, and agents that register again, take the longest.
_HEALTHY_SECONDS = 180.0


def restore(name: str, lab_name: str = "", *, directory: Path | None = None, say: Say) -> work.LabStatus:
    """A lab from a snapshot, with the name that it had or another one; `directory` is the folder that it belongs to (the current one).

    Raises UsageError when the name or the network is taken. What was begun is removed when a part fails; a cluster that was healthy
    and does not become so is StepFailed, and left to be looked at.
    """
    begin = time.monotonic()
    snapshot = store.find(name)
    here = (directory or Path.cwd()).resolve()
    lab = Lab(check_name(lab_name or snapshot.lab), here, snapshot.system, ipaddress.IPv4Network(snapshot.subnet), origin=snapshot.origin)
    engine.ensure(say)
    with exclusively(say):
        check_room(lab, work.labs(), networks_in_use())
        allow_watchers(len(snapshot.hosts))
        store.tidy()
        if not store.in_engine(snapshot):
            _load(snapshot, say)
        try:
            _build(lab, snapshot, say)
        except BaseException:  # Ctrl-C too
            _take_back(lab, say)
            raise
    with working(say, f"starting {' '.join(snapshot.hosts)}"):
        nodes.wait(lab, [lab.node(host) for host in snapshot.hosts], say)
    if snapshot.healthy:
        wait_healthy(Context(lab.inventory), say)
    say(f"lab {lab.name} from snapshot {name} of {snapshot.made}: {time.monotonic() - begin:.0f} s")
    return work.status(lab.name)


def check_room(lab: Lab, labs: Sequence[Lab], taken: Sequence[ipaddress.IPv4Network]) -> None:
    """Raises UsageError when the name or the network of a lab that is to be made is in use."""
    if lab.name in {other.name for other in labs}:
        raise UsageError(f"there is a lab {lab.name!r} already",
                         hint=f"take another name with --name, or remove it: provision lab down --name {lab.name}")
    holders = [other.name for other in labs if other.subnet.overlaps(lab.subnet)]
    if holders or any(lab.subnet.overlaps(other) for other in taken):
        whose = f"the lab {holders[0]!r}" if holders else "something else on this machine"
        raise UsageError(f"the hosts' addresses are set in the cluster's configuration, and {whose} uses the network {lab.subnet}",
                         hint=f"remove that lab: provision lab down --name {holders[0]}" if holders else
                         "find it with `ip route` and `docker network ls`, or restore on another machine")


def problems(context: Context) -> list[str]:
    """What `provision status` finds wrong; nothing when the cluster is healthy."""
    status = summarize(context.cluster, observe(context.cluster, context.rendered, context.transport, sections=("health",)))
    return [*status.problems, *(f"{row.component} on {row.host}: {row.detail}" for row in status.rows if row.state != "ok")]


def wait_healthy(context: Context, say: Say) -> None:
    """Until nothing is wrong with a cluster. Raises StepFailed."""
    until = time.monotonic() + _HEALTHY_SECONDS
    with working(say, f"until {context.cluster.name} is healthy"):
        while wrong := problems(context):
            if time.monotonic() > until:
                raise StepFailed(f"{context.cluster.name} is not healthy within {_HEALTHY_SECONDS:.0f} s: {'; '.join(wrong)}",
                                 hint=f"look further: provision status --hosts {context.path}")
            time.sleep(0.5)


def _load(snapshot: Snapshot, say: Say) -> None:
    """Out of the files into the engine, for this restore and all later ones."""
    place = store.parts(snapshot.name)
    with working(say, f"unpacking snapshot {snapshot.name} for this engine"):
        piped(disks.decompress(place.images), ["docker", "load", "--quiet"], what="unpacking the file systems")
        volumes = {host: snapshot.volume(host) for host in snapshot.hosts}
        disks.unpack(snapshot.image(snapshot.hosts[0]), volumes, place.disks)


def _build(lab: Lab, snapshot: Snapshot, say: Say) -> None:
    network.create(lab, *snapshot.size)
    if lab.home.is_dir():
        say(f"removing what an earlier lab {lab.name} left in {lab.home}")
        shutil.rmtree(lab.home)
    open_home(lab, snapshot)
    for host in snapshot.hosts:
        nodes.create_disk(lab, lab.node(host))
    image, place = snapshot.image(snapshot.hosts[0]), store.parts(snapshot.name)
    capabilities = tuple(capability_arguments(image))

    def run_host(host: str) -> None:
        disks.copy(image, {snapshot.volume(host): lab.volume(host)})
        nodes.create(lab, lab.node(host), nodes.Mould(snapshot.image(host), capabilities), place.files(host).read_bytes())
        nodes.start(lab, [host], {})

    # The first hosts boot, which takes processors, while disks of the next ones are copied, of which two are enough at a time.
    with ThreadPoolExecutor(2) as side_by_side, working(say, "disks, mirror and hosts"):
        serving = side_by_side.submit(_serve, lab, snapshot, say)
        list(side_by_side.map(run_host, snapshot.hosts))
        serving.result()


def open_home(lab: Lab, snapshot: Snapshot) -> None:
    """Unpacks the operator's side, whose inventory names the folder that it lies in."""
    private_dir(lab.home)
    run(["tar", "--extract", "--directory", str(lab.home), "--file", str(store.parts(snapshot.name).home)], what="the lab's folder")
    before = Lab(snapshot.lab, Path(snapshot.directory), lab.system, lab.subnet).home
    inventory.save(lab.inventory, lab.inventory.read_text().replace(f"{before}/", f"{lab.home}/"))


def _serve(lab: Lab, snapshot: Snapshot, say: Say) -> None:
    """Runs the mirror with what it served; a newer tool may have taken that out of the cache."""
    place = store.parts(snapshot.name)
    for folder in (snapshot.content, snapshot.programs):
        if not (cache_dir() / folder).is_dir():
            shutil.copytree(place.mirror(folder), cache_dir() / folder, symlinks=True, copy_function=os.link)
    server.ensure(lab, bootstrap.python_image(say)[0], cache_dir() / snapshot.programs, cache_dir() / snapshot.content, say)


def _take_back(lab: Lab, say: Say) -> None:
    if lab.name in {other.name for other in work.labs()}:
        work.down(lab.name, say=say)
