"""Packages as vendors name and split them, made of the lab's: Docker's out of Debian's, clusterd's out of the lab's Mesos."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.mirror import debs
from provisioner.mirror.debs import Deb
from provisioner.mirror.programs import run
from provisioner_lab.mirror.catalogue import upstream

CLUSTERD = "aventer-mesos"
#: What the vendor's maintainer scripts do with units. A socket that outlived its package would be without a descriptor after the next one.
_INSTALLED = """#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
{before}
for unit in {units}; do
  deb-systemd-helper enable "$unit" >/dev/null
done
systemctl daemon-reload 2>/dev/null || true
deb-systemd-invoke start {units} >/dev/null || true
"""
_GOES = """#!/bin/sh
set -e
[ "$1" != remove ] || deb-systemd-invoke stop {units} >/dev/null || true
"""
_GONE = """#!/bin/sh
set -e
[ "$1" != purge ] || deb-systemd-helper purge {units} >/dev/null || true
[ "$1" != remove ] || systemctl daemon-reload 2>/dev/null || true
"""


@dataclass(frozen=True)
class Part:
    """One of Docker's packages: the Debian packages whose files it holds, which of these (shell patterns), and what it starts."""

    name: str
    of: tuple[str, ...]
    only: tuple[str, ...]
    depends: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    before: str = ""


#: As Docker splits them. Programs stay where Debian has them, and /etc/docker is the role's.
PARTS = (
    Part("docker-ce", ("docker.io", "tini"), ("usr/sbin/dockerd", "usr/sbin/docker-proxy", "usr/bin/docker-init", "lib/systemd/system/*"),
         ("docker-ce-cli", "containerd.io", "iptables", "tini", "libdevmapper1.02.1", "libsystemd0"), ("docker.socket", "docker.service"),
         "getent group docker >/dev/null || groupadd --system docker"),
    Part("docker-ce-cli", ("docker.io", "docker-cli"), ("usr/bin/docker",)),
    Part("containerd.io", ("containerd", "runc"), ("usr/bin/*", "usr/sbin/runc", "lib/systemd/system/*"), ("libseccomp2",),
         ("containerd.service",)),
)


def docker(pool: Path, codename: str, work: Path) -> list[Deb]:
    """Docker's packages out of those of a Debian release in `pool`, with their programs' versions.

    Docker's repository keeps what it ever had: there are newer ones, too, which can't be installed, so that whoever takes the newest
    notices.
    """
    return [*(_docker(part, pool, codename, work / part.name) for part in PARTS),
            *(_newer(part.name, codename, work / f"newer-{part.name}") for part in PARTS if part.name != "containerd.io")]


def clusterd(package: Path, work: Path) -> Deb:
    """The lab's package of Mesos under the name of clusterd's, with the version that it has."""
    if debs.read(package).package == CLUSTERD:
        return debs.read(package)
    run(["dpkg-deb", "--raw-extract", str(package), str(work)], what=f"unpacking {package.name}")
    control = work / "DEBIAN" / "control"
    name = debs.read(package).package
    text = control.read_text().replace(f"Package: {name}\n", f"Package: {CLUSTERD}\nConflicts: {name}\n")
    control.write_text(text)
    built = run(["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", "-z1", str(work), str(work.parent)], what=f"package {CLUSTERD}")
    return debs.read(Path(built.split("'")[-2]))


def _newer(name: str, codename: str, folder: Path) -> Deb:
    (folder / "rootfs").mkdir(parents=True)
    (folder / "DEBIAN").mkdir()
    fields = {"Package": name, "Version": f"5:99.0.0-1~{codename}", "Architecture": "all", "Depends": "wrong-version",
              "Maintainer": "provisioner lab <lab@localhost>", "Description": "newer than what is asked for. Test equipment."}
    (folder / "DEBIAN" / "control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
    return debs.build(folder, folder.parent)


def _docker(part: Part, pool: Path, codename: str, folder: Path) -> Deb:
    found = [path for name in part.of for path in sorted(pool.glob(f"{name}_*.deb"))]
    tree, root = folder / "tree", folder / "rootfs"
    for path in found:
        debs.extract(path, tree)
    for pattern in part.only:
        for path in sorted(tree.glob(pattern)):
            target = root / path.relative_to(tree)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target, follow_symlinks=False)
    (folder / "DEBIAN").mkdir()
    _control(part, found, codename, folder / "DEBIAN")
    return debs.build(folder, folder.parent)


def _control(part: Part, found: Sequence[Path], codename: str, folder: Path) -> None:
    first = debs.read(found[0])
    epoch = "" if part.name == "containerd.io" else "5:"
    architecture = run(["dpkg-deb", "--field", str(found[0]), "Architecture"], what=f"reading {found[0].name}").strip()
    replaced = ", ".join(name for name in (debs.read(path).package for path in found) if name not in part.depends)
    fields = {"Package": part.name, "Version": f"{epoch}{upstream(first.version)}-1~{codename}", "Architecture": architecture,
              "Maintainer": "provisioner lab <lab@localhost>", "Section": "admin", "Priority": "optional",
              "Depends": ", ".join(("libc6", *part.depends)), "Conflicts": replaced, "Replaces": replaced,
              "Description": f"programs of Debian's {replaced} under the name of Docker's package. Test equipment."}
    (folder / "control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
    if part.units:
        for name, script in (("postinst", _INSTALLED), ("prerm", _GOES), ("postrm", _GONE)):
            (folder / name).write_text(script.format(before=part.before, units=" ".join(part.units)))
