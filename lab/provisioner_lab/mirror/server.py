"""The mirror container of a lab: packages, archives, images and names for the lab's hosts."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path

from provisioner.errors import ProvisionError
from provisioner.mirror.programs import Say, attempt, run, working
from provisioner_lab.hosts.nodes import read_states
from provisioner_lab.model import LABEL_CONTENT, LABEL_LAB, LABEL_NODE, MIRROR, Lab

_START_SECONDS = 30.0


def ensure(lab: Lab, image: str, programs: Path, content: Path, say: Say) -> None:
    """Runs the mirror with this content; a mirror that serves something older is replaced (it keeps nothing of its own)."""
    current = f"{content.name} {programs.name}"
    if read_states(lab).get(MIRROR) == "running" and serves(lab) == current:
        return
    attempt(["docker", "rm", "--force", lab.container(MIRROR)])
    with working(say, "mirror"):
        labels = {LABEL_LAB: lab.name, LABEL_NODE: MIRROR, LABEL_CONTENT: current}
        flags = [flag for key, value in labels.items() for flag in ("--label", f"{key}={value}")]
        mounts = {"programs": programs, "www": content / "www", "registry": content / "registry", "lab": lab.home / "mirror"}
        for target, source in mounts.items():
            flags += ["--volume", f"{source}:/srv/{target}:ro"]
        place = ["--network", lab.network, "--ip", lab.mirror, "--hostname", MIRROR, "--restart", "unless-stopped", "--init"]
        command = ["python3", "/srv/programs/serve.py", "/srv/www", "/srv/lab/hosts"]
        start = ["docker", "run", "--detach", "--name", lab.container(MIRROR), *place, *flags, image, *command]
        run(start, what="starting the mirror")
        _wait(lab)


def serves(lab: Lab, node: str = MIRROR) -> str:
    """The names of the folders that a mirror, or another container that serves, runs from: its content and its programs."""
    label = f'{{{{index .Config.Labels "{LABEL_CONTENT}"}}}}'
    return run(["docker", "inspect", "--format", label, lab.container(node)], what=f"looking at the {node}").strip()


def _wait(lab: Lab) -> None:
    until = time.monotonic() + _START_SECONDS
    for url in (f"http://{lab.mirror}/catalogue.json", f"http://{lab.mirror}:5000/v2/"):
        while not _answers(url):
            if time.monotonic() > until:
                log = attempt(["docker", "logs", "--tail", "10", lab.container(MIRROR)])
                raise ProvisionError(f"the mirror does not answer at {url}:\n{(log.stdout + log.stderr).decode(errors='replace')}",
                                     hint="remove the lab and make it again: lab down, lab up")
            time.sleep(0.1)


def _answers(url: str) -> bool:
    # The address is on this machine's own bridge: a proxy that the environment names must not be asked.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=3) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False
