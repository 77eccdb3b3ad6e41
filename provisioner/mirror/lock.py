"""`provision.lock`: exactly which packages, files, images and keys a cluster is made of, beside its inventory.

A text with one artefact on each line, so that what moved can be read in a diff, and the same bytes for the same artefacts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from provisioner.errors import InventoryError

NAME = "provision.lock"
#: What this program writes; it refuses to read what a newer one wrote.
FORMAT = 1
#: Kinds of artefacts: what a package manager installs, another file, what a registry serves, what signs a repository.
PACKAGE, ARCHIVE, IMAGE, KEY = "package", "archive", "image", "key"
KINDS = (PACKAGE, ARCHIVE, IMAGE, KEY)
#: Where an artefact is from: its vendor, made on this machine, a file that the user brought (`mirror add`).
VENDOR, MADE, BROUGHT = "vendor", "made", "brought"
HINT = "make it anew: provision lock"


@dataclass(frozen=True, order=True)
class System:
    """An operating system of hosts, as a mirror serves it: debian, 12, bookworm, amd64."""

    distribution: str
    release: str
    codename: str
    architecture: str

    @property
    def name(self) -> str:
        """`debian12/amd64`."""
        return f"{self.distribution}{self.release}/{self.architecture}"


@dataclass(frozen=True)
class Locked:
    """One artefact.

    `component` needs it ('' for what packages of several depend on); `system` is the name of the one it is for, '' where it is for all.
    `name` is that of the package, file, image (with its tag) or key. `url` is where it was found ('' where nobody serves it). `path` is
    where it lies below a mirror's folder ('' where its kind and its name say so, see `folder.Folder.file`). `digest` is `sha256:…` of the
    file's bytes or of the image's manifest. `size` is in bytes, of an image all its layers. `fingerprint` is a key's.
    `asked` is True for what a role names and False for what that depends on. `needs` is the dependency field of a package that no
    repository describes, as it was made or brought.
    """

    kind: str
    name: str
    version: str
    digest: str
    size: int = 0
    component: str = ""
    system: str = ""
    url: str = ""
    path: str = ""
    fingerprint: str = ""
    origin: str = VENDOR
    asked: bool = True
    needs: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What a lock has one of: kind, name without an image's tag, and the system, or the component of an archive: vendors may use the
        same file name.
        """
        name = self.name.rpartition(":")[0] if self.kind == IMAGE else self.name
        return self.kind, name, self.component if self.kind == ARCHIVE else self.system


@dataclass(frozen=True)
class Lock:
    """All of them, in the order in which they are written."""

    systems: tuple[System, ...] = ()
    artefacts: tuple[Locked, ...] = ()
    format: int = field(default=FORMAT, compare=False)

    def __str__(self) -> str:
        rows = sorted(self.artefacts, key=lambda a: (a.system, KINDS.index(a.kind), a.component, not a.asked, a.name))
        return f'{{\n "format": {FORMAT},\n "systems": [\n{_lines(sorted(self.systems))}\n ],\n "artefacts": [\n{_lines(rows)}\n ]\n}}\n'


def beside(inventory: Path) -> Path:
    """Where the lock of an inventory lies."""
    return (inventory if inventory.is_dir() else inventory.parent) / NAME


def read(path: Path) -> Lock | None:
    """The lock in a file; None when there is none. Raises InventoryError that names what is wrong with it."""
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InventoryError(f"the lock can't be read: {error}", where=str(path), hint=HINT) from error
    listed = isinstance(data, dict) and all(isinstance(data.get(name, []), list) for name in ("systems", "artefacts"))
    if not listed or not isinstance(data.get("format"), int):
        raise InventoryError("this is no lock of provision", where=str(path), hint=HINT)
    if data["format"] > FORMAT:
        raise InventoryError(f"the lock has format {data['format']}, this program knows {FORMAT}", where=str(path),
                             hint="use the version of provision that wrote it, or a newer one")
    return Lock(tuple(_made(System, each, path) for each in data.get("systems", [])),
                tuple(_made(Locked, each, path) for each in data.get("artefacts", [])))


def _made(kind: type[Any], values: Any, path: Path) -> Any:
    """A System or Locked out of a line of the file, whose types are checked: people merge such files."""
    known = {each.name: each for each in fields(kind)}
    if not isinstance(values, Mapping) or (unknown := set(values) - set(known)):
        raise InventoryError(f"a line of the lock is not one: {values if not isinstance(values, Mapping) else sorted(unknown)}",
                             where=str(path), hint=HINT)
    types = {"str": str, "int": int, "bool": bool}
    wrong = [name for name, value in values.items() if type(value) is not types[str(known[name].type)]]
    needed = [name for name, each in known.items() if name not in values and name in ("kind", "name", "version", "digest", "distribution",
                                                                                      "release", "codename", "architecture")]
    if wrong or needed or values.get("kind", KEY) not in KINDS:
        raise InventoryError(f"a line of the lock is not one, look at {', '.join(wrong or needed or ['kind'])}: {dict(values)}",
                             where=str(path), hint=HINT)
    return kind(**values)


def _lines(rows: Iterable[Any]) -> str:
    defaults = {each.name: each.default for each in fields(Locked)}
    return ",\n".join("  " + json.dumps({k: v for k, v in asdict(row).items() if v != defaults.get(k)}, ensure_ascii=False)
                      for row in rows)
