"""What `provision bundle` does."""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.cluster import lock
from provisioner.errors import UsageError
from provisioner.mirror import bundle, bundle_load, bundle_start, bundle_tool
from provisioner.mirror.files import readable
from provisioner.state.files import refuse_unwritable
from provisioner.verbs.shared.confirm import confirm

if TYPE_CHECKING:
    from provisioner.console import Console
    from provisioner.verbs.bundle import Load, Save, Show


def save(console: Console, options: Save) -> int:
    """Write a bundle."""
    file = Path(options.file)
    refuse_unwritable(file)
    mirror = Path(options.mirror) if options.mirror else None
    if mirror and file.resolve().is_relative_to(mirror.resolve()):
        raise UsageError("the bundle would lie in the mirror that it carries", where=str(file), hint="name a file elsewhere")
    locked = lock.beside(Path(options.hosts)) if options.hosts else mirror / "www" / lock.NAME if mirror else None
    if locked and not locked.is_file():
        if options.hosts:
            raise UsageError("there is no lock beside the inventory", where=str(locked), hint="make it: provision lock")
        console.warn(f"the mirror has no {lock.NAME}: none is carried")
        locked = None
    with tempfile.TemporaryDirectory(dir=file.resolve().parent, prefix=".wheels-") as folder:
        wheels = bundle_tool.given(Path(options.wheels)) if options.wheels else bundle_tool.make(Path(folder), console.say)
        signer = bundle.save(file, mirror, locked, wheels, mirror or file.resolve().parent, console.say, with_key=options.with_key)
    name = shlex.quote(file.name)
    console.say(f"saved: {file}, {readable(file.stat().st_size)}\nsigned by {signer}\n"
                f"on the other side:\n  tar xf {name} {bundle_start.START} && python3 {bundle_start.START} {name} VENV\n"
                f"  VENV/bin/provision bundle load {name} DIR --fingerprint {signer}")
    return 0


def load(console: Console, options: Load) -> int:
    """Verify a bundle and put it in place."""
    file, folder = Path(options.file), Path(options.dir)
    begin = bundle_load.opened(file)
    if not bundle_load.trusted(begin, folder, options.fingerprint):
        if not options.yes and not sys.stdin.isatty():
            raise UsageError(f"the signer {begin.fingerprint} is not known yet", where=str(file),
                             hint=f"compare it with what `bundle save` printed, then: --fingerprint {begin.fingerprint}")
        confirm(f"The bundle is signed by {begin.fingerprint}. Is that what `bundle save` printed?", yes=options.yes)
    bundle_load.load(file, folder, begin, console.say, tool=not options.mirror_only, mirror=not options.tool_only)
    console.say(f"loaded: {folder}, signed by {begin.fingerprint}")
    return 0


def show(console: Console, options: Show) -> int:
    """Say what a bundle holds. Its files are not hashed: `load` does."""
    begin = bundle_load.opened(Path(options.file))
    about = {name: value for name, value in begin.manifest.items() if name != "members"}
    parts: dict[str, list[int]] = {}
    for name, (size, _) in begin.manifest["members"].items():
        parts.setdefault(name.partition("/")[0], []).append(size)
    misfit = bundle_start.misfit(begin.manifest)
    if options.json:
        console.json({**about, "signer": begin.fingerprint, "size": begin.size, "misfit": misfit,
                      "parts": {n: sum(s) for n, s in parts.items()}})
        return 0
    console.table("", ("PART", "FILES", "SIZE"), [(n, str(len(s)), readable(sum(s))) for n, s in parts.items()])
    console.write(f"provision {about.get('provision')}, hosts: {', '.join(about.get('hosts') or ['not said'])}\n"
                  f"signed by {begin.fingerprint}\n"
                  f"{misfit or 'its tool fits this machine'}\n")
    return 0
