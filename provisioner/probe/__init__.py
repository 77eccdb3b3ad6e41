"""The probe: one small program that answers everything the driver asks a host. It only looks, except for the notes about
what was applied (`witness.py`), which it writes when told to.

This file is the driver's half: it packs the request and the program and reads the answer. The rest of the package is
the host's half. It is sent as a zip through one SSH exec and imported there as `probe` (relative imports only), so it
is limited to the standard library and to the syntax and library of Python 3.6:
no walrus, no `from __future__ import annotations` (quote annotations such as "dict[str, Any]" instead), no
`capture_output` nor `text=` (3.7), no `missing_ok` (3.8).

Wire format: stdin is 8 decimal digits (the length of the JSON request in bytes), the JSON request, the zip.
stdout is one JSON object of at most MAX_ANSWER bytes and nothing else.
"""

import functools
import io
import json
import shlex
import zipfile
from collections.abc import Mapping
from pathlib import Path

VERSION = 1
MAX_ANSWER = 256 * 1024
"""Bytes of an answer that the driver reads; a host that sends more is broken or hostile."""
SECTIONS = ("facts", "preflight", "health", "unsettled", "begin", "stale", "record")
"""What can be asked for. `begin` and `record` keep the notes on the host; the others only look."""

# A memfd leaves nothing on the host's disk, so a full disk cannot stop the probe. Kernels or Pythons without it
# (before 3.8) get a private temporary file. The real stdout is kept for the answer: whatever else is printed by
# accident, by a child process for example, goes to stderr.
_BOOTSTRAP = """
import os, sys, tempfile
given = sys.stdin.buffer
size = given.read(8)
if not size.isdigit():
    sys.exit("probe: stdin does not start with the length of a request")
request = given.read(int(size))
path = None
try:
    fd = os.memfd_create("probe")
    name = "/proc/self/fd/%d" % fd
    os.stat(name)
except (AttributeError, OSError):
    fd, path = tempfile.mkstemp(suffix=".zip")
    name = path
try:
    with os.fdopen(fd, "wb", closefd=path is not None) as f:
        f.write(given.read())
    sys.dont_write_bytecode = True
    sys.path.insert(0, name)
    answer = os.dup(1)
    os.dup2(2, 1)
    from probe import main
    main.main(request, answer)
finally:
    if path:
        os.unlink(path)
"""


def payload(request: Mapping[str, object], *, python: str = "python3") -> tuple[str, bytes]:
    """Give the shell command and the stdin that make a host answer `request`.

    `python` is the interpreter on the host. The command must run as root to see everything.
    """
    body = json.dumps(request, sort_keys=True, separators=(",", ":")).encode()
    # -I: root must not import from the current directory or the environment; -S: site-packages only cost time here.
    return f"{shlex.quote(python)} -IS -c {shlex.quote(_BOOTSTRAP)}", b"%08d" % len(body) + body + _archive()


def read_answer(stdout: bytes) -> dict[str, object]:
    """Read what the probe printed. ValueError says in one sentence what is wrong with it (hosts are not trusted)."""
    if len(stdout) > MAX_ANSWER:
        raise ValueError(f"the probe's answer is larger than {MAX_ANSWER} bytes")
    try:
        answer = json.loads(stdout)
    except (ValueError, RecursionError):
        raise ValueError(f"the probe's answer is not JSON: {stdout[:80]!r}") from None
    if not isinstance(answer, dict) or answer.get("version") != VERSION:
        raise ValueError(f"the probe's answer is not an object of version {VERSION}")
    for section in (*SECTIONS, "errors"):
        if not isinstance(answer.get(section, {}), dict):
            raise ValueError(f"the probe's answer has a section '{section}' that is not an object")
    return answer


@functools.cache
def _archive() -> bytes:
    """Zip the host's half. The same sources give the same bytes: fixed order, dates and modes."""
    here = Path(__file__).parent
    sources = {f"probe/{path.relative_to(here).as_posix()}": path.read_bytes() for path in here.rglob("*.py")}
    sources["probe/__init__.py"] = b""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(sources):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o600 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, sources[name])
    return buffer.getvalue()
