"""Which services a container offers: a pure function of what Docker says about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

Inspected = dict[str, Any]

#: The ids this program gives: host, container, port, perhaps `udp`.
ID = re.compile(r"^(.+?):([a-zA-Z0-9][a-zA-Z0-9_.-]+):[0-9]+(?::udp)?$")


@dataclass(frozen=True)
class Service:
    """One service; `attributes` are the container's other SERVICE_* settings, in lower case."""

    id: str
    name: str
    container: str
    address: str
    port: int
    tags: tuple[str, ...]
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Port:
    exposed: str
    protocol: str
    host_port: str
    host_address: str


def services_of(container: Inspected, hostname: str, flags: dict[str, Any]) -> list[Service]:
    """The services of one inspected container. `hostname` becomes part of their ids."""
    ports = [p for p in _ports(container) if flags["internal"] or p.host_port]
    found = [_service(container, port, len(ports) > 1, hostname, flags) for port in ports]
    return [service for service in found if service]


def settings_for(container: Inspected, port: str) -> tuple[dict[str, str], set[str]]:
    """The SERVICE_* settings that hold for a port, and which of them were written for just this port (SERVICE_80_*)."""
    config = container["Config"]
    pairs = [*(config.get("Env") or []), *(f"{k}={v}" for k, v in (config.get("Labels") or {}).items())]
    found: dict[str, str] = {}
    own: set[str] = set()
    for pair in pairs:
        name, given, value = pair.partition("=")
        if not given or not name.startswith("SERVICE_"):
            continue
        key = name[len("SERVICE_") :].lower()
        number, _, rest = key.partition("_")
        if number.isdigit() and rest:
            if number == port:
                found[rest] = value
                own.add(rest)
        elif key not in own:
            found[key] = value
    return found, own


def split_tags(text: str) -> list[str]:
    """Tags between commas; `\\,` is a comma inside a tag."""
    return [tag.replace("\\,", ",") for tag in re.split(r"(?<!\\),", text) if tag]


def _ports(container: Inspected) -> list[_Port]:
    mode = container["HostConfig"].get("NetworkMode", "default")
    published: dict[str, Any] = {port: [{"HostPort": port.split("/")[0]}] for port in container["Config"].get("ExposedPorts") or {}}
    published.update(container["NetworkSettings"].get("Ports") or {})
    found = []
    for name, bindings in published.items():
        exposed, _, protocol = name.partition("/")
        first = (bindings or [{}])[0]
        address = first.get("HostIp") or "0.0.0.0"  # noqa: S104
        if mode not in ("bridge", "default", "host"):
            address = ((container["NetworkSettings"].get("Networks") or {}).get(mode) or {}).get("IPAddress", "")
        found.append(_Port(exposed, protocol or "tcp", first.get("HostPort", ""), address))
    return found


def _service(container: Inspected, port: _Port, many: bool, hostname: str, flags: dict[str, Any]) -> Service | None:
    settings, own = settings_for(container, port.exposed)
    image = container["Config"]["Image"].rsplit("/", 1)[-1].split(":")[0]
    name = settings.pop("name", "") or ("" if flags["explicit"] else image)
    if settings.get("ignore") or not name:
        return None
    udp = port.protocol == "udp"
    container_name = container["Name"].lstrip("/")
    default_id = f"{hostname}:{container_name}:{port.exposed}" + (":udp" if udp else "")
    tags = [*split_tags(settings.pop("tags", "")), *split_tags(flags["tags"]), *(["udp"] if udp else [])]
    return Service(
        id=settings.pop("id", "") or default_id,
        name=name if not many or "name" in own else f"{name}-{port.exposed}",
        container=container_name,
        address=_address(container, port, flags),
        port=int(port.exposed if flags["internal"] else port.host_port),
        tags=tuple(tags),
        attributes=settings,
    )


def _address(container: Inspected, port: _Port, flags: dict[str, Any]) -> str:
    label = (container["Config"].get("Labels") or {}).get(flags["useIpFromLabel"], "") if flags["useIpFromLabel"] else ""
    if label:
        return str(label).rsplit("/", 1)[0]
    if flags["internal"]:
        settings = container["NetworkSettings"]
        networks = [n["IPAddress"] for n in (settings.get("Networks") or {}).values() if n.get("IPAddress")]
        return str(settings.get("IPAddress") or next(iter(networks), ""))
    return str(flags["ip"] or port.host_address)
