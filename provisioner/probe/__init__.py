"""The probe: one small program that answers everything the driver asks a host. It only looks, except for the notes about
what was applied (`notes.py`), which it writes when told to.

This file is the driver's half: it packs the request and the program and reads the answer. The rest of the package is
the host's half. It is sent through one SSH exec and imported there as `probe` (relative imports only), so it
is limited to the standard library and to the syntax and library of Python 3.6:
no walrus, no `from __future__ import annotations` (quote annotations such as "dict[str, Any]" instead), no
`capture_output` nor `text=` (3.7), no `missing_ok` (3.8).

Wire format: stdin is bz2 (a tenth less than zlib, to keep an exchange small) of the JSON array [sources, request]: the
modules that the request needs of the host's half, by name and without the words for people, and the request. stdout is one
JSON object of at most MAX_ANSWER bytes and nothing else.
"""

import bz2
import functools
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from provisioner.probe.main import MAX_ANSWER, MODULES, VERSION

PACKAGES = ("probe", "probe.health")
SECTIONS = tuple(MODULES)
"""What can be asked for. `begin` and `record` keep the notes on the host; the others only look."""

# The modules are imported from memory, so a full disk cannot stop the probe and nothing of it is left on the host. The real
# stdout is kept for the answer: whatever else is printed by accident, by a child process for example, goes to stderr.
_BOOTSTRAP = """
import bz2, json, os, sys
from importlib.machinery import ModuleSpec
try:
    sources, request = json.loads(bz2.decompress(sys.stdin.buffer.read()).decode())
except (ValueError, OSError, EOFError) as error:
    sys.exit("probe: stdin is not what was sent: %s" % error)
class Sent:
    def find_spec(self, name, path=None, target=None):
        if name in sources:
            return ModuleSpec(name, self, is_package=name in ("probe", "probe.health"))
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        exec(compile(sources[module.__name__], module.__name__, "exec"), module.__dict__)
sys.meta_path.insert(0, Sent())
answer = os.dup(1)
os.dup2(2, 1)
from probe import main
main.main(request, answer)
""".replace("    ", " ")

#: What only people read, and what only mypy reads. Every source is still the same program without
#: it (tests/unit/test_probe_payload.py).
_FOR_PEOPLE = re.compile(r'^ *(?:"""(?:[^"]|"(?!""))*"""|#.*|from typing import Any)?\n', re.MULTILINE)
_HEAD = re.compile(r"^ *def .*(?:,\n.*)*:\n", re.MULTILINE)
_TYPE = re.compile(r'(?:: | -> )(?:"[^"]*"|[\w.]+)(?= =|[,):])')
_DECLARED = re.compile(r"^( +\w+): [\w.]+(?:\[.*?\])? = ", re.MULTILINE)
_IMPORT = re.compile(r"^from (\.\w*(?:\.\w+)*) import ([\w, ]+)", re.MULTILINE)


def payload(request: Mapping[str, Any], *, python: str = "python3") -> tuple[str, bytes]:
    """Give the shell command and the stdin that make a host answer `request`.

    `python` is the interpreter on the host. The command must run as root to see everything.
    """
    sections = [section for section in request.get("sections", []) if section in MODULES]
    components = request.get("health", {}) if "health" in sections else {}
    asked = {f"probe.{MODULES[section]}" for section in sections} | {f"probe.health.{name}" for name in components}
    rest = bz2.compress(json.dumps(request, sort_keys=True, separators=(",", ":")).encode() + b"]", compresslevel=1)
    # -I: root must not import from the current directory or the environment; -S: site-packages only cost time here.
    return f"{shlex.quote(python)} -IS -c {shlex.quote(_BOOTSTRAP)}", _program(frozenset(asked & set(_sources()))) + rest


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
def _program(modules: frozenset[str]) -> bytes:
    """The beginning of a payload, with these modules and all that they import: a stream of its own, made once for many hosts."""
    sources, wanted = _sources(), ["probe.main", *modules]
    for name in wanted:
        package = name if name in PACKAGES else name.rpartition(".")[0]
        wanted += {package, *_imported(sources[name], package)} - set(wanted)
    text = json.dumps({name: sources[name] for name in sorted(wanted)}, separators=(",", ":"))
    return bz2.compress(f"[{text},".encode())


def _imported(source: str, package: str) -> Iterator[str]:
    """The modules of the program that one in that package imports when it is imported itself."""
    for module, names in _IMPORT.findall(source):
        yield from ([package + module] if module != "." else (f"{package}.{name}" for name in names.split(", ")))


@functools.cache
def _sources() -> dict[str, str]:
    """Every module of the host's half, by name and without the words for people."""
    here = Path(__file__).parent
    paths = {".".join(["probe", *path.relative_to(here).with_suffix("").parts]): path for path in here.rglob("*.py")}
    found = {name.removesuffix(".__init__"): _bare(path.read_text()) for name, path in paths.items()}
    return {**found, "probe": ""}


def _bare(source: str) -> str:
    return _DECLARED.sub(r"\1 = ", _HEAD.sub(lambda head: _TYPE.sub("", head[0]), _FOR_PEOPLE.sub("", source)))
