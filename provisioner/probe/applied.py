"""Is what was applied to this host still so?

The note about a component (`notes.py`) holds a digest of what was asked for together with what its role's witnesses
(`meta/witness.yml`) looked like. `unsettled` looks at the witnesses again, now, and says what differs from the note.
Anything that can't be read counts as a difference: the role then runs, which is always safe.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .files import read
from .network import sockets

NOTES = "/var/lib/provisioner/applied"
#: A role that was not run for so long runs again, in case something changed that no witness shows.
MAX_AGE_SECONDS = 7 * 24 * 3600.0
#: What the kernel rounds a process's start to, and a little more.
START_SLACK_SECONDS = 0.05
#: A certificate that ends so soon is renewed, which its role does.
RENEWED_SECONDS = 30 * 24 * 3600.0
#: The second of the two times in a certificate (DER): until when it is good.
ENDS = re.compile(rb"Z\x17\r(\d{12})Z")
#: A file of so many bytes is not read again while the kernel says that nobody wrote to it (a program of 100 MB: 0.2 s of processor).
LARGE = 1 << 20
TIMEOUT_SECONDS = 10.0
UNIT_PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState", "MainPID", "InvocationID", "FragmentPath", "DropInPaths",
                   "NeedDaemonReload")


def unsettled(asked: "dict[str, dict[str, Any]]") -> "dict[str, str]":
    """For each component asked for ({witness, digest}), why its role must run: all that differs, with '; ' between; '' when it need not."""
    seen = Seen([one["witness"] for one in asked.values()])
    return {component: _why(component, str(one["digest"]), one["witness"], seen) for component, one in asked.items()}


def note(component: str) -> Path:
    """The file with the note about a component."""
    return Path(NOTES, component + ".json")


def _why(component: str, digest: str, witness: "dict[str, Any]", seen: "Seen") -> str:
    try:
        found = json.loads(note(component).read_text())
        before, noted, age = found["witness"], found["digest"], time.time() - found["time"]
        if noted != digest:
            return "other settings or another version of the role than applied"
        if not 0 <= age < MAX_AGE_SECONDS:
            return "not looked at closely for over a week"
        now = seen.of(witness, before["files"])
        return "; ".join([*_differences(before, now), *_ending(now["files"])])
    except FileNotFoundError:
        return "not applied yet, or a run was broken off"
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return f"the note about it can't be read ({type(error).__name__})"


def _differences(before: "dict[str, Any]", now: "dict[str, Any]") -> "Iterator[str]":
    for path in sorted(set(before["files"]) | set(now["files"])):
        was, found = before["files"].get(path), now["files"].get(path)
        if (was or [])[:4] != (found or [])[:4]:
            yield f"{path} {_changed(was, found)}"
    for package in sorted(set(before["packages"]) | set(now["packages"])):
        was, found = before["packages"].get(package), now["packages"].get(package)
        if was != found:
            yield f"package {package} is {found or 'missing'}, was {was or 'missing'}"
    for unit, found in sorted(now["units"].items()):
        was = before["units"].get(unit, {})
        for name in ("load", "enabled", "active"):
            if was.get(name) != found[name]:
                yield f"unit {unit} is {found[name] or 'missing'}, was {was.get(name) or 'missing'}"
        if found["reload"]:
            yield f"unit {unit} was changed and not read by systemd"
        if found["stale"] and was.get("invocation") != found["invocation"]:
            yield f"unit {unit} runs with other settings than its files have"
    if sorted(before["listeners"]) != sorted(now["listeners"]):
        yield "{} listened, now {}".format(", ".join(before["listeners"]) or "nothing", ", ".join(now["listeners"]) or "nothing")


def _ending(files: "dict[str, Any]") -> "Iterator[str]":
    for path in sorted(files):
        if files[path] and path.endswith("certificate.pem"):
            end = ENDS.search(base64.b64decode(read(path).split("-----")[2]))
            if end and end.group(1).decode() < time.strftime("%y%m%d%H%M%S", time.gmtime(time.time() + RENEWED_SECONDS)):
                yield path + " ends soon"


def _changed(was: "list[Any] | None", found: "list[Any] | None") -> str:
    if found is None:
        return "is missing"
    if was is None:
        return "is new"
    return "was edited" if was[0] != found[0] else "has another owner or mode"


class Seen:
    """What several components' witnesses look like now, asked of the package manager and of systemd once for all."""

    def __init__(self, witnesses: "list[dict[str, Any]]") -> None:
        self._packages = packages(sorted({p for w in witnesses for p in w["packages"]}))
        self._units = units(sorted({u for w in witnesses for u in w["units"]}))
        self._sockets = [s for p in sorted({_place(one)[2] for w in witnesses for one in w["listeners"]}) for s in sockets(p)]

    def of(self, witness: "dict[str, Any]", noted: "dict[str, Any] | None" = None) -> "dict[str, Any]":
        """One component's part, as it is noted. `noted` are the fingerprints of an earlier note."""
        paths = [p for pattern in witness["files"] for p in sorted(map(str, Path("/").glob(pattern[1:]))) or [pattern]]
        paths += [p for files in witness["units"].values() for p in files]
        return {
            "files": {path: fingerprint(path, (noted or {}).get(path)) for path in paths},
            "packages": {name: self._packages.get(name, "") for name in witness["packages"]},
            "units": {name: self._unit(name, files) for name, files in witness["units"].items()},
            "listeners": [one for one in witness["listeners"] if self._listens(one)],
        }

    def older(self, unit: str, files: "list[str]") -> bool:
        """Whether the unit's process started before its settings were last written."""
        found = self._units.get(unit, {})
        pid = int(found.get("MainPID") or 0)
        if not pid:
            return False
        started = process_start(pid)
        own = [found.get("FragmentPath", ""), *found.get("DropInPaths", "").split()]
        return any(_written(path) > started + START_SLACK_SECONDS for path in [*files, *own] if path)

    def _listens(self, wanted: str) -> bool:
        """Whether something listens on `[address:]port/protocol`."""
        address, port, protocol = _place(wanted)
        return any(s["port"] == port and s["protocol"] == protocol and (not address or s["address"] == address) for s in self._sockets)

    def _unit(self, name: str, files: "list[str]") -> "dict[str, Any]":
        found = self._units.get(name, {})
        return {"load": found.get("LoadState", ""), "enabled": found.get("UnitFileState", ""), "active": found.get("ActiveState", ""),
                "invocation": found.get("InvocationID", ""), "reload": found.get("NeedDaemonReload", "no") != "no",
                "stale": self.older(name, files)}


def fingerprint(path: str, noted: "list[Any] | None" = None) -> "list[Any] | None":
    """Content, mode and owner of a file, or where a link points; None when there is nothing.

    A large file's fingerprint ends with what the kernel says of its content; where that is still as `noted`, so is the content.
    """
    file = Path(path)
    try:
        found = file.lstat()
        if file.is_symlink():
            target = os.readlink(path)  # noqa: PTH115 - Path.readlink is newer than Python 3.6
            pointed = _regular(file, file.stat(), noted, prefix=f"link {target} ") if file.exists() else [f"link {target} "]
            return [pointed[0], 0, found.st_uid, found.st_gid, *pointed[1:]]
        owned = [found.st_mode & 0o7777, found.st_uid, found.st_gid]
        if file.is_file():
            content, *version = _regular(file, found, noted)
            return [content, *owned, *version]
        return ["folder" if file.is_dir() else "special", *owned]
    except OSError:
        return None


def _regular(file: Path, found: os.stat_result, noted: "list[Any] | None", prefix: str = "") -> "list[Any]":
    """Digest of a file's content, and of a large one its version: nobody can set the time of the last change (ctime) but the kernel."""
    version = [] if found.st_size < LARGE else [[found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]]
    same = version and noted and noted[4:] == version and str(noted[0]).startswith(prefix)
    return [noted[0] if noted and same else prefix + _sha256(file), *version]


def _sha256(file: Path) -> str:
    """Hexadecimal; '' where it can't be read."""
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


def _written(path: str) -> float:
    """When a file's content, mode or owner last changed; the kernel's own time, which nobody can set."""
    try:
        return Path(path).stat().st_ctime
    except OSError:
        return 0.0


def process_start(pid: int) -> float:
    """When a process started, in seconds since the epoch (proc(5): field 22 of stat, in ticks since boot); 0 when it is gone."""
    try:
        ticks = int(read(f"/proc/{pid}/stat").rpartition(")")[2].split()[19])
        uptime = float(read("/proc/uptime").split()[0])
    except (IndexError, ValueError):
        return 0.0
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")


def packages(names: "list[str]") -> "dict[str, str]":
    """Version and state of each package that is installed."""
    if not names:
        return {}
    if Path("/usr/bin/dpkg-query").exists() and not Path("/etc/redhat-release").exists():
        command = ["dpkg-query", "--show", "--showformat=${Package} ${Version} ${db:Status-Abbrev}\\n", *names]
    else:
        command = ["rpm", "--query", "--queryformat=%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}\\n", *names]
    found = {}
    for line in _output(command).splitlines():
        name, _, rest = line.partition(" ")
        if name in names and not rest.endswith("un"):
            found[name] = rest.strip()
    return found


def units(names: "list[str]") -> "dict[str, dict[str, str]]":
    """What systemd says of each unit."""
    if not names:
        return {}
    command = ["systemctl", "show", "--no-pager", "--property=" + ",".join(UNIT_PROPERTIES), *(n + ".service" for n in names)]
    found = {}
    for name, block in zip(names, _output(command).split("\n\n")):  # noqa: B905 - strict= is newer than Python 3.6
        found[name] = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    return found


def _place(wanted: str) -> "tuple[str, int, str]":
    place, _, protocol = wanted.partition("/")
    address, _, port = place.rpartition(":")
    return address, int(port), protocol


def _output(command: "list[str]") -> str:
    """Standard output, whatever the exit code: both package managers fail when one of several names is unknown."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=TIMEOUT_SECONDS,
                          env={**os.environ, "LC_ALL": "C"})
    return done.stdout.decode("utf-8", "replace")
