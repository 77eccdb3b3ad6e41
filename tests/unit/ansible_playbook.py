"""`ansible-playbook` for offline tests, loaded once for all of a process as a run of the driver loads it: each start takes a second."""

from __future__ import annotations

import atexit
import functools
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

from provisioner.paths import project_dir
from provisioner.run.ansible import SERVER

_NUMBERS = itertools.count(1)


def ansible_playbook(*arguments: str | Path, log: Path) -> str:
    """What it prints in the root of the project, with nothing but ansible.cfg for its settings. It has to succeed."""
    asked = {"id": next(_NUMBERS), "arguments": [str(word) for word in arguments], "environment": _environment(), "log": str(log)}
    log.unlink(missing_ok=True)
    server = _server()
    assert server.stdin and server.stdout
    server.stdin.write(json.dumps(asked).encode() + b"\n")
    server.stdin.flush()
    number, code = map(int, server.stdout.readline().split())
    said = log.read_text()
    assert (number, code) == (asked["id"], 0), said
    return said


@functools.cache
def _server() -> subprocess.Popen[bytes]:
    # -P: beside it lies a file which is not the Ansible that it looks for.
    server = subprocess.Popen([sys.executable, "-P", str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=project_dir(),
                              env=_environment())
    atexit.register(server.communicate)
    return server


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHON"))}
