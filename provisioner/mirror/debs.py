"""What a Debian package says about itself, and building one from a folder."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import UsageError
from provisioner.mirror.programs import attempt, run


@dataclass(frozen=True)
class Deb:
    """A package file with the name and version it declares."""

    path: Path
    package: str
    version: str


@dataclass(frozen=True)
class Control:
    """What a package file declares: `depends` has one tuple of alternatives for each thing it needs, by name."""

    path: Path
    name: str
    version: str
    depends: tuple[tuple[str, ...], ...]
    provides: tuple[str, ...]
    summary: str


@dataclass(frozen=True)
class Described:
    """A package file with what a mirror has to know: `depends` is the field of all that it needs, as it declares it."""

    path: Path
    package: str
    version: str
    architecture: str
    depends: str


def described(path: Path) -> Described:
    """What a whole package file declares. Raises UsageError for one that is cut or damaged, and for what is none."""
    form = "${Package}\\n${Version}\\n${Architecture}\\n${Pre-Depends}\\n${Depends}\\n"
    done = attempt(["dpkg-deb", "--show", f"--showformat={form}", str(path)])
    fields = done.stdout.decode(errors="replace").split("\n")
    if done.returncode != 0 or len(fields) < 5 or not fields[0]:
        raise UsageError("this is no Debian package", where=str(path), hint="build or download it again")
    # The description lies in front: that all of the content is there only shows when it is read.
    if attempt(["dpkg-deb", "--fsys-tarfile", str(path)], timeout=600, keep=False).returncode != 0:
        raise UsageError(f"the package {fields[0]} {fields[1]} is cut or damaged", where=str(path), hint="copy or download it again")
    return Described(path, fields[0], fields[1], fields[2], ", ".join(filter(None, fields[3:5])))


def read(path: Path) -> Deb:
    """Name and version of a package file. Raises UsageError when it is no Debian package."""
    done = attempt(["dpkg-deb", "--show", "--showformat", "${Package} ${Version}", str(path)])
    fields = done.stdout.decode().split()
    if done.returncode != 0 or len(fields) != 2:
        raise UsageError("this is no Debian package", where=str(path), hint="remove it from the folder of artefacts, or build it again")
    return Deb(path, *fields)


def build(source: Path, folder: Path) -> Deb:
    """Builds the package whose control files are in `source`/DEBIAN and whose files are in `source`/rootfs."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        shutil.copytree(source / "rootfs", tree, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(source / "DEBIAN", tree / "DEBIAN")
        # Of any umask: users of hosts read these files, and dpkg-deb refuses a folder of control files with 0700.
        run(["chmod", "--recursive", "u+rwX,go=rX", str(tree)], what=f"permissions of package {source.name}")
        for script in ("preinst", "postinst", "prerm", "postrm"):
            if (tree / "DEBIAN" / script).exists():
                (tree / "DEBIAN" / script).chmod(0o755)
        built = run(["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", "-z1", str(tree), str(folder)], what=f"package {source.name}")
    return read(Path(built.split("'")[-2]))


def depends(package: Path) -> str:
    """What a package needs, as it declares it."""
    return run(["dpkg-deb", "--field", str(package), "Pre-Depends", "Depends"], what=f"reading {package.name}")


def control(package: Path) -> Control:
    """The fields of a package file that say what it is and what it needs."""
    form = "${Package}\\n${Version}\\n${Pre-Depends}, ${Depends}\\n${Provides}\\n${binary:Synopsis}\\n"
    text = run(["dpkg-deb", "--show", f"--showformat={form}", str(package)], what=f"reading {package.name}")
    name, version, needs, virtual, summary = text.splitlines()[:5]
    return Control(package, name, version, relations(needs), tuple(names[0] for names in relations(virtual)), summary)


def relations(text: str) -> tuple[tuple[str, ...], ...]:
    """The names in a relation field: `a (>= 1) | b:any, c` → `(("a", "b"), ("c",))`."""
    groups = [group for group in text.split(",") if group.strip()]
    return tuple(tuple(re.split(r"[\s(:\[]", name.strip(), maxsplit=1)[0] for name in group.split("|")) for group in groups)


def scripts(package: Path) -> dict[str, str]:
    """The maintainer scripts of a package, by name, without the line that names the shell."""
    with tempfile.TemporaryDirectory() as scratch:
        run(["dpkg-deb", "--control", str(package), scratch], what=f"reading {package.name}")
        texts = {name: Path(scratch, name) for name in ("preinst", "postinst", "prerm", "postrm")}
        return {name: path.read_text().partition("\n")[2] for name, path in texts.items() if path.exists()}


def extract(package: Path, folder: Path) -> None:
    """Unpacks the files of a package, nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    run(["dpkg-deb", "--extract", str(package), str(folder)], what=f"unpacking {package.name}")
