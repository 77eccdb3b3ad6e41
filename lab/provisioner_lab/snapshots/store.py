"""The snapshots kept on this machine: what is known about each, where its parts lie, which there are, and how one goes."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioner.errors import ProvisionError, UsageError
from provisioner.mirror.programs import attempt, run
from provisioner.state.files import private_dir
from provisioner_lab.cache import cache_dir
from provisioner_lab.model import is_name, own_name

#: Changes when what is kept, or how, is no longer what this module reads.
FORMAT = 1
#: What the names of folders begin with in which a snapshot is being made.
MAKING = "making-"


@dataclass(frozen=True)
class Snapshot:
    """A lab at rest.

    `stamp` tells it from others of its name, before and after; `made` is a time in UTC. `directory` is the folder that the lab
    belonged to and `origin` as of a lab. `size` is what the lab was made for (masters, agents). `content` and `programs` are the
    folders of the mirror, by name. `healthy` is what `provision status` said of the cluster just before.
    """

    name: str
    stamp: str
    made: str
    lab: str
    origin: str
    system: str
    subnet: str
    directory: str
    size: tuple[int, int]
    hosts: tuple[str, ...]
    content: str
    programs: str
    healthy: bool

    def image(self, host: str) -> str:
        """The engine's image with the file system of a host."""
        return f"{_engine_name()}:{self.stamp}-{host}"

    def volume(self, host: str) -> str:
        """The engine's volume with what a host has under /var/lib/docker."""
        return f"{_engine_name()}-{self.stamp}-{host}"

    def as_json(self) -> str:
        """What `parsed` reads."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"


@dataclass(frozen=True)
class Parts:
    """The files of one snapshot, in a folder of its own."""

    folder: Path

    @property
    def about(self) -> Path:
        """The snapshot itself, as JSON."""
        return self.folder / "snapshot.json"

    @property
    def images(self) -> Path:
        """The hosts' file systems: `docker save`, compressed."""
        return self.folder / "images.tar.zst"

    @property
    def disks(self) -> Path:
        """One folder for each host: its /var/lib/docker."""
        return self.folder / "disks.tar.zst"

    @property
    def home(self) -> Path:
        """The operator's side: inventory, keys, ledger, secrets."""
        return self.folder / "home.tar"

    def files(self, host: str) -> Path:
        """A tar of what an image can't hold of a host."""
        return self.folder / f"{host}.tar"

    def mirror(self, folder: str) -> Path:
        """One of the two folders that the mirror serves from."""
        return self.folder / "mirror" / folder


def shelf() -> Path:
    """The folder of all snapshots. Closed to others: there are secrets of clusters in it."""
    return private_dir(cache_dir() / "snapshots")


def parts(name: str) -> Parts:
    """Where the parts of the snapshot of this name lie, or would."""
    return Parts(shelf() / check_name(name))


def check_name(name: str) -> str:
    """The name of a snapshot, if it can be one. Raises UsageError."""
    if not is_name(name):
        raise UsageError(f"{name!r} can't be the name of a snapshot",
                         hint="use up to 20 small letters and digits, first a letter, with one '-' at most")
    return name


def parsed(text: str, where: Path) -> Snapshot:
    """The snapshot that a file tells of. Raises ProvisionError where it is none, or of another version of this tool."""
    hint = f"remove it and make it again: provision lab snapshots --remove {where.parent.name}"
    try:
        found = json.loads(text)
        if found.pop("format") == FORMAT:
            return Snapshot(**{**found, "size": tuple(found["size"]), "hosts": tuple(found["hosts"])})
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ProvisionError("this does not tell of a snapshot", where=str(where), hint=hint) from None
    raise UsageError("this snapshot was made by another version of the tool", where=str(where), hint=hint)


def snapshots() -> tuple[Snapshot, ...]:
    """All of them, by name. Raises ProvisionError as `parsed` does."""
    return tuple(parsed(about.read_text(), about) for about in sorted(shelf().glob("*/snapshot.json")) if is_name(about.parent.name))


def find(name: str) -> Snapshot:
    """The snapshot of that name. Raises UsageError that lists those there are."""
    about = parts(name).about
    if not about.is_file():
        names = ", ".join(found.parent.name for found in sorted(shelf().glob("*/snapshot.json"))) or "none"
        raise UsageError(f"there is no snapshot {name!r} on this machine (snapshots: {names})",
                         hint=f"make it of a lab: provision lab snapshot {name} --name LAB")
    return parsed(about.read_text(), about)


def exists(name: str) -> bool:
    """Is there a snapshot of that name, readable or not?"""
    return parts(name).about.is_file()


def remove(name: str) -> None:
    """Removes a snapshot. Labs that were restored from it go on; what of it they run on leaves the engine with them."""
    if not exists(name):
        find(name)  # raises
    shutil.rmtree(parts(name).folder)
    tidy()


def bytes_on_disk(name: str) -> int:
    """What its files take, without the mirror's: those are the cache's own under a second name."""
    place = parts(name)
    return sum(path.stat().st_size for path in (place.images, place.disks, place.home))


def in_engine(snapshot: Snapshot) -> bool:
    """Does the engine hold images and disks already, so that the files need not be read?"""
    names = {"image": snapshot.image, "volume": snapshot.volume}
    return not any(attempt(["docker", kind, "inspect", *map(name, snapshot.hosts)]).returncode for kind, name in names.items())


def tidy() -> None:
    """Takes out of the engine what belongs to no snapshot, not even to one that is being made, except what a container still runs on."""
    kept = {_stamp(about) for depth in ("*", f"{MAKING}*/*") for about in shelf().glob(f"{depth}/snapshot.json")}
    tags = run(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", _engine_name()], what="images of snapshots").split()
    volumes = run(["docker", "volume", "ls", "--quiet", "--filter", f"name={_engine_name()}"], what="disks of snapshots").split()
    for kind, names in (("image", tags), ("volume", volumes)):
        for name in names:
            found = re.fullmatch(rf"{_engine_name()}[:-](\w+)-\w+", name)
            if found and found[1] not in kept:
                attempt(["docker", kind, "rm", name], timeout=300)


def _engine_name() -> str:
    """What the names of images and volumes begin with. Other users of the engine have a shelf of their own."""
    return own_name("provisioner-lab-snapshot", shelf())


def _stamp(about: Path) -> str:
    try:
        return str(json.loads(about.read_text())["stamp"])
    except (ValueError, KeyError, TypeError):
        return ""
