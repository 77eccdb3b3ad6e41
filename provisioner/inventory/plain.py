"""The quick way to read an inventory: a plain YAML file, with the line of everything. What is not that plain, Ansible reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from provisioner.inventory import formats
from provisioner.inventory.described import ALL, UNGROUPED, Described, Group, Setting
from provisioner.state.problems import Problems, show
from provisioner.state.yaml_document import Node, NotPlainError, parse

_SECTIONS = ("hosts", "vars", "children")
_PLACES_MAX = 1_000_000
#: Ansible orders groups by this too; whoever needs it has an inventory that is not plain.
_PRIORITY = "ansible_group_priority"


def read(text: str, problems: Problems) -> Described:
    """What the text of a YAML file says. Raises InventoryError, or NotPlainError for what Ansible reads and we don't."""
    root = parse(text, problems.source)
    if root is None:
        raise problems.fail(0, "the inventory is empty", "'provision init' writes one to start from")
    if not isinstance(root.value, dict):
        raise problems.fail(root.line, "an inventory is a mapping of groups", "'provision init' writes one to start from")
    if "plugin" in root.value and not isinstance(root.value["plugin"].value, dict):
        raise NotPlainError("this is the configuration of an inventory plugin", where=problems.at(root.value["plugin"].line))
    reader = _Reader(problems)
    for name, node in root.value.items():
        reader.group(name, node)
    return _Resolution(reader.written, problems).described()


@dataclass
class _Group:
    """What all places that speak of one group say together."""

    line: int
    hosts: set[str] = field(default_factory=set)
    children: set[str] = field(default_factory=set)
    variables: dict[str, Setting] = field(default_factory=dict)


@dataclass
class _Written:
    """Everything an inventory says, before any of it is resolved."""

    groups: dict[str, _Group] = field(default_factory=dict)
    hosts: dict[str, dict[str, Setting]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    settings: list[tuple[str, Setting]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class _Reader:
    """Walks the document and notes what it says; whatever is wrong goes to `problems` and is left out."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._places = 0
        self.written = _Written({ALL: _Group(1)})

    def group(self, name: str, node: Node, within: str = "") -> bool:
        """Note a group and what is in it; False when it is left out."""
        if within and name == ALL:
            self._problems.add(node.line, "the group all can't be inside another group", "name the groups that are meant")
            return False
        if name == UNGROUPED and (within not in ("", ALL) or (isinstance(node.value, dict) and "children" in node.value)):
            raise NotPlainError(f"{UNGROUPED} has to do with other groups", where=self._problems.at(node.line))
        group = self.written.groups.setdefault(name, _Group(node.line))
        for section, content in self._mapping(node, f"group {name}").items():
            if section not in _SECTIONS:
                self._problems.unknown(content.line, f"key in group {name}:", section, _SECTIONS)
            elif section == "vars":
                self._variables(group.variables, name, self._mapping(content, "vars"))
            elif section == "hosts":
                self._hosts(group, self._mapping(content, "hosts"))
            else:
                inner = self._mapping(content, "children")
                group.children.update(child for child, below in inner.items() if self.group(child, below, name))
        return True

    def _mapping(self, node: Node, what: str) -> dict[str, Node]:
        if isinstance(node.value, dict):
            return node.value
        if node.value is not None:
            hint = "write every name on its own line with a ':' after it"
            if isinstance(node.value, list):
                hint += ", not with '- ' before it"
            elif isinstance(node.value, str) and "=" in node.value:
                hint = f"write {node.value.partition('=')[0].strip()}: and the value, on a line of its own below it"
            self._problems.add(node.line, f"{what} must be a mapping", hint)
        return {}

    def _hosts(self, group: _Group, entries: dict[str, Node]) -> None:
        for pattern, node in entries.items():
            if ":" in pattern.partition("[")[0] or "]:" in pattern:
                raise NotPlainError(f"host {show(pattern)} has a port in its name", where=self._problems.at(node.line))
            try:
                names = formats.expand(pattern)
            except ValueError as error:
                self._problems.add(node.line, f"host {show(pattern)}: {error}")
                continue
            self._places += len(names)
            if self._places > _PLACES_MAX:
                raise self._problems.fail(node.line, f"hosts are named more than {_PLACES_MAX} times")
            variables: dict[str, Setting] = {}
            self._variables(variables, pattern, self._mapping(node, f"host {show(pattern)}"))
            for name in names:
                own = self.written.hosts.setdefault(name, {})
                self.written.lines.setdefault(name, node.line)
                group.hosts.add(name)
                for variable, setting in variables.items():
                    self._set(own, variable, setting, name)

    def _variables(self, into: dict[str, Setting], place: str, entries: dict[str, Node]) -> None:
        for name, node in entries.items():
            if name == _PRIORITY:
                raise NotPlainError("groups have priorities", where=self._problems.at(node.line))
            setting = Setting(node.plain(), node.line)
            self.written.settings.append((name, setting))
            self._set(into, name, setting, place)

    def _set(self, into: dict[str, Setting], name: str, setting: Setting, place: str) -> None:
        known = into.get(name)
        if known is not None and known.value != setting.value:
            self.written.warnings.append(f"{name} of {place} is written twice: the value in line {setting.line} holds, "
                                         f"not that in line {known.line}")
        into[name] = setting


class _Resolution:
    """Who is in which group, and which of several values holds, as Ansible decides it."""

    def __init__(self, written: _Written, problems: Problems) -> None:
        self._written = written
        self._problems = problems
        self._parents: dict[str, set[str]] = {name: set() for name in written.groups}
        for name, group in written.groups.items():
            for child in group.children:
                self._parents[child].add(name)
        self._refuse_cycles()

    def described(self) -> Described:
        """All of it."""
        members = self._members
        order = sorted((g for g in members if g not in (ALL, UNGROUPED)), key=self._rank)
        groups_of: dict[str, list[str]] = {name: [] for name in self._written.hosts}
        for group in order:
            for name in members[group]:
                groups_of[name].append(group)
        # Ansible takes a host out of `ungrouped` that is in another group too, and puts one in that is in none.
        alone = {name for name, groups in groups_of.items() if not groups}
        for name in alone:
            groups_of[name].append(UNGROUPED)
        members[UNGROUPED], members[ALL] = alone, set(self._written.hosts)
        shared = self._written.groups[ALL].variables
        settings = {name: self._merged(shared, groups, self._written.hosts[name]) for name, groups in groups_of.items()}
        groups = {name: Group(self._written.groups[name].line if name in self._written.groups else 0, hosts,
                              self._written.groups[name].children if name in self._written.groups else set())
                  for name, hosts in members.items()}
        return Described(groups, settings, self._written.lines, self._written.settings, self._written.warnings)

    def _merged(self, shared: dict[str, Setting], groups: list[str], own: dict[str, Setting]) -> dict[str, Setting]:
        """Ansible's precedence: all, then groups by depth and name, then the host; the later wins."""
        merged = dict(shared)
        for group in groups:
            if group in self._written.groups:
                merged |= self._written.groups[group].variables
        return merged | own

    def _rank(self, group: str) -> tuple[int, str]:
        return self._depths[group], group

    @cached_property
    def _depths(self) -> dict[str, int]:
        """Steps from `all` on the longest way; a group without parents is a child of `all`."""
        depths: dict[str, int] = {}
        for group in self._order:
            depths[group] = max((depths[p] + 1 for p in self._parents[group] if p != ALL), default=1)
        return depths

    @cached_property
    def _members(self) -> dict[str, set[str]]:
        """The hosts of each written group, those of its children included."""
        members = {name: set(group.hosts) for name, group in self._written.groups.items()}
        for name in reversed(self._order):
            members[name].update(*(members[c] for c in self._written.groups[name].children))
        return members

    @cached_property
    def _order(self) -> list[str]:
        """Every group after all groups that it is inside."""
        done: dict[str, None] = {}
        waiting = {name: set(parents) for name, parents in self._parents.items()}
        while waiting:
            free = [name for name, parents in waiting.items() if parents <= done.keys()]
            for name in free:
                done[name] = None
                del waiting[name]
        return list(done)

    def _refuse_cycles(self) -> None:
        """A group that contains itself has no members that could be named."""
        left = {name: set(group.children) for name, group in self._written.groups.items()}
        while free := [name for name, children in left.items() if not children & left.keys()]:
            for name in free:
                del left[name]
        if left:
            name = min(left)
            raise self._problems.fail(self._written.groups[name].line, f"group {name} contains itself", "remove it from 'children'")
