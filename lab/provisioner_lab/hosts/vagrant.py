"""Hosts of a lab through Vagrant and its Docker provider: the same containers, made, started and removed by `vagrant`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

from provisioner.errors import ProvisionError
from provisioner.mirror.programs import Say, attempt, run, system_path, working
from provisioner.state.files import private_dir, write_private
from provisioner_lab.commands import run_logged
from provisioner_lab.hosts import nodes, vagrantfile
from provisioner_lab.model import Lab, LabNode

_DESTROY_SECONDS = 300.0


def environment(lab: Lab) -> dict[str, str]:
    """What `vagrant` is started with: all that it keeps stays in the lab's folder, and it asks nobody whether there is a newer version."""
    return {
        "VAGRANT_CWD": str(lab.vagrant),
        "VAGRANT_HOME": str(lab.vagrant / "home"),
        "VAGRANT_DOTFILE_PATH": str(lab.vagrant / ".vagrant"),
        "VAGRANT_VAGRANTFILE": "Vagrantfile",
        "VAGRANT_DEFAULT_PROVIDER": "docker",
        "VAGRANT_CHECKPOINT_DISABLE": "1",
        "VAGRANT_NO_COLOR": "1",
    }


def define(lab: Lab, members: Sequence[LabNode], mould: nodes.Mould, new: Mapping[str, bytes]) -> None:
    """Writes the Vagrantfile for these hosts, and by name for those of them that are new a tar of what they have beside the image."""
    folder = private_dir(lab.vagrant / "identities")
    identities = {node.name: folder / f"{node.name}.tar" for node in members}
    for name, files in new.items():
        nodes.create_disk(lab, lab.node(name))
        write_private(identities[name], files)
    write_private(lab.vagrant / "Vagrantfile", vagrantfile.of_lab(lab, members, mould, identities).encode())


def start(lab: Lab, names: Sequence[str], states: dict[str, str], say: Say) -> None:
    """Makes hosts that are missing and starts stopped ones; paused ones, of which Vagrant knows nothing, go on. Raises ProvisionError."""
    paused = [name for name in names if states.get(name) == "paused"]
    nodes.start(lab, paused, states)
    others = [name for name in names if name not in paused]
    # Left by a `vagrant up` that failed at starting it: Vagrant has forgotten it, and would stumble over its name.
    for name in (name for name in others if states.get(name) == "created"):
        run(["docker", "rm", lab.container(name)], what=f"removing {name}, which never started")
    if others:
        _up(lab, others, say)


def _up(lab: Lab, names: Sequence[str], say: Say) -> None:
    log = lab.vagrant / "up.log"
    try:
        run_logged(["vagrant", "up", *names], log, say=say, what="vagrant up", environment=environment(lab))
    except ProvisionError as error:
        # Before the engine's own words Vagrant repeats the whole command, with the host's first script in it.
        _, found, reason = log.read_text(errors="replace").rpartition("\nStderr: ")
        raise ProvisionError(f"vagrant up failed: {reason.strip()}", hint=error.hint) if found else error from None


def destroy(lab: Lab, say: Say) -> None:
    """Removes the hosts that Vagrant knows. What it leaves, because it or its files are gone, is the engine's to remove."""
    if not (lab.vagrant / "Vagrantfile").is_file() or not shutil.which("vagrant", path=system_path()["PATH"]):
        return
    words = [f"{key}={value}" for key, value in environment(lab).items()]
    with working(say, "vagrant destroy"):
        done = attempt(["env", *words, "vagrant", "destroy", "--force", "--parallel"], timeout=_DESTROY_SECONDS)
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        say(f"vagrant destroy ended with {done.returncode}; the engine removes what is left: {said[-300:]}")
