"""The structure of an Ansible YAML inventory: groups with hosts, variables and children, as written."""

from __future__ import annotations

from dataclasses import dataclass, field

from provisioner.cluster.model import SHORTHANDS
from provisioner.components import COMPONENTS, SERVER_GROUPS
from provisioner.inventory import formats
from provisioner.inventory.schema import Schema
from provisioner.state.problems import Problems, show
from provisioner.state.yaml_document import Node

ALL = "all"
#: Components that run on every host whatever is written; they have no group of their own in an inventory.
HOST_WIDE = frozenset(c.name for c in COMPONENTS if c.shorthand == "all")
#: What a user may write besides `all` and `ungrouped`, and the shorthand that stands in for it.
DEFAULT_GROUP = {
    **{c.name: c.shorthand for c in COMPONENTS if c.shorthand != "all"},
    **SERVER_GROUPS,
}
WRITABLE = (*SHORTHANDS, *DEFAULT_GROUP)
_SECTIONS = ("hosts", "vars", "children")
_PLACES_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Setting:
    """A checked value and the line it was written on."""

    value: object
    line: int


@dataclass
class Group:
    """What all places that speak of one group say together."""

    line: int
    hosts: set[str] = field(default_factory=set)
    children: set[str] = field(default_factory=set)
    variables: dict[str, Setting] = field(default_factory=dict)


@dataclass
class Written:
    """Everything an inventory says, before any of it is resolved."""

    groups: dict[str, Group] = field(default_factory=dict)
    hosts: dict[str, dict[str, Setting]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


class Reader:
    """Walks the document and notes what it says; whatever is wrong goes to `problems` and is left out."""

    def __init__(self, schema: Schema, problems: Problems) -> None:
        self._schema = schema
        self._problems = problems
        self._places = 0
        self.written = Written({ALL: Group(1)})

    def read(self, root: Node) -> Written:
        """The whole document. Raises InventoryError at once when it is no mapping or names far too many hosts."""
        if not isinstance(root.value, dict):
            hint = "'provision init' writes one to start from"
            raise self._problems.fail(root.line, "an inventory is a mapping of groups", hint)
        for name, node in root.value.items():
            self._group(name, node)
        return self.written

    def _group(self, name: str, node: Node, *, child: bool = False) -> bool:
        if child and name == ALL:
            message = "the group all can't be inside another group"
            self._problems.add(node.line, message, "name the groups that are meant")
            return False
        if name not in (ALL, "ungrouped", *WRITABLE):
            valid = f"valid: {', '.join((ALL, *WRITABLE))}"
            advice = "it is on every host and needs no group" if name in HOST_WIDE else valid
            self._problems.unknown(node.line, "group", name, WRITABLE, advice)
            return False
        group = self.written.groups.setdefault(name, Group(node.line))
        for section, content in self._mapping(node, f"group {name}").items():
            if section not in _SECTIONS:
                self._problems.unknown(content.line, f"key in group {name}:", section, _SECTIONS)
            elif section == "vars":
                self._variables(group.variables, name, self._mapping(content, "vars"))
            elif section == "hosts":
                self._hosts(group, self._mapping(content, "hosts"))
            else:
                inner = self._mapping(content, "children")
                group.children.update(child for child, below in inner.items() if self._group(child, below, child=True))
        return True

    def _mapping(self, node: Node, what: str) -> dict[str, Node]:
        if isinstance(node.value, dict):
            return node.value
        if node.value is not None:
            hint = "write every name on its own line with a ':' after it, not with '- ' before it"
            self._problems.add(node.line, f"{what} must be a mapping", hint)
        return {}

    def _hosts(self, group: Group, entries: dict[str, Node]) -> None:
        for pattern, node in entries.items():
            try:
                names = formats.expand(pattern)
            except ValueError as error:
                self._problems.add(node.line, f"host {show(pattern)}: {error}")
                continue
            self._places += len(names)
            if self._places > _PLACES_MAX:
                raise self._problems.fail(node.line, f"hosts are named more than {_PLACES_MAX} times")
            variables: dict[str, Setting] = {}
            self._variables(variables, pattern, self._mapping(node, f"host {show(pattern)}"), host=True)
            for name in names:
                if self._host(name, node.line):
                    group.hosts.add(name)
                    for variable, setting in variables.items():
                        self._set(self.written.hosts[name], variable, setting, name)

    def _host(self, name: str, line: int) -> bool:
        if name in self.written.hosts:
            return True
        wrong = formats.host_name(name)
        if wrong:
            hint = f"write {name.lower()}" if not formats.host_name(name.lower()) else ""
            self._problems.add(line, f"host name {show(name)} {wrong}", hint)
        elif name in (ALL, "ungrouped", *WRITABLE, *HOST_WIDE):
            self._problems.add(line, f"a host can't have the name of the group {name}", "use the machine's own name")
        else:
            self.written.hosts[name] = {}
            self.written.lines[name] = line
            return True
        return False

    def _variables(self, into: dict[str, Setting], place: str, entries: dict[str, Node], *, host: bool = False) -> None:
        for name, node in entries.items():
            variable = self._schema.variables.get(name)
            value = node.plain()
            if variable is None:
                # Looking for what was meant is worth it only for what will be shown.
                valid, advice = ((), "") if self._problems.full else (self._schema.settable(), self._advice(name))
                self._problems.unknown(node.line, "variable", name, valid, advice)
            elif variable.rendered and variable.scope != "host":
                self._problems.add(node.line, f"{name} can't be set: the driver computes it", "remove this line")
            elif variable.scope == "host" and not host:
                self._problems.add(node.line, f"{name} can only be set at a host", "move it below its host")
            elif variable.scope == "cluster" and place != ALL:
                self._problems.add(node.line, f"{name} holds for the whole cluster", "move it to 'vars' below 'all'")
            elif _is_template(value):
                self._problems.add(node.line, f"{name} holds a template", "values are literal: write the value itself")
            elif any(problem := variable.problem(value)):
                self._problems.add(node.line, f"{name} {problem[0]}", problem[1])
            else:
                self._set(into, name, Setting(value, node.line), place)

    def _advice(self, name: str) -> str:
        prefix = name.partition("_")[0] + "_"
        names = self._schema.settable(prefix)
        if not names:
            prefixes = sorted({n.partition("_")[0] + "_" for n in self._schema.settable()})
            return f"variables start with one of: {', '.join(prefixes)}"
        return f"valid: {', '.join(names)}"

    def _set(self, into: dict[str, Setting], name: str, setting: Setting, place: str) -> None:
        known = into.setdefault(name, setting)
        if known.value != setting.value:
            message = f"{name} of {show(place)} has another value in line {known.line}"
            self._problems.add(setting.line, message, "remove one of them")


def _is_template(value: object) -> bool:
    if isinstance(value, dict):
        return any(_is_template(k) or _is_template(v) for k, v in value.items())
    if isinstance(value, list):
        return any(map(_is_template, value))
    return isinstance(value, str) and any(mark in value for mark in ("{{", "{%", "{#"))
