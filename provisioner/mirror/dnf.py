"""RPMs with everything they depend on, found by this machine's dnf as if it were another system."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.cluster.lock import System
from provisioner.errors import ProvisionError, UsageError
from provisioner.mirror.programs import attempt, failure
from provisioner.mirror.resolve import Candidate
from provisioner.mirror.systems import MACHINES

_ANSWERS = Path(__file__).with_name("dnf_answers.py")
_SECONDS = 900.0
_NO_LIBRARY = 3
_HINT = "install dnf and its Python library: apt-get install dnf, or dnf install python3-dnf"


@dataclass(frozen=True)
class Source:
    """A yum repository; `url` may name $releasever and $basearch. `key` is the file with what is trusted of its keys, None without.

    `index_signed`: the list of its packages is signed with it. `fingerprint` is of the key that signs each package, '' without.
    """

    name: str
    url: str
    key: Path | None = None
    index_signed: bool = False
    fingerprint: str = ""


class Dnf:
    """dnf's view of one system, in a folder of its own. Raises UsageError where this machine has no dnf."""

    def __init__(self, system: System, sources: Sequence[Source], folder: Path) -> None:
        self._python = python()
        self._fingerprints = {each.name: each.fingerprint for each in sources}
        folder.mkdir(parents=True, exist_ok=True)
        repositories = [{"name": each.name, "url": each.url, "key": str(each.key or ""), "signed": each.index_signed} for each in sources]
        self._question = {"folder": str(folder), "release": system.release, "machine": MACHINES[system.architecture],
                          "repositories": repositories}

    def update(self) -> None:
        """Reads the lists of all sources. Raises ProvisionError when one of them can't be read or is not signed as it should be."""
        self.versions(())

    def versions(self, names: Iterable[str]) -> dict[str, list[str]]:
        """The versions that the sources have of these packages, the newest first."""
        found: dict[str, list[str]] = self._asked("package lists", names=list(names))
        return found

    def closure(self, wanted: Sequence[str], pinned: Mapping[str, str]) -> list[Candidate]:
        """What dnf would install for these, each `name` or `name=version`; of packages in `pinned` that version, if there is one.

        Raises ProvisionError with dnf's words.
        """
        parted = [(each, "") if " " in each else each.partition("=")[::2] for each in wanted]
        rows = self._asked(" ".join(wanted[-3:]), wanted=parted, pinned=dict(pinned))
        if weak := sorted(row["name"] for row in rows if not row["sha256"]):
            raise ProvisionError(f"their repository has no SHA-256 of {', '.join(weak)}", hint="ask its owner for an index with SHA-256")
        return [Candidate(row["name"], row["version"], row["url"], row["size"], row["sha256"], self._fingerprints[row["repository"]])
                for row in rows]

    def needed_by(self, relations: str, pinned: Mapping[str, str]) -> list[Candidate]:
        """The same for what a package depends on, such as `a (>= 1), c`."""
        return self.closure([each.replace("(", "").replace(")", "").strip() for each in relations.split(",")], pinned)

    def _asked(self, what: str, **question: object) -> Any:
        # Isolated: else Python would look for dnf's library in the folder of the script, beside which this file is.
        done = attempt([self._python, "-I", str(_ANSWERS)], stdin=json.dumps({**self._question, **question}).encode(), timeout=_SECONDS)
        said = done.stderr.decode(errors="replace")
        if done.returncode == _NO_LIBRARY:
            raise UsageError(f"{self._python} has no library of dnf: {said.strip()}", hint=_HINT)
        if done.returncode:
            raise failure(f"dnf {what}", done.returncode, said)
        return json.loads(done.stdout)


def python() -> str:
    """The Python that this machine's dnf runs in, which has its library. Raises UsageError where there is no dnf."""
    found = shutil.which("dnf") or shutil.which("dnf-3")
    if found is None:
        raise UsageError("the program dnf is not installed, without which RPMs can't be resolved", hint=_HINT)
    with Path(found).open("rb") as file:
        first = file.readline(200)
    # dnf5 is not written in Python, and where it is the older library may be beside it.
    return first[2:].split()[0].decode() if first.startswith(b"#!") else "/usr/bin/python3"
