"""What the roles would refuse of a host's values, before any host is asked.

A component whose role judges values has a part `settings` with one function, `problems(values)`: the variable that is wrong and a
sentence for each problem, from one host's values of its role's variables. It asks the role's own functions (`role_rules`). `doubts` of
the same form gives warnings. Where the
component has `networks` of its own, a second function, `clashes(cluster, defaults)`, compares them with the hosts' addresses.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

from provisioner.cluster.model import Cluster
from provisioner.components import COMPONENTS
from provisioner.inventory.ports import OWN_LINE, Lines
from provisioner.inventory.schema import Schema
from provisioner.state.problems import Problems

#: A variable and what is wrong with its value.
Problem = tuple[str, str]
Values = Mapping[str, Any]


class Clash(NamedTuple):
    """What is wrong with a variable of one host among the others, and what to do; where it is not `sure` it is a warning."""

    host: str
    variable: str
    message: str
    hint: str = ""
    sure: bool = True


def check(cluster: Cluster, schema: Schema, lines: Lines, problems: Problems) -> Iterator[str]:
    """Adds what is wrong to `problems`, and gives warnings. `lines`: host → variable → line."""
    defaults = schema.all_defaults()
    yield from _judge(cluster, schema, lines, problems)
    _folders(cluster, schema, lines, problems)
    for part in (c.part("settings") for c in COMPONENTS if c.networks):
        for clash in part.clashes(cluster, defaults) if part else ():
            line = _line(lines, clash.host, clash.variable)
            if clash.sure:
                problems.add(line, clash.message, clash.hint)
            else:
                yield f"{problems.at(line)}: {clash.message}"


def _judge(cluster: Cluster, schema: Schema, lines: Lines, problems: Problems) -> Iterator[str]:
    defaults, role_of = dict(schema.all_defaults()), {v.name: v.role for v in schema.variables.values() if v.role}
    judged: set[tuple[object, ...]] = set()
    for host in cluster.hosts:
        own: dict[str, dict[str, Any]] = {}
        for name, value in host.variables.items():
            if name in role_of:
                own.setdefault(role_of[name], {})[name] = value
        for component in (c for c in COMPONENTS if c.role in own and c.name in host.groups):
            values = own[component.role]
            same = (component.name, *values, *map(id, values.values()))
            if same not in judged and (part := component.part("settings")):
                judged.add(same)  # what all hosts share is judged once
                for variable, message in part.problems(ChainMap(values, defaults)):
                    problems.add(_line(lines, host.name, variable), message)
                if doubts := getattr(part, "doubts", None):
                    for variable, message in doubts(ChainMap(values, defaults)):
                        yield f"{problems.at(_line(lines, host.name, variable))}: {message}"


def _folders(cluster: Cluster, schema: Schema, lines: Lines, problems: Problems) -> None:
    """Each component empties its folders when it goes."""
    paths = {v.name for v in schema.variables.values() if v.type == "path" and v.role}
    if not any(paths & host.variables.keys() for host in cluster.hosts):
        return
    known = {name: v for name in paths if (v := schema.variables[name]).limit.get("format") == "data_folder"}
    judged: set[tuple[object, ...]] = set()
    for host in cluster.hosts:
        same = (host.groups, *(host.variables.get(name) for name in known))
        if same in judged:
            continue
        judged.add(same)
        roles = {c.role for c in COMPONENTS if c.name in host.groups}
        folders = {name: str(host.variables.get(name, v.default)) for name, v in known.items() if v.role in roles}
        for (name, one), (other, two) in combinations(sorted((n, f.rstrip("/")) for n, f in folders.items() if f), 2):
            if f"{one}/".startswith(f"{two}/") or f"{two}/".startswith(f"{one}/"):
                line = max(lines[host.name].get(name, 0), lines[host.name].get(other, 0))
                problems.add(line, f"on {host.name}: {name} {one} and {other} {two} are not apart", "give each a folder of its own")


def _line(lines: Lines, host: str, variable: str) -> int:
    return lines[host].get(variable, lines[host][OWN_LINE])
