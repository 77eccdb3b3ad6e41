"""What the roles would refuse of a host's values, before any host is asked.

A component whose role judges values has a part `settings` with one function, `problems(values)`: the variable that is wrong and a
sentence for each problem, from one host's values of its role's variables. It asks the role's own functions (`role_rules`). Where values
clash with other hosts the part has a second function, `clashes(cluster, defaults)`.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.cluster.model import Cluster, Host
from provisioner.components import COMPONENTS
from provisioner.inventory.ports import OWN_LINE, Lines
from provisioner.state.problems import Problems

#: A variable and what is wrong with its value.
Problem = tuple[str, str]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Clash:
    """What is wrong with a variable of one host among the others, and what to do; where it is not `sure` it is a warning."""

    host: str
    variable: str
    message: str
    hint: str = ""
    sure: bool = True


def values_of(host: Host, defaults: Values) -> Values:
    """A host's values of the roles' variables."""
    return ChainMap(dict(host.variables), dict(defaults))


def check(cluster: Cluster, defaults: Values, lines: Lines, problems: Problems) -> Iterator[str]:
    """Adds what is wrong to `problems`, and gives warnings. `defaults`: the roles' default values; `lines`: host → variable → line."""
    _judge(cluster, defaults, lines, problems)
    for component in COMPONENTS:
        part = component.part("settings")
        for clash in part.clashes(cluster, defaults) if part and hasattr(part, "clashes") else ():
            line = _line(lines, clash.host, clash.variable)
            if clash.sure:
                problems.add(line, clash.message, clash.hint)
            else:
                yield f"{problems.at(line)}: {clash.message}"


def _judge(cluster: Cluster, defaults: Values, lines: Lines, problems: Problems) -> None:
    for component in COMPONENTS:
        prefix, judged = f"{component.role}_", set()
        for host in (h for h in cluster.hosts if component.name in h.groups):
            own = {name: value for name, value in host.variables.items() if name.startswith(prefix)}
            same = tuple(sorted((name, id(value)) for name, value in own.items()))
            if own and same not in judged and (part := component.part("settings")):
                judged.add(same)  # what all hosts share is judged once
                for variable, message in part.problems(ChainMap(own, dict(defaults))):
                    problems.add(_line(lines, host.name, variable), message)


def _line(lines: Lines, host: str, variable: str) -> int:
    return lines[host].get(variable, lines[host][OWN_LINE])
