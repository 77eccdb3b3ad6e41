"""Filters about flags: whether a program knows those that a user wants, and how the schedulers take them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

#: What a value has to look like, by its type in the recorded lists of flags; a type that is not named here takes any text.
PATTERNS = {
    "bytes": r"\d+(\.\d+)?(B|KB|MB|GB|TB)", "duration": r"\d+(\.\d+)?(ns|us|ms|secs|mins|hrs|days|weeks)",
    **dict.fromkeys(("int", "uint", "float", "port", "ms", "seconds", "MB"), r"-?\d+(\.\d+)?"),
}
SWITCHES = ("bool", "flag", "toggle")
#: A flag's type, alone or with more about it.
Known = Mapping[str, "str | Mapping[str, str]"]


def flag_problems(extra: Mapping[str, Any], variable: str, known: Known, owned: Mapping[str, str], *, empty: bool = False) -> list[str]:
    """Why a program would not follow the flags in that variable of the role: sentences.

    `known` are the types of the flags that can be set; `owned` the flags that the role sets, with what to change instead, or "" for
    what follows from the rest. `empty` allows a text without characters.
    """
    problems = []
    for name, value in extra.items():
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f"did you mean {near[0]}?" if near else "see the documentation of the program."
            problems.append(f"{variable}: there is no flag {name} that can be set here; {hint}")
        elif name in owned:
            problems.append(_owned(variable, name, owned[name]))
        elif not _fits(_kind(known[name]), value, empty):
            problems.append(f"{variable}: {name} wants a value of type {_kind(known[name])}, not {value!r}.")
    return problems


def setting_problems(extra: Mapping[str, Any], variable: str, owned: Mapping[str, str]) -> list[str]:
    """The same for a program whose settings are not listed: only those that the role sets are refused.

    A name with dots in `owned` is a setting inside others; one that ends with a star stands for all that begin so.
    """
    return [_owned(variable, name, instead) for name, instead in owned.items() if _named(extra, name)]


def consul_client_problems(extra: Mapping[str, Any]) -> list[str]:
    """Why Consul would not answer on 127.0.0.1, where all that runs on its host asks it: sentences."""
    variable, addresses = "consul_extra_config", extra.get("addresses") or {}
    wanted = {"client_addr": extra.get("client_addr"), **{f"addresses.{name}": addresses.get(name) for name in ("http", "dns")}}
    reachable = {"127.0.0.1", "0.0.0.0"}  # noqa: S104 (a user's, not ours)
    return [f"{variable}: {name} {value!r} leaves out 127.0.0.1, where DNS, Registrator and the checks ask: add it."
            for name, value in wanted.items() if value is not None and not reachable & set(str(value).split())]


def _named(settings: Any, name: str) -> bool:
    if not isinstance(settings, Mapping):
        return False
    if name.endswith("*"):
        return any(str(each).startswith(name[:-1]) for each in settings)
    outer, _, inner = name.partition(".")
    return name in settings or (inner != "" and _named(settings.get(outer), inner))


def _owned(variable: str, name: str, instead: str) -> str:
    return f"{variable}: {name} is set by the role; {f'set {instead} instead' if instead else 'leave it out'}."


def go_flag_problems(extra: Iterable[str], variable: str, known: Collection[str]) -> list[str]:
    """Why a program in Go would not take these arguments, each `-name=value` or `-name`: sentences."""
    valid = re.compile(rf"--?({'|'.join(known)})(=.*)?")
    return [f"{variable}: there is no flag {argument} that can be set here; valid: -{', -'.join(known)}; write a value as -name=value."
            for argument in extra if not valid.fullmatch(argument)]


def _kind(flag: str | Mapping[str, str]) -> str:
    return flag if isinstance(flag, str) else flag["type"]


def _fits(kind: str, value: Any, empty: bool) -> bool:
    if kind in SWITCHES or isinstance(value, bool):
        return kind in SWITCHES and isinstance(value, bool)
    if kind in PATTERNS:
        return re.fullmatch(PATTERNS[kind], str(value)) is not None
    if isinstance(value, (dict, list)):
        return kind == "json_or_file"
    return value is not None and "\n" not in str(value) and (empty or str(value) != "")


def scallop_arguments(flags: Mapping[str, Any], known: Mapping[str, Mapping[str, str]]) -> list[str]:
    """--flag value, one a line, for a file that Scallop reads; a switch stands alone, as its negation where it is off."""
    lines = []
    for name, value in flags.items():
        if not isinstance(value, bool):
            lines.append(f"--{name} {value}")
        elif value or "negation" in known[name]:
            lines.append(f"--{name if value else known[name]['negation']}")
    return lines


def scallop_problems(flags: Mapping[str, Any], title: str) -> list[str]:
    """Which flags have values that such a file cannot hold, as sentences: it is split at blanks, and knows no quotes."""
    return [f"The file that {title} reads its flags from cannot hold blanks in the value of {name}: {str(value)!r}."
            for name, value in flags.items() if re.search(r"\s", str(value))]


class FilterModule:
    """The names under which templates find the functions above."""

    def filters(self) -> dict[str, Any]:
        """Ansible's way to ask."""
        return {
            "flag_problems": flag_problems, "setting_problems": setting_problems,
            "consul_client_problems": consul_client_problems, "go_flag_problems": go_flag_problems,
            "scallop_arguments": scallop_arguments, "scallop_problems": scallop_problems,
        }
