"""What an inventory says, whoever read it: who is in which group, and which value holds for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

ALL = "all"
UNGROUPED = "ungrouped"
#: What a template has somewhere.
TEMPLATE_MARKS = ("{{", "{%", "{#")


class Secret(str):
    """A text that came out of a vault: it is never written in clear. `label` names it and changes with its encrypted form."""

    label: str

    def __new__(cls, text: str, label: str) -> Secret:
        """The text, decrypted."""
        made = super().__new__(cls, text)
        made.label = label
        return made


class Template(str):
    """A text that Ansible fills in when a task uses it: in somebody's own variables, which are passed on as they are."""

    __slots__ = ()


@dataclass(slots=True)
class Setting:
    """A value and the line it was written on."""

    value: object
    line: int


@dataclass
class Group:
    """A group that is written somewhere, with its hosts, those of its children included, and its children."""

    line: int
    hosts: set[str] = field(default_factory=set)
    children: set[str] = field(default_factory=set)


@dataclass
class Described:
    """Groups and hosts by name. `settings` are, for each host, the values that hold by Ansible's precedence; `lines` where a host is
    named; `written` every value that stands somewhere, also where another one wins, each once; `warnings` are whole sentences.
    """

    groups: dict[str, Group] = field(default_factory=dict)
    settings: dict[str, dict[str, Setting]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    written: list[tuple[str, Setting]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def leave_out(self, hosts: set[str]) -> None:
        """Forget hosts, and values that hold for them alone."""
        theirs = {id(s) for name in hosts for s in self.settings.pop(name).values()}
        theirs -= {id(s) for own in self.settings.values() for s in own.values()} if theirs else set()
        self.written = [(name, setting) for name, setting in self.written if id(setting) not in theirs]

    def below(self, groups: set[str]) -> set[str]:
        """These groups and all that are inside them."""
        found, new = set(groups), set(groups)
        while new:
            new = {child for name in new if name in self.groups for child in self.groups[name].children} - found
            found |= new
        return found


def texts(value: object) -> Iterator[str]:
    """Every text in a value, however deep; keys too."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(key)
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value
