"""Protocol buffers' wire format, for the few messages that an agent of Mesos exchanges with a v0 executor.

A message is a dictionary that looks like its JSON in Mesos' v1 API: enums by name, bytes in base64. Unknown fields are left out.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Union


class Enum(dict[str, int]):
    """Numbers by name."""


class Message(dict[int, "Field"]):
    """Fields by number."""


#: "int" (64 bits, signed), "bool", "double", "string", "bytes", or one of the classes above
Kind = Union[str, Enum, Message]

Raw = Union[int, bytes]


@dataclass(frozen=True)
class Field:
    """One field: its name, what it holds, and whether it repeats. `mapped`: a protobuf map, shown as a dictionary."""

    name: str
    kind: Kind
    many: bool = False
    mapped: bool = False


def varint(number: int) -> bytes:
    """A number as base-128 varint; negative ones as 64 bits of two's complement."""
    number &= (1 << 64) - 1
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _take_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("the message ends within a number, or the number is too long")
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def split(data: bytes) -> Iterator[tuple[int, Raw]]:
    """Number and raw value of each field, in the order of the message."""
    at = 0
    while at < len(data):
        key, at = _take_varint(data, at)
        kind = key & 7
        if kind == 0:
            number, at = _take_varint(data, at)
            yield key >> 3, number
            continue
        if kind == 2:
            size, at = _take_varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        if at + size > len(data):
            raise ValueError("the message ends within a field")
        yield key >> 3, data[at:at + size]
        at += size


def decode(data: bytes, message: Message) -> dict[str, Any]:
    """The known fields of a message."""
    found: dict[str, Any] = {}
    for number, raw in split(data):
        field = message.get(number)
        if field is None:
            continue
        value = _value(raw, field)
        if field.mapped:
            found.setdefault(field.name, {})[value.get("key", "")] = value.get("value")
        elif field.many:
            found.setdefault(field.name, []).append(value)
        else:
            found[field.name] = value
    return found


def _value(raw: Raw, field: Field) -> Any:
    kind = field.kind
    if isinstance(raw, int):
        if isinstance(kind, Enum):
            return next((name for name, number in kind.items() if number == raw), "UNKNOWN")
        if kind == "bool":
            return bool(raw)
        if kind == "int":
            return raw - (1 << 64) if raw >> 63 else raw
    elif isinstance(kind, Message):
        return decode(raw, kind)
    elif kind == "string":
        return raw.decode()
    elif kind == "bytes":
        return base64.b64encode(raw).decode()
    elif kind == "double" and len(raw) == 8:
        return struct.unpack("<d", raw)[0]
    raise ValueError(f"field {field.name} has an unexpected wire type")


def encode(values: Mapping[str, Any], message: Message) -> bytes:
    """The message's bytes, fields in the order of their numbers; keys that the message does not have are left out."""
    found = bytearray()
    for number, field in sorted(message.items()):
        value = values.get(field.name)
        if value is None:
            continue
        if field.mapped:
            value = [{"key": key, "value": one} for key, one in value.items()]
        for one in value if field.many or field.mapped else [value]:
            found += _field(number, one, field.kind)
    return bytes(found)


def _field(number: int, value: Any, kind: Kind) -> bytes:
    if isinstance(kind, Enum):
        return varint(number << 3) + varint(kind[value])
    if kind in ("int", "bool"):
        return varint(number << 3) + varint(int(value))
    if kind == "double":
        return varint(number << 3 | 1) + struct.pack("<d", value)
    content = encode(value, kind) if isinstance(kind, Message) else value.encode() if kind == "string" else base64.b64decode(value)
    return varint(number << 3 | 2) + varint(len(content)) + content
