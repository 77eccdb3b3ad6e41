"""Writes a bundle: a site's mirror, its lock and this tool in one file with a signed manifest, to be carried where no network is."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import sys
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from provisioner import __version__
from provisioner.cluster.names import counted
from provisioner.errors import ProvisionError, StepFailed, UsageError
from provisioner.mirror import bundle_start as reading
from provisioner.mirror import lock
from provisioner.mirror.files import file_sha256, readable
from provisioner.mirror.programs import Say
from provisioner.mirror.progress import Progress
from provisioner.state.files import read_private, write_private

#: What of a mirror's folder is carried. The key that signs its repositories is carried only when somebody asks for it.
CARRIED, KEY = ("www", "registry"), "key"
SIGNING = "bundle-key"
README = """\
This file holds provision, and a mirror for the hosts of its inventory. On a machine like the one that saved it, without a network:
  tar xf FILE start.py && python3 start.py FILE VENV
  VENV/bin/provision bundle load FILE DIR
"""


@dataclass(frozen=True)
class Member:
    """A file of a bundle: its name, and its bytes or where they are read."""

    name: str
    source: Path | bytes

    def measured(self) -> list[int | str]:
        """Size in bytes and SHA-256."""
        if isinstance(self.source, bytes):
            return [len(self.source), hashlib.sha256(self.source).hexdigest()]
        return [self.source.stat().st_size, file_sha256(self.source)]


def sign(folder: Path, text: bytes) -> bytes:
    """The file manifest.sig, made with the key in this folder, which is made when there is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    path = folder / SIGNING
    try:
        seed = read_private(path)
    except FileNotFoundError:
        new = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        write_private(path, new, replace=False)
        seed = read_private(path)
    try:
        key = Ed25519PrivateKey.from_private_bytes(seed)
    except ValueError:
        raise UsageError("this is no key that signs bundles", where=str(path), hint="restore it, or remove it: a new one is made") from None
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return (json.dumps({"public_key": public.hex(), "signature": key.sign(text).hex()}) + "\n").encode()


def of_mirror(folder: Path, *, with_key: bool) -> list[Member]:
    """The files of a mirror's folder. Raises UsageError where it is none, or has links."""
    if not (folder / "www").is_dir():
        raise UsageError("this is no mirror: it has no folder www", where=str(folder), hint="name the folder that `mirror pull` filled")
    found = []
    for part in (*CARRIED, *((KEY,) if with_key else ())):
        for path in sorted((folder / part).rglob("*")):
            if path.is_symlink():
                raise UsageError("a mirror has no symbolic links", where=str(path), hint="replace it by the file that it points to")
            if path.is_file():
                found.append(Member(f"mirror/{path.relative_to(folder)}", path))
    return found


def schema() -> bytes:
    """The variables that an inventory may set, as data."""
    from provisioner.inventory.schema import load_schema

    rows = {name: {"type": each.type, "description": each.description, "default": each.default, "choices": list(each.choices),
                   "role": each.role, "scope": each.scope} for name, each in load_schema().variables.items() if not each.rendered}
    return (json.dumps(rows, indent=1, sort_keys=True, default=str) + "\n").encode()


def save(file: Path, mirror: Path | None, locked: Path | None, wheels: Iterable[Path], state: Path, say: Say, *,
         with_key: bool = False) -> str:
    """Writes a bundle and returns its signer's fingerprint; `state` is the folder of the signing key. The same input, the same bytes.

    Raises UsageError, and StepFailed where a file changes meanwhile.
    """
    members = [Member(f"tool/{wheel.name}", wheel) for wheel in wheels]
    members += [Member("schema.json", schema()), Member("README.txt", README.encode())]
    members += of_mirror(mirror, with_key=with_key) if mirror else []
    systems: list[str] = []
    if locked:
        read = lock.read(locked)
        systems = sorted(each.name for each in read.systems) if read else []
        members.append(Member(lock.NAME, locked.read_bytes()))
    start = Member(reading.START, Path(reading.__file__).read_bytes())
    members = [start, *sorted(members, key=lambda each: each.name)]
    if wrong := next((each.name for each in members if not reading.safe(each.name)), None):
        raise UsageError("a file of this name can't be carried", where=repr(wrong), hint="rename or remove it")
    size = sum(len(each.source) if isinstance(each.source, bytes) else each.source.stat().st_size for each in members)
    need = size + 2048 * len(members) + (1 << 20)
    if (free := shutil.disk_usage(file.resolve().parent).free) < need:
        raise UsageError(f"the bundle needs {readable(need)}, {readable(free)} are free", where=str(file),
                         hint="name a file on a larger disk")
    say(f"{counted(len(members), 'file')}, {readable(size)}")
    measuring = Progress(say, "hashing", size)
    listed = {}
    for each in members:
        listed[each.name] = each.measured()
        measuring.came(int(listed[each.name][0]))
    about = {"format": reading.FORMAT, "provision": __version__, "python": f"{sys.version_info.major}.{sys.version_info.minor}",
             "machine": platform.machine(), "system": platform.system(), "hosts": systems, "members": listed}
    text = (json.dumps(about, indent=1) + "\n").encode()
    signature = sign(state, text)
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as raw:
            begin = [Member(reading.MANIFEST, text), Member(reading.SIGNATURE, signature)]
            _write(raw, [*begin, *members], listed, Progress(say, "writing", size))
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(file)
    except OSError as error:
        raise UsageError(f"the bundle can't be written: {error.strerror}", where=str(file),
                         hint="make room, or name another file") from error
    finally:
        part.unlink(missing_ok=True)
    return hashlib.sha256(bytes.fromhex(json.loads(signature)["public_key"])).hexdigest()


def _write(raw: BinaryIO, members: list[Member], listed: dict[str, list[int | str]], tell: Progress) -> None:
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for each in members:
            info = tarfile.TarInfo(each.name)  # owner root, time 0: nothing of this machine
            info.mode = 0o600 if each.name.startswith(f"mirror/{KEY}/") else 0o644
            if isinstance(each.source, bytes):
                info.size = len(each.source)
                tar.addfile(info, io.BytesIO(each.source))
                continue
            info.size = int(listed[each.name][0])
            with each.source.open("rb") as source:
                read = _Hashed(source, tell)
                try:
                    tar.addfile(info, read)  # type: ignore[arg-type]  # it only reads
                except OSError as error:
                    if error.errno is not None:
                        raise
                    raise _changed(each.source) from None
                if source.read(1) or read.digest.hexdigest() != listed[each.name][1]:
                    raise _changed(each.source)


class _Hashed:
    """A file that is hashed while tarfile reads it: it was hashed for the manifest, and may have changed since."""

    def __init__(self, source: BinaryIO, tell: Progress) -> None:
        self._source, self._tell, self.digest = source, tell, hashlib.sha256()

    def read(self, size: int) -> bytes:
        chunk = self._source.read(size)
        self.digest.update(chunk)
        self._tell.came(len(chunk))
        return chunk


def _changed(path: Path) -> ProvisionError:
    return StepFailed("the file changed while the bundle was saved", where=str(path),
                      hint="wait for what changes the mirror, then save again")
