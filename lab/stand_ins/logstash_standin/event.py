"""One event: a dictionary with nested fields, named `field` or `[outer][inner]` as in Logstash."""

from __future__ import annotations

import datetime
import re
from typing import Any

Event = dict[str, Any]

_UTC = datetime.timezone.utc
_JODA = {"YYYY": "%Y", "yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


def path_of(name: str) -> list[str]:
    """`[a][b]` as ["a", "b"], `a` as ["a"]."""
    return re.findall(r"\[([^\[\]]+)\]", name) or [name]


def get(event: Event, name: str) -> Any:
    """The field's value, None if it is not there."""
    value: Any = event
    for key in path_of(name):
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


def put(event: Event, name: str, value: Any) -> None:
    """Set a field; folders on the way are made."""
    *parents, last = path_of(name)
    for key in parents:
        event = event.setdefault(key, {})
    event[last] = value


def drop(event: Event, name: str) -> Any:
    """Remove a field and return what it held, None if it was not there."""
    *parents, last = path_of(name)
    holder: Any = get(event, "".join(f"[{key}]" for key in parents)) if parents else event
    return holder.pop(last, None) if isinstance(holder, dict) else None


def now() -> str:
    """The time as Logstash writes it."""
    return datetime.datetime.now(_UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(event: Event) -> datetime.datetime:
    """`@timestamp` in UTC; now, if it can't be read."""
    try:
        stamp = datetime.datetime.fromisoformat(str(event.get("@timestamp", "")).replace("Z", "+00:00"))
    except ValueError:
        return datetime.datetime.now(_UTC)
    return stamp.astimezone(_UTC)


def render(event: Event, pattern: str) -> str:
    """`%{field}` and `%{+YYYY-MM-dd}` replaced; an unknown field stays as it is written."""

    def replaced(match: re.Match[str]) -> str:
        inner = match.group(1)
        if inner.startswith("+"):
            return moment(event).strftime(re.sub(r"[A-Za-z]+", lambda m: _JODA.get(m.group(), m.group()), inner[1:]))
        value = get(event, inner)
        return match.group() if value is None else str(value)

    return re.sub(r"%\{([^}]+)\}", replaced, pattern)
