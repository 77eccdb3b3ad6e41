"""Debian packages with everything they depend on, found and downloaded by this machine's apt as if it were another system."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from provisioner.errors import ProvisionError, UsageError
from provisioner.mirror.programs import attempt, failure, run

_DOWNLOAD_SECONDS = 900.0
_FRESH_SECONDS = 3600.0


def own_sources(codename: str) -> tuple[str, ...]:
    """One-line package sources of a Debian release, from the same places that this machine's own apt uses.

    Raises UsageError when this machine has no Debian source.
    """
    targets = _targets()
    if not targets and os.geteuid() == 0:
        run(["apt-get", "update"], what="package lists of this machine", timeout=600)
        targets = _targets()
    found = source_lines(targets, codename)
    if not found:
        raise UsageError("this machine's apt knows no source of Debian packages",
                         hint="add one under /etc/apt/sources.list.d and run apt-get update")
    return found


def source_lines(targets: list[tuple[str, str, str]], codename: str) -> tuple[str, ...]:
    """The same, from (URI, origin, codename) of what apt knows. Update and security suites are used where this machine uses them."""
    lines: list[str] = []
    for uri, origin, seen in targets:
        if origin != "Debian":
            continue
        _, dash, kind = seen.partition("-")
        line = f"deb {uri.rstrip('/')} {codename}{dash}{kind} main"
        if kind in ("", "updates", "security") and line not in lines:
            lines.append(line)
    return tuple(sorted(lines, key=lambda line: len(line.split()[2])))


def _targets() -> list[tuple[str, str, str]]:
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)|$(ORIGIN)|$(CODENAME)", "Created-By: Packages"]
    text = run(command, what="package sources of this machine")
    rows = [tuple(line.split("|")) for line in text.splitlines() if line.count("|") == 2]
    return [(row[0], row[1], row[2]) for row in rows]


def download(codename: str, status: str | None, lines: list[list[str]], target: Path) -> None:
    """Fills the new folder `target`, beside which the lists of packages are kept: reading them anew for each would take longer than it.

    `status` is dpkg's list of what is installed; None leaves out what the packages depend on. Each line is resolved by itself.
    """
    lists = target.parent / f"lists-{codename}"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="apt-") as scratch:
        root = Path(scratch)
        (root / "archives" / "partial").mkdir(parents=True)
        (root / "status").write_text(status or "")
        (root / "sources.list").write_text("\n".join(own_sources(codename)) + "\n")
        stamp = lists / "updated"
        if not stamp.exists() or time.time() - stamp.stat().st_mtime > _FRESH_SECONDS:
            call(root, lists, "update")
            stamp.touch()
        for line in lines:
            if status is None:
                call(root, lists, "download", *line)
            else:
                fetch(root, lists, codename, line)
        shutil.rmtree(root / "archives" / "partial")
        (root / "archives" / "lock").unlink(missing_ok=True)
        (root / "archives").rename(target)


def fetch(root: Path, lists: Path, codename: str, names: list[str]) -> None:
    """Packages with what they depend on. Lists of updates may name files that are gone; those of the release itself stay for ever."""
    options = ("--download-only", "--yes", "--no-install-recommends", *names)
    try:
        call(root, lists, "install", *options)
    except GoneError:
        call(root, lists, "install", "--target-release", codename, *options)


def call(root: Path, lists: Path, verb: str, *arguments: str, program: str = "apt-get", more: Mapping[str, object] | None = None) -> str:
    """apt with folders of its own: it neither sees nor changes what is installed on this machine. Gives its standard output.

    `more` are further settings of apt. Raises GoneError, ProvisionError.
    """
    options: dict[str, object] = {
        "Dir::State": root,
        "Dir::State::lists": lists,
        "Dir::State::status": root / "status",
        "Dir::Cache": root,
        "Dir::Cache::archives": root / "archives",
        "Dir::Etc::sourcelist": root / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferences": "-",
        "Dir::Etc::preferencesparts": "-",
        # apt drops its privileges for downloads, and then can't write into a folder of ours
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Debug::NoLocking": "true",
        **(more or {}),
    }
    if authorities := os.environ.get("SSL_CERT_FILE"):
        options["Acquire::https::CAInfo"] = authorities  # apt reads settings only, what else downloads here this variable
    flags = [flag for key, value in options.items() for flag in ("--option", f"{key}={value}")]
    what = f"{program} {verb} {' '.join(arguments[-3:])}".rstrip()
    done = attempt([program, "--quiet", *flags, verb, *arguments], timeout=_DOWNLOAD_SECONDS, cwd=root / "archives")
    if done.returncode != 0:
        raise refused(what, done.returncode, done.stderr.decode(errors="replace") or done.stdout.decode(errors="replace"))
    return done.stdout.decode(errors="replace")


class GoneError(ProvisionError):
    """The package source lists files that it no longer has."""


def refused(what: str, code: int, said: str) -> ProvisionError:
    """The error for an apt that failed: its complaints, and what they mean where a file is gone from the package source."""
    complaints = [line for line in said.splitlines() if line.startswith("E:")]
    error = failure(what, code, "\n".join(complaints) or said)
    if not any(" 404 " in line for line in complaints):
        return error
    return GoneError(error.message, hint="the package source lists files that it no longer has: choose another --os, or give this "
                                         "machine's apt a source that has them")
