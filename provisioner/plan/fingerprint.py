"""What decides whether a role must run on a host: a digest of everything that goes into it, and what proves it on the host.

A role may be skipped on a host only when the host has a note with exactly this digest and everything the note names
still looks as it did (`probe/applied.py`). The digest covers the role's files, the plugins that they name and the playbook, the tool's
and Ansible's version, the cluster's identity, the facts and the variables that the role reads (what its check asks the probe left out:
that is asked anew each time), and the secrets that those name (by marks that tell nothing of them, so that no digest of a secret itself
exists anywhere).
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from provisioner import __version__
from provisioner.cluster.model import Cluster
from provisioner.components import COMPONENTS
from provisioner.components.model import Component
from provisioner.inventory.witness import witness
from provisioner.paths import collection_dir, playbooks_dir, roles_dir
from provisioner.state.secrets import marks

#: From so many characters on, a value counts by its own digest: a list of a thousand hosts is hashed once, not for each of them.
LONG = 4096
_JSON = json.JSONEncoder(sort_keys=True, default=str)
#: What a host is asked about one component: its witnesses and the digest.
Question = Mapping[str, Any]
#: How a role reads a fact (a convention that a test keeps). Only what it reads counts: others differ from run to run.
_FACT = re.compile(r"ansible_facts\['(\w+)'\]")
#: How variables refer to a secret.
_SECRET = re.compile(r"\bvault_\w+")
#: How a role names a plugin of the collection, how a file names its filters, and how one plugin imports what it shares with others.
_PLUGIN = re.compile(r"\bprovisioner\.core\.(\w+)")
_FILTER = re.compile(r'"(\w+)": \w')
_SHARED = re.compile(r"^from ansible_collections\.provisioner\.core\.plugins\.([\w.]+) import ", re.MULTILINE)


def questions(cluster: Cluster, rendered: Mapping[str, Any], defaults: Mapping[str, Any], facts: Mapping[str, Mapping[str, Any]],
              cluster_id: str, only: Collection[str] = ()) -> dict[str, dict[str, Question]]:
    """For each host whose facts (as Ansible gets them) are known, what to ask it about each component it runs.

    With `only` about these components alone, of the hosts that run one of them.
    """
    secrets, shared = marks(cluster), Shared({**defaults, **rendered["all"]["vars"]})
    asked: dict[str, dict[str, Question]] = {}
    for host in cluster.hosts:
        if host.name in facts:
            own = rendered["all"]["hosts"][host.name]
            variables = {**shared.variables, **own}
            about: dict[str, Question] = {
                c.name: {"witness": witness(c, variables), "digest": digest(c, own, facts[host.name], cluster_id, secrets, shared)}
                for c in COMPONENTS if c.name in host.groups and (not only or c.name in only)
            }
            if about:
                asked[host.name] = about
    return asked


class _Text(NamedTuple):
    """A value as it is digested, and the secrets that it names."""

    text: str
    secrets: frozenset[str]


class Shared:
    """The variables that hosts have alike, each made into text once: some name every host, and every host has them."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self.variables = variables
        self._texts: dict[str, _Text] = {}
        self._names: dict[str, tuple[str, ...]] = {}

    def text(self, name: str) -> _Text:
        """Of the value of that name."""
        if name not in self._texts:
            self._texts[name] = _text_of(self.variables[name])
        return self._texts[name]

    def names(self, prefix: str) -> tuple[str, ...]:
        """Those that a role reads."""
        if prefix not in self._names:
            self._names[prefix] = tuple(name for name in self.variables if _read_by(prefix, name))
        return self._names[prefix]


def _text_of(value: Any) -> _Text:
    text = _JSON.encode(value)
    # What is no JSON can't be another value's text.
    short = text if len(text) < LONG else f"sha256 {hashlib.sha256(text.encode()).hexdigest()}"
    return _Text(short, frozenset(_SECRET.findall(text)))


def _read_by(prefix: str, name: str) -> bool:
    return name.startswith(prefix) and not name.endswith("_probe")


def that_count(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Those facts of a host that are in the digest of some component."""
    names = {name for component in COMPONENTS for name in _facts_digested(component)}
    return {name: facts.get(f"ansible_{name}") for name in names}


def digest(component: Component, variables: Mapping[str, Any], facts: Mapping[str, Any], cluster_id: str,
           secrets: Mapping[str, str], shared: Shared | None = None) -> str:
    """The first half of a hexadecimal sha256 (against accidents that is plenty, and it travels to every host for every component)
    over everything that decides what the role does on one host.

    `variables` are the host's own, of the rendered inventory, stronger than those that it has as `shared`; `facts` as Ansible gets them;
    `secrets` are the marks of the secrets.
    """
    prefix, shared = f"{component.role}_", shared or Shared({})
    own = {name: _text_of(value) for name, value in variables.items() if _read_by(prefix, name)}
    values = {**{name: shared.text(name) for name in shared.names(prefix) if name not in own}, **own}
    text = "{" + ", ".join(f'"{name}": {values[name].text}' for name in sorted(values)) + "}"
    named = frozenset[str]().union(*(value.secrets for value in values.values()))
    parts = {
        "tool": _tool(),
        "role": _tree(roles_dir() / component.role),
        "plugins": _plugins(component.role, collection_dir()),
        "playbook": _tree(playbooks_dir()),
        "cluster": cluster_id,
        "secrets": {name: mark for name, mark in secrets.items() if not name or name in named},
        "component": component.name,
        "facts": {name: facts.get(f"ansible_{name}") for name in _facts_digested(component)},
    }
    return hashlib.sha256(f"{json.dumps(parts, sort_keys=True, default=str)}\n{text}".encode()).hexdigest()[:32]


@functools.cache
def _tool() -> tuple[str, ...]:
    return (__version__, version("ansible-core"))


@functools.cache
def _facts_digested(component: Component) -> tuple[str, ...]:
    """Which machine it is, and the facts that the role's files name."""
    return ("machine_id", *sorted(_named(_FACT, component.role)))


def _named(what: re.Pattern[str], role: str) -> set[str]:
    return set(what.findall(_text(roles_dir() / role)))


@functools.cache
def _text(role: Path) -> str:
    """What Ansible reads of a role."""
    return "".join(path.read_text() for path in role.rglob("*") if path.suffix in (".yml", ".j2"))


@functools.cache
def _plugins(role: str, collection: Path) -> Mapping[str, str]:
    """A digest of each of them."""
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sorted(plugins_of(role, collection).items())}


def plugins_of(role: str, collection: Path) -> Mapping[str, Path]:
    """The plugins of the collection that a role's files name, and what those import, by their paths in its folder of plugins."""
    folder = collection / "plugins"
    offered = _offered(folder)
    files = list(dict.fromkeys(path for name in sorted(_named(_PLUGIN, role)) for path in offered.get(name, ())))
    for path in files:
        shared = [folder.joinpath(*name.split(".")).with_suffix(".py") for name in _SHARED.findall(path.read_text())]
        files += [one for one in shared if one not in files]
    return {str(path.relative_to(folder)): path for path in files}


@functools.cache
def _offered(folder: Path) -> Mapping[str, Sequence[Path]]:
    """The plugins that roles can name. A file of filters holds several; an action and the module of its name do their work together."""
    offered: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("filter/*.py")):
        for name in _FILTER.findall(path.read_text()):
            offered.setdefault(name, []).append(path)
    for path in sorted([*folder.glob("action/*.py"), *folder.glob("modules/*.py")]):
        offered.setdefault(path.stem, []).append(path)
    return offered


@functools.cache
def _tree(folder: Path) -> str:
    """One digest over names and contents of a folder's files, documentation and compiled files left out."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".md", ".pyc")):
        whole.update(f"{path.relative_to(folder)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()
