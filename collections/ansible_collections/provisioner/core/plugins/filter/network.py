"""Ansible filters about ports, for rules that let some in and others not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

PROTOCOLS = ("tcp", "udp")


def ports_by_protocol(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Each protocol of these rows (`port`: one or a range, `protocol`) with its ports, as nftables writes the elements of a set.

    What overlaps is joined: in a set that is an error.
    """
    rows = list(rows)
    found = ((protocol, _joined(str(row["port"]) for row in rows if row["protocol"] == protocol)) for protocol in PROTOCOLS)
    return [(protocol, ports) for protocol, ports in found if ports]


def _joined(ports: Iterable[str]) -> str:
    spans: list[tuple[int, int]] = []
    for first, last in sorted((int(first), int(last or first)) for first, _, last in (port.partition("-") for port in ports)):
        if spans and first <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
        else:
            spans.append((first, last))
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


class FilterModule:
    """The names under which templates find the functions above."""

    def filters(self) -> dict[str, Any]:
        """Ansible's way to ask."""
        return {"ports_by_protocol": ports_by_protocol}
