"""This tool as wheels: its own, and those of all that it needs, exactly in the versions that run here."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provisioner.errors import UsageError
from provisioner.mirror.programs import Say, run, working
from provisioner.paths import project_dir

_SECONDS = 540.0


def needed() -> dict[str, str]:
    """Name → version of each distribution that the driver needs, as installed here, itself not included."""
    found: dict[str, str] = {}
    left = ["provisioner"]
    while left:
        for text in metadata.requires(left.pop()) or []:
            want = Requirement(text)
            name = canonicalize_name(want.name)
            if name not in found and (want.marker is None or want.marker.evaluate({"extra": ""})):
                found[name] = metadata.version(name)
                left.append(name)
    return dict(sorted(found.items()))


def pinned(lock: str) -> str:
    """What of a list of requirements with hashes the driver needs. Raises UsageError where it does not name the installed version."""
    found = re.finditer(r"^([A-Za-z0-9._-]+)==(\S+) \\\n(?:    --hash=.*\n)+", lock, re.MULTILINE)
    blocks = {str(canonicalize_name(block[1])): block for block in found}
    want = needed()
    if wrong := [name for name, version in want.items() if name not in blocks or blocks[name][2] != version]:
        raise UsageError(f"requirements.lock does not name what is installed: {', '.join(wrong)}", where=str(project_dir()),
                         hint="install it as locked (make .venv/ready), or give the wheels: --wheels DIR")
    return "".join(blocks[name][0] for name in want)


def make(folder: Path, say: Say) -> list[Path]:
    """Makes the wheels, with pip as this machine has it configured. Raises UsageError where this is no checkout, ProvisionError."""
    source = project_dir()
    if not (source / "requirements.lock").is_file():
        raise UsageError("the wheels of provision can be made in its checkout only", where=str(source),
                         hint="save the bundle there, or give the wheels (a loaded bundle's are in DIR/tool): --wheels DIR")
    listed = folder / "requirements.txt"
    listed.write_text(pinned((source / "requirements.lock").read_text()))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--wheel-dir", str(folder)]
    with working(say, "wheels of provision and what it needs"):
        run([*pip, "--require-hashes", "-r", str(listed)], what="downloading the Python packages", timeout=_SECONDS)
        run([*pip, "--no-build-isolation", str(source)], what="building the wheel of provision", timeout=_SECONDS)
    return given(folder)


def given(folder: Path) -> list[Path]:
    """The wheels in a folder. Raises UsageError where this tool's is missing."""
    found = sorted(folder.glob("*.whl"))
    if not any(each.name.startswith("provisioner-") for each in found):
        raise UsageError("there is no wheel of provisioner", where=str(folder),
                         hint="pip wheel --wheel-dir DIR CHECKOUT makes it with all it needs")
    return found
