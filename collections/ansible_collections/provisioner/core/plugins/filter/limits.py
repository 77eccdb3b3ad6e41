"""What single values of a role's variables may be, beyond their types: as `meta/limits.yml` of the role says."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: `min` and `max` of a number, or the name of a `format` of a text or of the items of a list; with `empty` it may have no characters.
Limit = Mapping[str, Any]
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"


def outside(value: Any, limit: Limit) -> str:
    """What is wrong with a value, which is of the right type already, in a few words; "" when nothing is."""
    for item in value if isinstance(value, list) else [value]:
        if item == "" and limit.get("empty"):
            continue
        if "format" in limit:
            fits, wanted = FORMATS[limit["format"]]
            wrong = "" if fits(str(item)) else wanted
        else:
            wrong = "" if limit["min"] <= int(item) <= limit["max"] else f"must be {said(limit)}"
        if wrong:
            return f"{wrong}, not {item!r}"
    return ""


def said(limit: Limit) -> str:
    """A limit in words."""
    if "format" in limit:
        return FORMATS[limit["format"]][1].removeprefix("must be ")
    return f"between {limit['min']} and {limit['max']}"


def limit_problems(limits: Mapping[str, Limit], values: Sequence[Any]) -> list[str]:
    """Which of a role's variables, whose values come in the order of the limits, are outside theirs: sentences."""
    found = ((name, outside(value, limits[name])) for name, value in zip(limits, values, strict=True))
    return [f"{name} {wrong}." for name, wrong in found if wrong]


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text) is not None


_path = _matches(r"(/(?!\.\.?(/|$))[^/\s;|&$`\"'\\%{}*?]+)+")


def _network(text: str) -> bool:
    try:
        return ipaddress.IPv4Network(text).prefixlen <= 30 and "/" in text
    except ValueError:
        return False


def _data_folder(text: str) -> bool:
    """One that may be emptied when the component is removed: no folder of the system, of programs of ours, or of logs."""
    system = r"/(?:[^/]+|(?:bin|boot|dev|etc|lib\w*|proc|root|run|sbin|sys|tmp|usr)/.*|var/[^/]+)$"
    return _path(text) and not re.match(system, text) and not re.match(r"/(?:opt/(?:consul|zookeeper)|var/log)(?:/|$)", text)


def _name_server(text: str) -> bool:
    address, mark, port = text.rpartition("/")[2].partition("@")[0].partition("#")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return not mark or (port.isdigit() and 1 <= int(port) <= 65535)


#: A format: what has it, and what is asked for.
FORMATS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "network": (_network, "must be an IPv4 network like 10.32.0.0/16, without bits behind its prefix"),
    "domain": (_matches(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*"), "must be a domain made of letters, digits and '-', like consul"),
    "word": (_matches(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"), "must be made of letters, digits, '_', '.' and '-'"),
    "overlay_name": (_matches(r"(?!(?:bridge|host|none|ingress|docker_gwbridge)$)[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"),
                     "must be made of letters, digits, '_', '.' and '-', and be no name of Docker's own networks"),
    "datacenter": (_matches(r"[A-Za-z0-9_-]{1,64}"), "must be made of letters, digits, '_' and '-'"),
    "path": (_path, "must be an absolute path without blanks, like /usr/bin/java"),
    "data_folder": (_data_folder, "must be an absolute path of a folder of its own, like /data/consul"),
    "znode": (_matches(r"(/[^/\s:,@]+)+"), "must be the path of a znode, like /chronos/state"),
    "dated_file": (_matches(r"(/[^/\s%]+)+/[^/\s]+"), "must be an absolute path whose folder holds no field or date"),
    "name_server": (_name_server, "must be an IP address, or address#port"),
}


class FilterModule:
    """The names under which templates find the functions above."""

    def filters(self) -> dict[str, Any]:
        """Ansible's way to ask."""
        return {"limit_problems": limit_problems}
