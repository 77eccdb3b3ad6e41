"""The disks of hosts, which are volumes of the engine: copied, packed into a file and unpacked, by containers that see nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from provisioner_lab.commands import piped, run_contained

_SECONDS = 900.0
# An engine's layers carry attributes that only CAP_SYS_ADMIN may write (trusted.overlay.*); without them deleted files come back.
_FREEDOM = ("--init", "--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined")
_RUN = ("docker", "run", "--rm", "--network", "none", *_FREEDOM)
_TAR = ("tar", "--directory", "/disks", "--xattrs", "--xattrs-include=*", "--numeric-owner")
# Two hosts at a time: more only get into each other's way. Reached as a file system of its own, not through the overlay.
_COPY = "ls /from | xargs -P 2 -I {} cp -a /from/{}/. /to/{}"


def copy(image: str, pairs: Mapping[str, str]) -> None:
    """Copies volumes, source → target; `image` is any with a shell, cp and tar."""
    mounts = [("--volume", f"{source}:/from/{n}:ro", "--volume", f"{target}:/to/{n}") for n, (source, target) in enumerate(pairs.items())]
    flags = [word for mount in mounts for word in mount]
    run_contained([*_FREEDOM, *flags, image, "sh", "-c", _COPY], what="copying the disks", timeout=_SECONDS)


def pack(image: str, volumes: Mapping[str, str], file: Path) -> None:
    """Writes the volumes (folder in the archive → volume) into one compressed file."""
    piped([*_RUN, *_mounts(volumes, ":ro"), image, *_TAR, "--create", *volumes], compress(file), what="packing the disks")


def unpack(image: str, volumes: Mapping[str, str], file: Path) -> None:
    """Fills empty volumes from such a file."""
    command = [*_RUN, "--interactive", *_mounts(volumes), image, *_TAR, "--extract"]
    piped(decompress(file), command, what="unpacking the disks")


def compress(file: Path) -> list[str]:
    """A program that writes what it reads into a file. Hosts are alike: with a window of 1 GiB what a second one has takes no room."""
    return ["zstd", "--quiet", "--force", "-T0", "-1", "--long=30", "-o", str(file)]


def decompress(file: Path) -> list[str]:
    """A program that reads such a file."""
    return ["zstd", "--quiet", "--decompress", "--stdout", "--long=30", str(file)]


def _mounts(volumes: Mapping[str, str], mode: str = "") -> list[str]:
    return [word for folder, volume in volumes.items() for word in ("--volume", f"{volume}:/disks/{folder}{mode}")]
