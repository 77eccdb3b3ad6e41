"""RPMs made of Debian packages: what a Red Hat host installs, with the same programs that the node image consists of."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from provisioner.errors import UsageError
from provisioner.mirror import debs
from provisioner.mirror.debs import Control
from provisioner.mirror.repository import Key
from provisioner_lab.commands import run_contained
from provisioner_lab.paths import lab_dir
from provisioner_lab.systems import architecture

#: Changes when this module makes something else of the same packages.
FORMAT = "3"
# Nobody reads documentation in a container, and start scripts of another init would be preferred to nothing.
_LEFT_OUT = ("usr/share/doc/*", "usr/share/man/*", "usr/share/info/*", "usr/share/locale/*", "usr/share/lintian/*", "etc/init.d/*")
# On a merged-/usr system these are links; a package must not bring folders of that name.
_MERGED = ("bin", "sbin", "lib", "lib64")
# What Debian adds to an upstream version when it repackages the sources.
_REPACKED = re.compile(r"[+.~](dfsg|ds|repack|really)[0-9.]*.*")
# What systemd's own RPM does whenever another package brings such files.
_TRIGGERS = {
    "usr/lib/sysusers.d": "systemd-sysusers || :",
    "usr/lib/tmpfiles.d": "systemd-tmpfiles --create || :",
    "usr/lib/systemd/system": "[ ! -d /run/systemd/system ] || systemctl daemon-reload || :",
}
_BUILD_SECONDS = 1200.0
#: Debian's maintainer script → section of a spec file, and the argument that dpkg would give it.
_SCRIPTS = {"preinst": ("pre", "install"), "postinst": ("post", "configure"), "prerm": ("preun", "remove")}


@dataclass(frozen=True)
class Recipe:
    """An RPM that is not one Debian package of the same name; see lab/mirror/rpms.yml."""

    name: str
    of: tuple[str, ...]
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    before: str = ""

    def takes(self, path: str) -> bool:
        """Does a file of its Debian packages belong into it?"""
        wanted = not self.only or any(fnmatch.fnmatch(path, pattern) for pattern in self.only)
        return wanted and not any(fnmatch.fnmatch(path, pattern) for pattern in (*_LEFT_OUT, *self.without))


@dataclass(frozen=True)
class Plan:
    """One RPM to be built: from which packages, and what else it needs."""

    recipe: Recipe
    sources: tuple[Control, ...]
    requires: tuple[str, ...]

    @property
    def version(self) -> tuple[str, str, str]:
        """Epoch, version and release, from the first of its Debian packages."""
        return rpm_version(self.sources[0].version)


def named(package: str, recipes: Sequence[Recipe]) -> str:
    """The RPM that holds a Debian package."""
    return next((recipe.name for recipe in recipes if package in recipe.of), package)


def script_path() -> Path:
    """What runs in the container that builds them."""
    return lab_dir() / "mirror" / "rpms.sh"


def recipes_path() -> Path:
    """The list of RPMs that are put together in a special way."""
    return lab_dir() / "mirror" / "rpms.yml"


def read_recipes(path: Path) -> tuple[Recipe, ...]:
    """The recipes in a file. Raises UsageError for one that makes no sense."""
    data: Mapping[str, Mapping[str, Any]] = YAML(typ="safe").load(path.read_text())
    found = []
    for name, values in data.items():
        try:
            lists = {key: tuple(values.get(key, ())) for key in ("of", "only", "without", "requires")}
            links = {key: target.format(arch=architecture()) for key, target in values.get("links", {}).items()}
            found.append(Recipe(name, **lists, links=links, files=dict(values.get("files", {})), before=values.get("before", "")))
        except (AttributeError, TypeError, KeyError) as error:
            raise UsageError(f"{name} describes no RPM: {error!r}", where=str(path), hint="see the words at the top of the file") from error
    return tuple(found)


def build(plans: Sequence[Plan], image: str, key: Key, target: Path, *, scripts: bool) -> None:
    """Fills the new folder `target` with signed RPMs. See `prepare`."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="rpms-") as scratch:
        work = Path(scratch)
        for folder in ("specs", "trees", "rpms"):
            (work / folder).mkdir()
        for wanted in plans:
            prepare(wanted, work, scripts=scripts)
        shutil.copy(script_path(), work)
        run_in_image(image, [f"{work}:/build", f"{key.home}:/key"], ["sh", "/build/rpms.sh", key.fingerprint], what="building RPMs",
                     timeout=_BUILD_SECONDS)
        (work / "rpms").rename(target)


def run_in_image(image: str, mounts: Sequence[str], argv: Sequence[str], *, what: str, timeout: float) -> None:
    """Runs a program of the node image on folders of this machine, as the user who asks."""
    volumes = [flag for mount in mounts for flag in ("--volume", mount)]
    user = ["--user", f"{os.getuid()}:{os.getgid()}", "--env", "HOME=/tmp"]
    run_contained([*user, *volumes, image, *argv], what=what, timeout=timeout)


def plan(packages: Sequence[Control], recipes: Sequence[Recipe], own: Iterable[str] = ()) -> list[Plan]:
    """The RPMs for these Debian packages. What they depend on counts as far as it is among them: the image has the rest.

    `own` are packages that no recipe may take: they keep their name.
    """
    by_name = {package.name: package for package in packages}
    used = [recipe for recipe in recipes if all(name in by_name for name in recipe.of)]
    taken = {name for recipe in used for name in recipe.of} - set(own)
    whole = [Recipe(name, (name,)) for name in sorted(by_name) if name not in taken]
    holders = {name: recipe.name for recipe in reversed([*used, *whole]) for name in recipe.of}
    provided = {virtual: package.name for package in packages for virtual in package.provides} | {name: name for name in by_name}
    planned = []
    for recipe in (*used, *whole):
        sources = tuple(by_name[name] for name in recipe.of)
        # What a part of a package needs, nobody has declared.
        depends = [] if recipe.only else [alternatives for source in sources for alternatives in source.depends]
        needed = [_first(alternatives, provided) for alternatives in depends]
        names = {holders[name] for name in needed if name} | set(recipe.requires)
        planned.append(Plan(recipe, sources, tuple(sorted(names - {recipe.name}))))
    return planned


def _first(alternatives: Sequence[str], provided: Mapping[str, str]) -> str:
    return next((provided[name] for name in alternatives if name in provided), "")


def rpm_version(version: str) -> tuple[str, str, str]:
    """Epoch, version and release of a Debian version: `1:20.10.24+dfsg1-1+deb12u1` → `1`, `20.10.24`, `1+deb12u1`."""
    epoch, colon, rest = version.rpartition(":")
    upstream, _, revision = rest.rpartition("-")
    plain = _REPACKED.sub("", upstream or revision).replace("-", ".")
    return (epoch if colon else ""), plain, (revision if upstream else "1")


def prepare(wanted: Plan, work: Path, *, scripts: bool) -> None:
    """Lays the files of an RPM out in work/trees/<name> and writes work/specs/<name>.spec.

    `scripts` says whether the maintainer scripts of the Debian package are to run: those of the distribution are written for
    dpkg and are left out.
    """
    tree = work / "trees" / wanted.recipe.name
    for source in wanted.sources:
        debs.extract(source.path, tree)
    _merge(tree)
    for path in [path for path in tree.rglob("*") if not _is_folder(path)]:
        if not wanted.recipe.takes(str(path.relative_to(tree))):
            path.unlink()
            _prune(path.parent, tree)
    for place, target in wanted.recipe.links.items():
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        (tree / place).symlink_to(target)
    for place, text in wanted.recipe.files.items():
        (tree / place).write_text(text)
    (work / "specs").mkdir(exist_ok=True)
    found = debs.scripts(wanted.sources[0].path) if scripts else {}
    (work / "specs" / f"{wanted.recipe.name}.spec").write_text(spec(wanted, file_list(tree), found))


def _merge(tree: Path) -> None:
    """Moves /bin, /sbin and /lib into /usr, as they are on the host."""
    for name in _MERGED:
        if (tree / name).is_dir():
            shutil.copytree(tree / name, tree / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(tree / name)


def _prune(folder: Path, tree: Path) -> None:
    """Removes folders that became empty."""
    while folder != tree and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def file_list(tree: Path) -> list[str]:
    """The lines of %files: every file, and those folders that are empty or closed to others; rpm makes the rest by itself."""
    lines = []
    for path in sorted(tree.rglob("*")):
        quoted = '"/' + re.sub(r"([*?\[\]{}])", r"\\\1", str(path.relative_to(tree))).replace("%", "%%") + '"'
        if not _is_folder(path):
            config = path.is_file() and not path.is_symlink() and path.relative_to(tree).parts[0] == "etc"
            lines.append(f"%config(noreplace) {quoted}" if config else quoted)
        elif not any(path.iterdir()) or stat.S_IMODE(path.stat().st_mode) != 0o755:
            lines.append(f"%dir {quoted}")
    return lines


def spec(wanted: Plan, files: Sequence[str], scripts: Mapping[str, str]) -> str:
    """The spec file. Its build moves the tree that lies beside it; nothing in it is changed, and no dependency is guessed."""
    epoch, version, release = wanted.version
    source = wanted.sources[0]
    lines = [f"Name: {wanted.recipe.name}", f"Version: {version}", f"Release: {release}"]
    lines += [f"Epoch: {epoch}"] if epoch else []
    lines += [f"Summary: {source.summary.replace('%', '%%')}", "License: see Debian's package", "AutoReqProv: no"]
    lines += [f"Requires: {name}" for name in wanted.requires]
    lines += ["", "%description", f"Made of {', '.join(f'{s.name} {s.version}' for s in wanted.sources)} for a lab of provisioner.", ""]
    tree = f"/build/trees/{wanted.recipe.name}"
    lines += ["%install", f"find {tree} -mindepth 1 -maxdepth 1 -exec mv -t %{{buildroot}} {{}} +", ""]
    lines += _scriptlets(wanted.recipe, files, scripts)
    return "\n".join([*lines, "%files", "%defattr(-,root,root,-)", *files, ""])


def _scriptlets(recipe: Recipe, files: Sequence[str], scripts: Mapping[str, str]) -> list[str]:
    """What runs before and after the files come: the recipe's, what systemd's RPM would do, and the package's own scripts."""
    bodies = {section: [f"set -- {argument}", scripts[name]] for name, (section, argument) in _SCRIPTS.items() if name in scripts}
    if "preun" in bodies:
        bodies["preun"].insert(0, '[ "$1" = 0 ] || exit 0')  # rpm: 1 = an upgrade
    if recipe.before:
        bodies.setdefault("pre", []).insert(0, recipe.before)
    for folder, action in _TRIGGERS.items():
        if any(f'"/{folder}/' in line for line in files):
            bodies.setdefault("post", []).append(action)
    return [line for section, body in bodies.items() for line in (f"%{section}", *(text.replace("%", "%%") for text in body), "")]
