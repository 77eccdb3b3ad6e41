"""Releases of Consul newer than the lab's, built from their Go modules: the way that its vendor allows, two minor releases at a time.

The last one is the newest whose source is free and that needs nothing that is not (docs/decisions/0017-consul.md).
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from provisioner_lab.cache import cache_dir, tree_digest
from tests.lab.support.locked_packages import installed

HERE = Path(__file__).parent
#: In the order in which a cluster goes through them. Each has a folder with its module's lock.
RELEASES = ("1.10.12", "1.12.9", "1.14.11")


def built(release: str) -> Path:
    """The program, built once on a machine; how long that takes is in docs/decisions/0017-consul.md."""
    source = HERE / f"v{release}"
    kept = cache_dir() / f"next-consul-{tree_digest(source)}"
    if not kept.exists():
        go = installed(HERE / "requirements.lock") / "go/bin/go"
        # Go 1.23 and newer refuse what the golang.org/x/net of old releases asks of the linker.
        flags = f"-s -w -checklinkname=0 -X github.com/hashicorp/consul/version.GitDescribe=v{release}"
        with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="making-") as scratch:
            program = Path(scratch) / "consul"
            subprocess.run([str(go), "build", "-trimpath", "-ldflags", flags, "-o", str(program), "github.com/hashicorp/consul"],
                           cwd=source, check=True, env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"})
            program.rename(kept)
    return kept
