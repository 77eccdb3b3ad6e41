"""Resources of an offer: reading them, and taking a task's share out of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


def _unreserved(resource: Json) -> bool:
    return not resource.get("reservations") and resource.get("role", "*") == "*" and not resource.get("revocable")


@dataclass
class Pool:
    """What is left of one offer while tasks are taken out of it. Only unreserved resources count; sizes in MB."""

    offer: Json
    scalars: dict[str, float]
    ports: list[int]

    @staticmethod
    def of(offer: Json) -> Pool:
        """The whole of an offer as the v1 API describes it."""
        scalars: dict[str, float] = {}
        ports: list[int] = []
        for resource in filter(_unreserved, offer.get("resources", [])):
            if resource["type"] == "SCALAR":
                scalars[resource["name"]] = scalars.get(resource["name"], 0.0) + float(resource["scalar"]["value"])
            elif resource["name"] == "ports":
                ports += [p for r in resource["ranges"]["range"] for p in range(int(r["begin"]), int(r["end"]) + 1)]
        return Pool(offer, scalars, ports)

    def fits(self, scalars: dict[str, float], ports: Sequence[int]) -> bool:
        """Whether the sizes and as many ports are left; a port of 0 stands for any, another number for that one."""
        fixed = [p for p in ports if p]
        sizes = all(self.scalars.get(name, 0.0) + 1e-9 >= size for name, size in scalars.items())
        free = set(fixed) <= set(self.ports) and len(set(fixed)) == len(fixed) and len(self.ports) >= len(ports)
        return sizes and free

    def take(self, scalars: dict[str, float], ports: Sequence[int]) -> tuple[list[Json], list[int]]:
        """Removes a share that fits; returns it as Mesos resources, and the host ports in the order asked for.

        Any port is a random one of the offer, as with the real Marathon.
        """
        for name, size in scalars.items():
            self.scalars[name] = self.scalars.get(name, 0.0) - size
        fixed = {p for p in ports if p}
        free = iter(random.sample([p for p in self.ports if p not in fixed], sum(not p for p in ports)))
        chosen = [p or next(free) for p in ports]
        self.ports = [p for p in self.ports if p not in chosen]
        resources = [scalar(name, size) for name, size in scalars.items() if size]
        return [*resources, *([port_ranges(chosen)] if chosen else [])], chosen

    @property
    def hostname(self) -> str:
        """Name of the agent as it registered."""
        return str(self.offer["hostname"])

    @property
    def address(self) -> str:
        """IP address of the agent where the offer tells it, else its name."""
        return str(self.offer.get("url", {}).get("address", {}).get("ip") or self.hostname)

    def attribute(self, name: str) -> str | None:
        """An attribute of the agent as text; `hostname` and `@hostname` name the agent itself."""
        if name in ("hostname", "@hostname"):
            return self.hostname
        for attribute in self.offer.get("attributes", []):
            if attribute["name"] == name:
                value = attribute.get("text") or attribute.get("scalar") or {}
                return str(value.get("value", ""))
        return None


def scalar(name: str, size: float) -> Json:
    """One SCALAR resource of the default role."""
    return {"name": name, "type": "SCALAR", "scalar": {"value": size}, "role": "*"}


def port_ranges(ports: Iterable[int]) -> Json:
    """The resource that reserves exactly these host ports."""
    ranges = [{"begin": p, "end": p} for p in sorted(ports)]
    return {"name": "ports", "type": "RANGES", "ranges": {"range": ranges}, "role": "*"}
