"""The container that plays the vendors in a lab, and what makes the lab's hosts believe it."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from provisioner.errors import ProvisionError
from provisioner.mirror.programs import Say, attempt, failure, run, working
from provisioner_lab.hosts import inventory, nodes
from provisioner_lab.mirror.server import serves
from provisioner_lab.model import LABEL_CONTENT, LABEL_LAB, LABEL_NODE, VENDORS, Lab
from provisioner_lab.systems import System
from provisioner_lab.vendors import yum
from provisioner_lab.vendors.content import DISTRIBUTION, names

_START_SECONDS = 30.0
# What an owner did before we come: the site's authority is trusted, and the lists of the release's packages are there.
_EQUIP = """
set -e
tar -C / -xf -
update-ca-certificates >/dev/null 2>&1
[ -e /etc/yum.repos.d ] || ls /var/lib/apt/lists/*Release >/dev/null 2>&1 || apt-get -qq update
"""
_YUM = """[distribution]
name=what the release has
baseurl=http://{name}/{os}
enabled=1
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-distribution
"""
_ANSWERS = "import socket; [socket.create_connection(('127.0.0.1', port), 2).close() for port in (80, 443, 3128)]"
_SOURCE = """Types: deb
URIs: http://{name}
Suites: {codename}
Components: main
Signed-By: /usr/share/keyrings/distribution.asc
"""


def publish(lab: Lab, content: Path) -> str:
    """Lays beside the inventory what its owner needs (catalogue, authority); gives the lines that tell the lab's name server the names."""
    inventory.save(lab.home / "vendors.json", (content / "catalogue.json").read_text())
    inventory.save(lab.vendors_folder / "ca.pem", (content / "ca.pem").read_text())
    return "".join(f"{lab.vendors} {name}\n" for name in names(content))


def ensure(lab: Lab, image: str, programs: Path, content: Path, say: Say) -> None:
    """Runs the vendors with this content; those that serve something older are replaced (they keep nothing but the faults asked for)."""
    current = f"{content.name} {programs.name}"
    if nodes.read_states(lab).get(VENDORS) == "running" and serves(lab, VENDORS) == current:
        return
    attempt(["docker", "rm", "--force", lab.container(VENDORS)])
    with working(say, "vendors"):
        labels = {LABEL_LAB: lab.name, LABEL_NODE: VENDORS, LABEL_CONTENT: current}
        flags = [flag for key, value in labels.items() for flag in ("--label", f"{key}={value}")]
        mounts = {"programs": programs, "hosts": content / "hosts", "tls": content / "tls", "lab": lab.vendors_folder}
        for target, source in mounts.items():
            flags += ["--volume", f"{source}:/srv/{target}:ro"]
        place = ["--network", lab.network, "--ip", lab.vendors, "--hostname", VENDORS, "--restart", "unless-stopped", "--init"]
        command = ["python3", "/srv/programs/serve.py", "/srv/hosts", "/srv/tls", "/srv/lab/faults.json"]
        run(["docker", "run", "--detach", "--name", lab.container(VENDORS), *place, *flags, image, *command], what="starting the vendors")
        _wait(lab)


def equip(lab: Lab, hosts: Sequence[str], system: System, content: Path) -> None:
    """Has hosts trust the authority and install the packages of their release, as an owner's do. Raises ProvisionError."""
    key = (content / "distribution.asc").read_text()
    apt = {"usr/share/keyrings/distribution.asc": key,
           "etc/apt/sources.list.d/distribution.sources": _SOURCE.format(name=DISTRIBUTION, codename=system.codename)}
    dnf = {"etc/pki/rpm-gpg/RPM-GPG-KEY-distribution": key, "etc/yum.repos.d/distribution.repo": _YUM.format(name=DISTRIBUTION, os=yum.OS)}
    files = {"usr/local/share/ca-certificates/provisioner-lab-vendors.crt": (content / "ca.pem").read_text(),
             **(dnf if system.red_hat else apt)}
    packed = _packed(files)

    def one(host: str) -> None:
        done = nodes.exec_in(lab, host, ["sh", "-c", _EQUIP], stdin=packed)
        if done.returncode:
            raise failure(f"having {host} trust the vendors", done.returncode, (done.stderr + done.stdout).decode(errors="replace"))

    with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
        list(pool.map(one, hosts))


def _packed(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(text.encode()), 0o644, int(time.time())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _wait(lab: Lab) -> None:
    until = time.monotonic() + _START_SECONDS
    while nodes.exec_in(lab, VENDORS, ["python3", "-c", _ANSWERS]).returncode:
        if time.monotonic() > until:
            log = attempt(["docker", "logs", "--tail", "10", lab.container(VENDORS)])
            raise ProvisionError(f"the vendors do not answer at {lab.vendors}:\n{(log.stdout + log.stderr).decode(errors='replace')}",
                                 hint="remove the lab and make it again: lab down, lab up --vendors")
        time.sleep(0.1)
