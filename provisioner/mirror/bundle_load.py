"""Puts what a bundle holds in place: all of it after all of it was verified, or nothing."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from provisioner.errors import LockedError, StepFailed, UnreachableError, UsageError
from provisioner.mirror import bundle_start as reading
from provisioner.mirror.bundle import CARRIED, KEY, SIGNING
from provisioner.mirror.files import link_or_copy, readable
from provisioner.mirror.programs import Say
from provisioner.mirror.progress import Progress

#: In a folder that was loaded: the manifest of its bundle, and the public key (hex) of who signed it.
LOADED, SIGNER = "bundle.json", "bundle-signer"
_PARTS = ("mirror", "tool", "README.txt", "schema.json", "provision.lock", reading.START)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextlib.contextmanager
def refused() -> Iterator[None]:
    """What the reader of bundles refuses, as an error of this program."""
    try:
        yield
    except reading.Refused as error:
        raise StepFailed(error.message, where=error.member, hint=error.hint) from None
    except OSError as error:
        raise UsageError(f"the bundle can't be read, or not be written here: {error}", hint="make room, or look at the disk") from error


def opened(file: Path) -> reading.Head:
    """The beginning of a bundle whose signature is right; by whom it is, is another question. Raises StepFailed."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    with refused():
        found = reading.head(file)
        try:
            Ed25519PublicKey.from_public_bytes(found.key).verify(found.signature, found.text)
        except (InvalidSignature, ValueError):
            raise reading.Refused(reading.SIGNATURE, "the manifest is not signed by the key that the bundle names: one of them was changed",
                                  "do not use this bundle; get it again from who saved it") from None
    return found


def trusted(begin: reading.Head, folder: Path, fingerprint: str) -> bool:
    """Whether the signer is known: the one that was named, else that of the bundle loaded here before.

    Raises UnreachableError for another.
    """
    wanted = fingerprint.lower().replace(":", "")
    known = None
    if (folder / SIGNER).is_file():
        try:
            known = reading.Head(b"", {}, bytes.fromhex((folder / SIGNER).read_text().strip()), b"").fingerprint
        except ValueError:
            raise UsageError("this is no public key of a bundle's signer", where=str(folder / SIGNER),
                             hint="remove it, and load with --fingerprint") from None
    if expected := wanted or known:
        if begin.fingerprint != expected:
            raise UnreachableError(f"the bundle is signed by {begin.fingerprint}, expected is {expected}", where=str(folder),
                                   hint="ask who saved it; if the new signer is right: --fingerprint " + begin.fingerprint)
        return True
    return False


def load(file: Path, folder: Path, begin: reading.Head, say: Say, *, tool: bool = True, mirror: bool = True) -> None:
    """Verifies everything and puts it in place; a mirror of an older bundle is replaced in one step.

    Raises StepFailed for what is wrong in the bundle, UsageError for the folder, LockedError.
    """
    if not replaceable(folder):
        raise UsageError("this folder was not made by `bundle load`, and is not replaced", where=str(folder),
                         hint="name a folder that does not exist, or one that a bundle was loaded into")
    parent = folder.resolve().parent
    if not parent.is_dir():
        raise UsageError("there is no such directory", where=str(parent), hint="make it, or name another folder")
    loading = folder.with_name(f"{folder.name}.loading")
    with _locked(parent, loading):
        if (free := shutil.disk_usage(parent).free) < begin.size:
            raise UsageError(f"the bundle needs {readable(begin.size)}, {readable(free)} are free", where=str(parent), hint="make room")
        loading.mkdir(mode=0o755)
        with refused():
            tell = Progress(say, "loading", begin.size)
            reading.unpack(file, begin, lambda name: _place(loading, name, tool=tool, mirror=mirror), tell.came)
        _complete(loading, folder, begin)
        _put(loading, folder)


def replaceable(folder: Path) -> bool:
    """Whether there is nothing, or what an earlier load left."""
    if folder.is_symlink() or not folder.exists():
        return not folder.is_symlink()
    return folder.is_dir() and ((folder / LOADED).is_file() or not any(folder.iterdir()))


def _place(loading: Path, name: str, *, tool: bool, mirror: bool) -> Path | None:
    top, _, below = name.partition("/")
    if (top == "mirror" and below.split("/")[0] not in (*CARRIED, KEY)) or top not in _PARTS:
        raise reading.Refused(name, "it belongs to no part of a bundle that this program knows", "use the program that the bundle brings")
    if name.startswith("mirror/"):
        return loading / name.removeprefix("mirror/") if mirror else None
    if name.startswith("tool/") or name == reading.START:
        return loading / "tool" / name.removeprefix("tool/") if tool else None
    return loading / name


def _complete(loading: Path, folder: Path, begin: reading.Head) -> None:
    """What was not loaded stays as it was: this side's keys, the mirror when only the tool is loaded, and the other way round."""
    mirror = () if (loading / CARRIED[0]).exists() else CARRIED
    for name in (SIGNING, KEY, "tool", *mirror):
        if (loading / name).exists():
            continue
        if (folder / name).is_dir():
            shutil.copytree(folder / name, loading / name, copy_function=_link, ignore=_sockets)
        elif (folder / name).is_file():
            shutil.copy2(folder / name, loading / name)
    if (loading / KEY).is_dir():
        for path in (loading / KEY, *(loading / KEY).rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)
    (loading / SIGNER).write_text(f"{begin.key.hex()}\n")
    (loading / LOADED).write_bytes(begin.text)
    os.sync()


def _link(source: str, target: str) -> None:
    link_or_copy(Path(source), Path(target))


def _sockets(_: str, names: list[str]) -> list[str]:
    """Those of GnuPG's agent."""
    return [each for each in names if each.startswith("S.")]


def _put(loading: Path, folder: Path) -> None:
    """In one step, also where there is a folder already."""
    if not folder.exists() or not any(folder.iterdir()):
        loading.replace(folder)
        return
    exchange = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if exchange and exchange(_AT_FDCWD, os.fsencode(loading), _AT_FDCWD, os.fsencode(folder), _RENAME_EXCHANGE) == 0:
        shutil.rmtree(loading)
        return
    old = folder.with_name(f"{folder.name}.replaced")
    shutil.rmtree(old, ignore_errors=True)
    folder.replace(old)
    loading.replace(folder)
    shutil.rmtree(old)


@contextlib.contextmanager
def _locked(parent: Path, loading: Path) -> Iterator[None]:
    """One load at a time; what an interrupted one left is removed, what a refused one wrote, too."""
    lock = loading.with_name(f".{loading.name}.lock")
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError("another load into this folder runs", where=str(loading), hint="wait for its end") from None
        shutil.rmtree(loading, ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(loading, ignore_errors=True)
            lock.unlink(missing_ok=True)
