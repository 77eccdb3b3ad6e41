"""What several tests use: small packages and archives, and the stand-ins as they lie here."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

from provisioner.mirror.debs import build
from provisioner_lab.paths import lab_dir

STAND_INS = lab_dir() / "stand_ins"
#: For a stand-in that is started out of this folder.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(STAND_INS)}


def package(folder: Path, name: str, version: str, content: str = "", depends: str = "") -> None:
    """A small package file in the folder."""
    source = folder.parent / f"source-{name}"
    (source / "rootfs" / "usr" / "share").mkdir(parents=True)
    (source / "rootfs" / "usr" / "share" / name).write_text(content)
    (source / "DEBIAN").mkdir()
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@invalid>\nDescription: test\n"
    control += f"Depends: {depends}\n" if depends else ""
    (source / "DEBIAN" / "control").write_text(control)
    folder.mkdir(parents=True, exist_ok=True)
    build(source, folder)


def tar(path: Path, *members: tuple[str, str, str], mode: str = "w") -> Path:
    """An archive of members: name, kind (f, d, l, h or p), content or target."""
    kinds = {"f": tarfile.REGTYPE, "d": tarfile.DIRTYPE, "l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE, "p": tarfile.FIFOTYPE}
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid = kinds[kind], 0o4755, 12345
            if kind == "f":
                info.size = len(content)
            info.linkname = content if kind in "lh" else ""
            archive.addfile(info, io.BytesIO(content.encode()) if kind == "f" else None)
    return path
