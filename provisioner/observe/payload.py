"""What is sent to a host's probe, and what comes back: packs the program with the request, and reads the answer.

Wire format: stdin is bz2 (a tenth less than zlib, to keep an exchange small) of the JSON array [sources, request]: the
modules that the request needs of the host's half, by name and without the words for people, and the request. stdout is one
JSON object of at most MAX_ANSWER bytes and nothing else.
"""

from __future__ import annotations

import bz2
import functools
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from provisioner.probe.main import MAX_ANSWER, MODULES, VERSION

#: What only an audit asks for; each is answered by a module of its name, which then is sent.
AUDIT = ("knock", "look", "certificates")
SECTIONS = ("facts", "preflight", "health", "packages", *MODULES, *AUDIT)
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
            return ModuleSpec(name, self, is_package=any(other.startswith(name + ".") for other in sources))
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
_IMPORT = re.compile(r"^from (\.[\w.]*|probe[\w.]*) import ([\w, ]+)", re.MULTILINE)


def payload(request: Mapping[str, Any], *, python: str = "python3") -> tuple[str, bytes]:
    """Give the shell command and the stdin that make a host answer `request`.

    `python` is the interpreter on the host, in words as `/usr/bin/env python3`. The command must run as root to see everything.
    """
    sections = [section for section in request.get("sections", []) if section in SECTIONS]
    components = request.get("health", {}) if "health" in sections else {}
    asked = {f"probe.{MODULES.get(section, section)}" for section in sections} | {f"components.{name}.health" for name in components}
    rest = bz2.compress(json.dumps(request, sort_keys=True, separators=(",", ":")).encode() + b"]", compresslevel=1)
    # -I: root must not import from the current directory or the environment; -S: site-packages only cost time here.
    return f"{shlex.join(python.split())} -IS -c {shlex.quote(_BOOTSTRAP)}", program(frozenset(asked & set(program_sources()))) + rest


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
def program(modules: frozenset[str]) -> bytes:
    """The beginning of a payload, with these modules and all that they import: a stream of its own, made once for many hosts."""
    sources, wanted = program_sources(), ["probe.main", *modules]
    for name in wanted:
        package, _, _ = name.rpartition(".")
        wanted += {each for each in (package, *_imported(name, sources)) if each} - set(wanted)
    text = json.dumps({name: sources[name] for name in sorted(wanted)}, separators=(",", ":"))
    return bz2.compress(f"[{text},".encode())


def _imported(name: str, sources: Mapping[str, str]) -> Iterator[str]:
    """The modules of the program that this one imports when it is imported itself."""
    package = name if any(other.startswith(f"{name}.") for other in sources) else name.rpartition(".")[0]
    for module, names in _IMPORT.findall(sources[name]):
        base = module if not module.startswith(".") else f"{package}{module}".rstrip(".")
        yield base
        yield from {f"{base}.{each}" for each in names.split(", ")} & sources.keys()


@functools.cache
def program_sources() -> dict[str, str]:
    """Every module of the host's half, by name and without the words for people; packages are empty but for `probe.health`."""
    ours = Path(__file__).parents[1]
    paths = {".".join(path.relative_to(ours).with_suffix("").parts): path for path in (ours / "probe").rglob("*.py")}
    paths |= {f"components.{path.parent.name}.health": path for path in (ours / "components").glob("*/health.py")}
    found = {name.removesuffix(".__init__"): bare(path.read_text()) for name, path in paths.items()}
    return {**found, **{name.rpartition(".")[0]: "" for name in found if name.startswith("components.")}, "components": "", "probe": ""}


def bare(source: str) -> str:
    """The same program without what only people and mypy read, named as it is on a host."""
    source = source.replace("from provisioner.probe", "from probe")
    return _DECLARED.sub(r"\1 = ", _HEAD.sub(lambda head: _TYPE.sub("", head[0]), _FOR_PEOPLE.sub("", source)))
