"""RPMs that came into a mirror: each is signed by the key that its repository is known by."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from provisioner.cluster.lock import KEY, PACKAGE, Lock, Locked
from provisioner.errors import ProvisionError, UsageError
from provisioner.mirror import keys
from provisioner.mirror.folder import Folder
from provisioner.mirror.programs import attempt, run

_SECONDS = 900.0
#: By what package Debian has the programs.
_PROGRAMS = {"createrepo_c": "createrepo-c", "rpmkeys": "rpm"}
_HINT = "what is served is not what its vendor made: ask the vendor, and pull again when it is right; the file was deleted"


def of(lock: Lock) -> list[Locked]:
    """The RPMs of a lock."""
    systems = {system.name for system in lock.systems if not system.codename}
    return [each for each in lock.artefacts if each.kind == PACKAGE and each.system in systems]


def refuse_without_programs(lock: Lock) -> None:
    """Raises UsageError where this machine can't serve RPMs, before any is downloaded."""
    if of(lock) and (lost := [name for name in _PROGRAMS if shutil.which(name) is None]):
        debian = " ".join(_PROGRAMS[name] for name in lost)
        raise UsageError(f"for the RPMs of a mirror {' and '.join(lost)} must be installed",
                         hint=f"install them: apt-get install {debian}, or dnf install createrepo_c rpm")


def unsigned(folder: Folder, lock: Lock) -> list[ProvisionError]:
    """Deletes and names those that their vendor did not sign, or another did. What was pulled as a whole before is not looked at again."""
    before = {(each.name, each.digest) for each in folder.lock.artefacts} if folder.lock else set()
    found: list[ProvisionError] = []
    fresh: dict[str, list[Path]] = {}
    for each in of(lock):
        if each.fingerprint and (each.name, each.digest) not in before:
            fresh.setdefault(each.fingerprint, []).append(folder.file(each, lock))
    for fingerprint, files in fresh.items():
        for file in _refused(files, fingerprint, folder, lock):
            file.unlink(missing_ok=True)
            found.append(ProvisionError(f"{file.name} is not signed by the key {fingerprint}, with which its repository signs",
                                        where=str(file), hint=_HINT))
    return found


def _refused(files: Sequence[Path], fingerprint: str, folder: Folder, lock: Lock) -> list[Path]:
    """Those of the files that are not signed by one key."""
    key = next((each for each in lock.artefacts if each.kind == KEY and each.fingerprint == fingerprint), None)
    if key is None:
        return list(files)
    with tempfile.TemporaryDirectory(prefix="rpm-") as scratch:
        trusted, database = Path(scratch) / "key.asc", ["--dbpath", f"{scratch}/db"]
        # It had not ended when it was locked, and what it signed then is the same today.
        trusted.write_bytes(keys.trusted(folder.file(key, lock).read_bytes(), fingerprint, "--armor", ended=True))
        run(["rpmkeys", *database, "--import", str(trusted)], what="key of a repository")
        command = ["rpmkeys", *database, "--define", "_pkgverify_level signature", "--checksig"]

        def good(some: Sequence[Path]) -> bool:
            return attempt([*command, *map(str, some)], timeout=_SECONDS).returncode == 0

        # All at once first: there are hundreds, and hardly ever is one of them wrong.
        return [] if good(files) else [file for file in files if not good([file])]
