"""One file with a checksum for each part; a damaged or foreign one is refused before anything is done with it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner import __version__
from provisioner.errors import UsageError
from provisioner.state.files import write_private

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Archive:
    """A backup: which cluster (name and id), when it was made (ISO 8601, UTC), and its parts by name."""

    cluster: str
    cluster_id: str
    made: str
    parts: Mapping[str, bytes]


def write(path: Path, archive: Archive) -> None:
    """Write it, readable by its owner only; whole or not at all. Raises ProvisionError."""
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in archive.parts.items()}
    manifest = {"format": FORMAT, "provision": __version__, "cluster": archive.cluster, "cluster_id": archive.cluster_id,
                "made": archive.made, "sha256": sums}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in {MANIFEST: json.dumps(manifest, indent=1).encode(), **archive.parts}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o600
            tar.addfile(member, io.BytesIO(data))
    write_private(path, out.getvalue())


def read(path: Path) -> Archive:
    """Read and check it. Raises UsageError that names what is wrong: no backup, of a newer tool, or a damaged part."""
    try:
        with tarfile.open(path, "r:*") as tar:
            files = {member.name: file.read() for member in tar if (file := tar.extractfile(member))}
        manifest = json.loads(files.pop(MANIFEST))
        made_for, sums = int(manifest["format"]), dict(manifest["sha256"])
        archive = Archive(str(manifest["cluster"]), str(manifest["cluster_id"]), str(manifest["made"]), files)
    except FileNotFoundError:
        raise UsageError("no such file", where=str(path), hint="'provision backup' writes one") from None
    except (tarfile.TarError, OSError, EOFError, ValueError, KeyError, TypeError) as error:
        why, _, _ = str(error).partition("\n")  # tarfile lists every format that it tried
        raise UsageError(f"not a backup, or an incomplete one: {why.rstrip(':')}", where=str(path),
                         hint="'provision backup' writes one; copy it again if it came from elsewhere") from None
    if made_for != FORMAT:
        raise UsageError(f"this backup was written by a newer 'provision' (format {made_for}; this one reads {FORMAT})", where=str(path))
    damaged = sorted(name for name in {*sums, *files} if hashlib.sha256(files.get(name, b"")).hexdigest() != sums.get(name))
    if damaged:
        raise UsageError(f"the backup is damaged: checksum mismatch in {', '.join(damaged)}", where=str(path),
                         hint="use another copy")
    return archive
