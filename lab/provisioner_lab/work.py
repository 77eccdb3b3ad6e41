"""What a user does with labs: make or extend one, look at it, break it on purpose, remove it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import UsageError
from provisioner.mirror.brought import Artifacts, read_artifacts
from provisioner.mirror.programs import Say, run
from provisioner_lab.cache import exclusively
from provisioner_lab.hosts import engine, inventory, keys, network, nodes, vagrant
from provisioner_lab.hosts.machine import allow_watchers, capability_arguments
from provisioner_lab.images import bootstrap
from provisioner_lab.mirror import content, mesos, server
from provisioner_lab.model import (
    DEFAULT_NAME,
    DOCKER,
    LABEL_BACKEND,
    LABEL_DIRECTORY,
    LABEL_LAB,
    LABEL_ORIGIN,
    LABEL_SYSTEM,
    MIRROR,
    SERVICES,
    VAGRANT,
    VENDORS,
    Lab,
    LabNode,
    check_backend,
    check_name,
    default_inventory,
    node_names,
    node_order,
)
from provisioner_lab.snapshots import store
from provisioner_lab.systems import DEFAULT_SYSTEM, architecture, system
from provisioner_lab.vendors import content as vendors_content
from provisioner_lab.vendors import server as vendors_server

DEFAULT_MASTERS, DEFAULT_AGENTS = 3, 2


@dataclass(frozen=True)
class LabStatus:
    """A lab and the state of each of its containers, as the engine reports it (running, exited, paused …)."""

    lab: Lab
    states: dict[str, str]

    @property
    def nodes(self) -> tuple[LabNode, ...]:
        """Its hosts, masters first."""
        return tuple(self.lab.node(name) for name in sorted(self.states, key=node_order) if name not in SERVICES)


def up(
    name: str = DEFAULT_NAME, *, masters: int | None = None, agents: int | None = None, operating_system: str | None = None,
    artifacts: Path | None = None, directory: Path | None = None, backend: str | None = None, vendors: bool = False, say: Say,
) -> LabStatus:
    """Makes a lab, or adds what is missing to the one of that name; stopped hosts are started.

    `masters` and `agents` are the numbers of hosts there should be at least; None means 3 and 2 for a new lab, and what it was
    made with for an old one. `artifacts` has real packages and images instead of the stand-ins. `directory` is the folder whose
    `.provision` holds the lab's files (the current one). `backend` is who makes and starts the hosts: None means docker for a
    new lab, and what an old one was made with. With `vendors` a container plays the vendors' hosts; a lab that has it keeps it. Raises
    ProvisionError.
    """
    size = (DEFAULT_MASTERS if masters is None else masters, DEFAULT_AGENTS if agents is None else agents)
    node_names(*size)
    chosen, here = system(operating_system or DEFAULT_SYSTEM), (directory or Path.cwd()).resolve()
    check_name(name)
    check_backend(backend or DOCKER)
    engine.ensure(say)
    with exclusively(say):
        found = _existing(name)
        if found:
            _check_same(found, here, operating_system, backend)
        lab = found or Lab(name, here, chosen.name, network.choose_subnet(), backend or DOCKER)
        if lab.backend == VAGRANT:
            engine.ensure_vagrant(say)
        played = vendors or bool(found and VENDORS in nodes.read_states(found))
        built = _build(lab, artifacts, played, say) if found else _build_new(lab, artifacts, size, played, say)
        made_for = network.intended_size(lab)
        wanted = node_names(made_for[0] if masters is None else masters, made_for[1] if agents is None else agents)
        _publish(lab, built, wanted, say)
        if artifacts is not None:
            inventory.save(lab.artifacts_note, str(artifacts.resolve()))
        return _run_nodes(lab, wanted, built, say)


def down(name: str = DEFAULT_NAME, *, ignore_missing: bool = False, say: Say) -> None:
    """Removes a lab: hosts, their disks, the network, keys, inventory and what the driver kept about the cluster.

    With `ignore_missing` a lab that does not exist is no error. An engine that is off, as after a restart of this machine, is started:
    it may keep the lab. Raises UsageError.
    """
    check_name(name)
    awake = engine.wake(say)
    if ignore_missing and not (awake and _existing(name)):
        say(f"there is no lab {name} any more")
        shutil.rmtree(default_inventory(name).parent, ignore_errors=True)
        return
    if not awake:
        raise UsageError(f"there is no lab {name!r} on this machine, as no Docker Engine answers here", hint="nothing has to be removed")
    lab = _existing(name)
    if lab is None:
        raise _missing(name, "remove one of them: provision lab down --name LAB")
    if lab.backend == VAGRANT:
        vagrant.destroy(lab, say)
    states = nodes.read_states(lab)
    if states:
        say(f"removing lab {name}: {', '.join(sorted(states, key=node_order))}")
        command = ["docker", "rm", "--force", "--volumes", *(lab.container(node) for node in states)]
        run(command, what="removing the hosts", timeout=300)
    volumes = run(["docker", "volume", "ls", "--quiet", "--filter", f"label={LABEL_LAB}={name}"], what="disks of the lab").split()
    if volumes:
        run(["docker", "volume", "rm", *volumes], what="removing the disks", timeout=300)
    run(["docker", "network", "rm", lab.network], what="removing the network")
    if lab.home.is_dir():
        shutil.rmtree(lab.home)
    store.tidy()


def labs() -> tuple[Lab, ...]:
    """The labs on this machine, by name. Raises UsageError when no engine answers."""
    if not engine.answers():
        raise UsageError("no Docker Engine answers on this machine, so there are no labs", hint="`provision lab up` starts one")
    labels = (f'{{{{.Label "{label}"}}}}' for label in (LABEL_LAB, LABEL_DIRECTORY, LABEL_SYSTEM, LABEL_BACKEND, LABEL_ORIGIN))
    row = "|".join(("{{.Name}}", *labels))
    listing = run(["docker", "network", "ls", "--filter", f"label={LABEL_LAB}", "--format", row], what="labs").splitlines()
    rows = sorted(line.split("|") for line in listing)
    return tuple(Lab(name, Path(folder), os_name, network.subnet_of(net), maker or DOCKER, origin)
                 for net, name, folder, os_name, maker, origin in rows)


def find(name: str = DEFAULT_NAME) -> Lab:
    """The lab of that name. Raises UsageError that lists the labs there are."""
    lab = _existing(check_name(name))
    if lab is None:
        raise _missing(name, f"make it: provision lab up --name {name}")
    return lab


def _missing(name: str, hint: str) -> UsageError:
    others = ", ".join(lab.name for lab in labs())
    return UsageError(f"there is no lab {name!r} on this machine (labs: {others or 'none'})",
                      hint=hint if others or name in hint else "nothing has to be removed")


def status(name: str = DEFAULT_NAME) -> LabStatus:
    """A lab with the states of its containers. Raises UsageError when there is none of that name."""
    lab = find(name)
    return LabStatus(lab, nodes.read_states(lab))


def start_node(lab: Lab, host: str, *, say: Say) -> None:
    """Starts a host that was stopped, killed or paused, until sshd answers."""
    nodes.start(lab, [host], nodes.read_states(lab))
    nodes.wait(lab, [lab.node(host)], say)


def _existing(name: str) -> Lab | None:
    return next((lab for lab in labs() if lab.name == name), None)


def _check_same(lab: Lab, here: Path, operating_system: str | None, backend: str | None) -> None:
    if lab.directory != here:
        raise UsageError(f"the lab {lab.name!r} belongs to {lab.directory}",
                         hint=f"choose another name with --name, or remove it: provision lab down --name {lab.name}")
    if operating_system not in (None, lab.system):
        raise UsageError(f"the lab {lab.name!r} is made of {lab.system}", hint="remove it first, or make another one with --name")
    if backend not in (None, lab.backend):
        raise UsageError(f"the hosts of the lab {lab.name!r} are made by {lab.backend}",
                         hint="leave --backend out, remove the lab first, or make another one with --name")


@dataclass(frozen=True)
class _Built:
    """The slow parts of a lab, shared with other labs: two images, the mirror's programs and what it serves."""

    node_image: str
    mirror_image: str
    programs: Path
    served: Path
    vendors: Path | None  # what they serve, in a lab that has them


def _build(lab: Lab, artifacts: Path | None, vendors: bool, say: Say) -> _Built:
    which, real = system(lab.system), _artifacts(lab, artifacts)
    if mesos.NAME not in real.names:
        mesos.check_architecture(architecture())
        if not content.any_made(which):
            mesos.fetch(mesos.current(), say)  # first, because it takes seconds to see that there is no index; the images take minutes
    with ThreadPoolExecutor(1) as beside:
        node = beside.submit(bootstrap.node_image, which, say)
        service, base = bootstrap.python_image(say)
        node_image = node.result()
    served = content.build(content.ingredients(which, node_image, base, real), say)
    played = vendors_content.build(which, served, say) if vendors else None
    return _Built(node_image, service, content.programs(say), served, played)


def _build_new(lab: Lab, artifacts: Path | None, size: tuple[int, int], vendors: bool, say: Say) -> _Built:
    """The same for a lab that does not exist yet; then its key and network, from which on it does."""
    if lab.home.is_dir():
        # Its hosts are gone, with the engine's storage for example; its inventory would name hosts that don't exist.
        say(f"removing what an earlier lab {lab.name} left in {lab.home}")
        shutil.rmtree(lab.home)
    built = _build(lab, artifacts, vendors, say)
    keys.operator_key(lab, new=True)
    network.create(lab, *size)
    return built


def _publish(lab: Lab, built: _Built, wanted: Sequence[str], say: Say) -> None:
    """Runs the mirror, which also names the hosts, and lays its catalogue beside the inventory."""
    names = sorted({*nodes.read_states(lab), *wanted} - {*SERVICES}, key=node_order)
    hosts = "".join(f"{lab.node(name).address} {name}\n" for name in names) + f"{lab.mirror} {MIRROR}\n"
    hosts += vendors_server.publish(lab, built.vendors) if built.vendors else ""
    inventory.save(lab.home / "mirror" / "hosts", hosts)
    inventory.save(lab.home / "catalogue.json", (built.served / "www" / "catalogue.json").read_text())
    server.ensure(lab, built.mirror_image, built.programs, built.served, say)
    if built.vendors:
        vendors_server.ensure(lab, built.mirror_image, vendors_content.programs(), built.vendors, say)


def _artifacts(lab: Lab, folder: Path | None) -> Artifacts:
    """Those in the given folder, or in the one that was given before."""
    if folder is None and lab.artifacts_note.exists():
        folder = Path(lab.artifacts_note.read_text())
    return read_artifacts(folder)


def _run_nodes(lab: Lab, wanted: Sequence[str], built: _Built, say: Say) -> LabStatus:
    """Makes the hosts that are missing and starts those that don't run; then writes the inventory."""
    allow_watchers(len(wanted))
    before = nodes.read_states(lab)
    missing = [lab.node(name) for name in wanted if name not in before]
    if missing:
        _create(lab, missing, sorted({*before, *wanted} - {*SERVICES}, key=node_order),
                nodes.Mould(built.node_image, tuple(capability_arguments(built.node_image))))
    states = {**dict.fromkeys(wanted, "missing"), **nodes.read_states(lab)}
    asleep = sorted((name for name, state in states.items() if state != "running" and name not in SERVICES), key=node_order)
    if asleep:
        say(f"starting {' '.join(asleep)}")
        if lab.backend == VAGRANT:
            vagrant.start(lab, asleep, states, say)
        else:
            nodes.start(lab, asleep, states)
        nodes.wait(lab, [lab.node(name) for name in asleep], say)
    found = LabStatus(lab, nodes.read_states(lab))
    if built.vendors:
        vendors_server.equip(lab, [node.name for node in found.nodes], system(lab.system), built.vendors)
    text = lab.inventory.read_text() if lab.inventory.exists() else ""
    inventory.save(lab.inventory, inventory.merged(text, lab, found.nodes, vendors=built.vendors is not None))
    return found


def _create(lab: Lab, missing: Sequence[LabNode], members: Sequence[str], mould: nodes.Mould) -> None:
    """Gives new hosts their keys and makes them; Vagrant makes them when they start, after a file that names all `members`."""
    pinned, operator_key = lab.cluster_state / "known_hosts", keys.operator_key(lab, new=False)
    files = {}
    for node in missing:
        known_hosts = pinned.read_text() if pinned.exists() else ""
        pair = keys.host_key(node)
        files[node.name] = nodes.identity(pair, operator_key)
        inventory.save(pinned, keys.pin(known_hosts, node.address, pair.public))
        if lab.backend == DOCKER:
            nodes.create(lab, node, mould, files[node.name])
    if lab.backend == VAGRANT:
        vagrant.define(lab, [lab.node(name) for name in members], mould, files)
