"""The command line, read by the rules of Go's flag package."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

# Name: (default, what it does). The type of the default is the type of the flag.
FLAGS: dict[str, tuple[Any, str]] = {
    "cleanup": (False, "Remove services that nobody runs any more"),
    "deregister": ("always", 'Remove the services of ended containers: "always" or "on-success"'),
    "explicit": (False, "Only register containers that name their service"),
    "internal": (False, "Register the container's own address and port"),
    "ip": ("", "Address to register for published ports"),
    "resync": (0, "Seconds between full synchronisations, 0 = never"),
    "retry-attempts": (0, "Attempts to reach the registry, -1 = for ever"),
    "retry-interval": (2000, "Milliseconds between attempts"),
    "tags": ("", "Tags of every service"),
    "ttl": (0, "Seconds a service lives without a refresh, 0 = for ever"),
    "ttl-refresh": (0, "Seconds between refreshes"),
    "useIpFromLabel": ("", "Label that holds the address to register"),
}
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


def parse(program: str, arguments: list[str]) -> tuple[dict[str, Any], str]:
    """The flags and the registry's URI. Exits with 2 and a usage text, as Go does, when they can't be understood."""
    values = {name: default for name, (default, _) in FLAGS.items()}
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        written = rest.pop(0)
        if written == "--":
            break
        name, given, value = written.lstrip("-").partition("=") if written[:3] != "---" else ("", "", "")
        if not name:
            _refuse(program, f"bad flag syntax: {written}")
        if name in ("h", "help"):
            _refuse(program, "", code=0)
        if name not in FLAGS:
            _refuse(program, f"flag provided but not defined: -{name}")
        if isinstance(FLAGS[name][0], bool):
            value = value if given else "true"
        elif not given:
            if not rest:
                _refuse(program, f"flag needs an argument: -{name}")
            value = rest.pop(0)
        values[name] = _typed(program, name, value)
    if len(rest) != 1:
        extra = "Options should come before the registry URI argument.\n"
        _refuse(program, extra if rest else "Missing required argument for registry URI.\n")
    return values, rest[0]


def _typed(program: str, name: str, value: str) -> Any:
    default = FLAGS[name][0]
    if isinstance(default, bool):
        if value not in _TRUE + _FALSE:
            _refuse(program, f'invalid boolean value "{value}" for -{name}: parse error')
        return value in _TRUE
    if isinstance(default, int):
        if not value.lstrip("-").isdigit():
            _refuse(program, f'invalid value "{value}" for flag -{name}: parse error')
        return int(value)
    return value


def _refuse(program: str, message: str, code: int = 2) -> NoReturn:
    lines = [message] if message else []
    lines += [f"Usage of {program}:", f"  {program} [options] <registry URI>", ""]
    for name, (default, help_) in FLAGS.items():
        kind = "" if isinstance(default, bool) else f" {type(default).__name__.replace('str', 'string')}"
        lines += [f"  -{name}{kind}", f"    \t{help_}" + (f" (default {default})" if default else "")]
    print("\n".join(lines), file=sys.stderr)
    sys.exit(code)
