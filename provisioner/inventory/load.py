"""`inventory.yml` in, a checked Cluster out; or one InventoryError that lists everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from provisioner.cluster.model import SHORTHANDS, Cluster, Host, name_order
from provisioner.inventory import checks
from provisioner.inventory.formats import HOSTS_MAX
from provisioner.inventory.groups import ALL, DEFAULT_GROUP, HOST_WIDE, Reader, Setting, Written
from provisioner.inventory.ports import OWN_LINE, Lines
from provisioner.inventory.schema import Schema, load_schema
from provisioner.state.problems import Problems
from provisioner.state.yaml_document import parse, read_text


def load(path: Path, schema: Schema | None = None, *, text: str | None = None) -> Cluster:
    """The cluster that an inventory describes. `schema` is that of the roles unless given, `text` what is to be in the file instead of
    what is. Raises InventoryError."""
    source = str(path)
    schema = schema or load_schema()
    problems = Problems(source)
    root = parse(read_text(path, source) if text is None else text, source)
    if root is None:
        raise problems.fail(0, "the inventory is empty", "'provision init' writes one to start from")
    written = Reader(schema, problems).read(root)
    cluster, lines = _Resolution(written, schema, problems).cluster(path)
    # What a wrong or missing line leads to would only hide that line.
    problems.raise_if_any()
    warnings = checks.check(cluster, schema, lines, problems)
    problems.raise_if_any()
    return Cluster(cluster.name, cluster.path, cluster.hosts, cluster.variables, warnings)


class _Resolution:
    """Who is in which group, and which of several values holds, as Ansible decides it."""

    def __init__(self, written: Written, schema: Schema, problems: Problems) -> None:
        self._written = written
        self._schema = schema
        self._problems = problems
        self._parents = {name: {p for p, g in written.groups.items() if name in g.children} for name in written.groups}
        self._refuse_cycles()

    def cluster(self, path: Path) -> tuple[Cluster, Lines]:
        """The cluster, and the line of each host's variables."""
        if not self._written.hosts:
            self._problems.raise_if_any()
            raise self._problems.fail(0, "no hosts", "name them below 'masters: hosts:' and 'agents: hosts:'")
        if len(self._written.hosts) > HOSTS_MAX:
            raise self._problems.fail(0, f"more than {HOSTS_MAX} hosts")
        settings = {name: self._settings(name) for name in sorted(self._written.hosts, key=name_order)}
        hosts = tuple(self._host(name, {k: s.value for k, s in own.items()}) for name, own in settings.items())
        lines = {name: {OWN_LINE: self._written.lines[name], **{k: s.line for k, s in own.items()}} for name, own in settings.items()}
        variables = {v.name: v.default for v in self._schema.variables.values() if v.scope == "cluster"}
        variables |= {k: s.value for k, s in self._written.groups[ALL].variables.items()}
        return Cluster(str(variables["cluster_name"]), path.absolute(), hosts, variables), lines

    def _host(self, name: str, variables: Mapping[str, object]) -> Host:
        port = variables.get("ansible_port", 22)
        return Host(
            name,
            address=str(variables.get("ansible_host", name)),
            port=port if isinstance(port, int) else 22,
            user=str(variables.get("ansible_user", "")),
            groups=frozenset(g for g, members in self._resolved.items() if name in members),
            variables=variables,
            where=self._problems.at(self._written.lines[name]),
        )

    def _settings(self, host: str) -> dict[str, Setting]:
        """Ansible's precedence: all, then groups by depth and name, then the host; the later wins."""
        merged = dict(self._written.groups[ALL].variables)
        groups = (g for g, members in self._members.items() if host in members and g != ALL)
        for group in sorted(groups, key=self._rank):
            merged |= self._written.groups[group].variables
        return merged | self._written.hosts[host]

    def _rank(self, group: str) -> tuple[int, str]:
        return self._depths[group], group

    @cached_property
    def _depths(self) -> dict[str, int]:
        """Steps from `all` on the longest way; a group without parents is a child of `all`."""
        depths = dict.fromkeys(self._written.groups, 1)
        for _ in depths:
            depths = {g: max((depths[p] + 1 for p in self._parents[g] if p != ALL), default=1) for g in depths}
        return depths

    @cached_property
    def _members(self) -> dict[str, set[str]]:
        """The hosts of each written group, those of its children included."""
        members = {name: set(group.hosts) for name, group in self._written.groups.items()}
        for _ in members:
            for name, group in self._written.groups.items():
                members[name].update(*(members[c] for c in group.children))
        return members

    @cached_property
    def _resolved(self) -> dict[str, set[str]]:
        """The hosts of each component: of its own group where that is written, else of the shorthand."""
        everybody = set(self._written.hosts)
        shorthands = {s: self._members.get(s, set()) for s in SHORTHANDS}
        own = {g: self._members.get(g, shorthands[default]) for g, default in DEFAULT_GROUP.items()}
        return {ALL: everybody, **dict.fromkeys(HOST_WIDE, everybody), **shorthands, **own}

    def _refuse_cycles(self) -> None:
        """A group that contains itself has no members anybody could name."""
        left = {name: set(group.children) for name, group in self._written.groups.items()}
        while free := [name for name, children in left.items() if not children & left.keys()]:
            for name in free:
                del left[name]
        if left:
            name = min(left)
            line = self._written.groups[name].line
            raise self._problems.fail(line, f"group {name} contains itself", "remove it from 'children'")
