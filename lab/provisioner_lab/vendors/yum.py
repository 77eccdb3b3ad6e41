"""The played vendors' repositories for hosts that install RPMs: Docker's, Elastic's, the historical Mesosphere's, the distribution's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from provisioner.errors import UsageError
from provisioner.mirror import repository
from provisioner.mirror.programs import run
from provisioner.mirror.repository import Key
from provisioner.mirror.systems import MACHINES
from provisioner_lab.systems import architecture

#: What each vendor's repository has, by component. All else comes from the distribution.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "docker": ("docker-ce", "docker-ce-cli", "containerd.io"), "logstash": ("logstash",), "mesos": ("mesos",),
}
#: Where an owner's hosts have the packages of their release from, below the name that the vendors' hosts give it.
OS = "rocky/$releasever/BaseOS/$basearch/os"
#: The package that named Mesosphere's repository, as administrators installed it.
EL_REPO = "http://repos.mesosphere.io/el/7/noarch/RPMS/mesosphere-el-repo-7-3.noarch.rpm"
_MESOSPHERE = "http://repos.mesosphere.io/el/7/$basearch"
_MESOSPHERES_KEY = "http://repos.mesosphere.io/el/RPM-GPG-KEY-mesosphere"
#: What an entry of the catalogue has here that the built-in one leaves to a site's mirror: nobody made Mesos for a newer RedHat.
ELSEWHERE = {"mesos": {"package": "mesos", "yum": {"baseurl": _MESOSPHERE}, "key_url": _MESOSPHERES_KEY}}
_EL_REPO_SPEC = """Name: mesosphere-el-repo
Version: 7
Release: 3
Summary: Mesosphere's repository. Test equipment.
License: none
%description
It names a repository that is played.
%install
install -D -m 644 {work}/mesosphere.repo %{{buildroot}}/etc/yum.repos.d/mesosphere.repo
install -D -m 644 {work}/RPM-GPG-KEY-mesosphere %{{buildroot}}/etc/pki/rpm-gpg/RPM-GPG-KEY-mesosphere
%files
/etc/yum.repos.d/mesosphere.repo
/etc/pki/rpm-gpg/RPM-GPG-KEY-mesosphere
"""
_PROGRAMS = {"createrepo_c": "createrepo-c", "rpm": "rpm", "rpmbuild": "rpm", "rpmsign": "rpm"}
_SECONDS = 600.0


def refuse_without_programs() -> None:
    """Raises UsageError where this machine can't make such repositories."""
    if lost := [name for name in _PROGRAMS if shutil.which(name) is None]:
        raise UsageError(f"to play vendors of RPMs {' and '.join(lost)} must be installed",
                         hint=f"apt-get install {' '.join(dict.fromkeys(_PROGRAMS[name] for name in lost))}")


def filled(url: str, release: str) -> str:
    """An address as dnf on hosts of this release reads it."""
    return url.replace("$releasever", release).replace("$basearch", MACHINES[architecture()])


def by_owner(folder: Path) -> dict[str, list[Path]]:
    """The RPMs in a folder by the component whose vendor has them; under '' those of the distribution."""
    files = sorted(folder.glob("*.rpm"))
    names = run(["rpm", "--query", "--package", "--nosignature", "--queryformat", "%{NAME}\\n", *map(str, files)],
                what="names of the RPMs", timeout=_SECONDS).split() if files else []
    owners = {name: component for component, each in PACKAGES.items() for name in each}
    found: dict[str, list[Path]] = {component: [] for component in (*PACKAGES, "")}
    for name, file in zip(names, files, strict=True):
        found[owners.get(name, "")].append(file)
    return found


def lay_out(files: Sequence[Path], root: Path, key: Key) -> None:
    """A repository of these RPMs, each signed by its vendor instead of by the lab."""
    (root / "Packages").mkdir(parents=True)
    copies = [Path(shutil.copy(file, root / "Packages")) for file in files]
    sign(copies, key)
    repository.publish_yum(root, key, lambda arguments: run(
        ["createrepo_c", *arguments, "--no-database", "--general-compress-type", "gz", str(root)], what="index of RPMs", timeout=_SECONDS))


def sign(files: Sequence[Path], key: Key) -> None:
    """Signs RPMs anew."""
    settings = {"_gpg_name": key.fingerprint, "_gpg_path": key.home, "__gpg": shutil.which("gpg")}  # Debian's rpm looks for a gpg2
    defined = [flag for name, value in settings.items() for flag in ("--define", f"{name} {value}")]
    if files:
        run(["rpmsign", *defined, "--addsign", *map(str, files)], what="signing RPMs", timeout=_SECONDS)


def el_repo(key: Key, place: Callable[[str], Path], work: Path) -> None:
    """The package that names Mesosphere's repository, at its address; `place` says where the file behind an address lies."""
    work.mkdir()
    (work / "RPM-GPG-KEY-mesosphere").write_text(repository.public_key(key))
    (work / "mesosphere.repo").write_text(f"[mesosphere]\nname=Mesosphere\nbaseurl={_MESOSPHERE}\nenabled=1\ngpgcheck=1\n"
                                          "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-mesosphere\n")
    (work / "spec").write_text(_EL_REPO_SPEC.format(work=work))
    settings = {"_topdir": work, "_rpmdir": work, "_rpmfilename": "made.rpm"}
    defined = [flag for name, value in settings.items() for flag in ("--define", f"{name} {value}")]
    run(["rpmbuild", "-bb", "--quiet", "--target", "noarch", *defined, str(work / "spec")], what="package mesosphere-el-repo")
    sign([work / "made.rpm"], key)
    (work / "made.rpm").rename(place(EL_REPO))
