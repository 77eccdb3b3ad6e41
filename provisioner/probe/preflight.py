"""The look before any change: what on this host would make the work fail half-way."""

import os
import socket
import threading
from pathlib import Path
from typing import Any

from .capabilities import DOCKER_ROOT, capabilities
from .facts import os_release, package_manager
from .files import read
from .health.answer import UnhealthyError
from .health.docker_engine import engine
from .links import links
from .network import listeners
from .others import others, texts
from .packages import packages
from .sources import sources

#: The option by which a network was made with another MTU than Docker's own.
MTU = "com.docker.network.driver.mtu"
SOURCE_SECONDS = 10.0
RESOLVE_SECONDS = 5.0
#: adjtimex(2): what it returns while nobody disciplines the clock, and room for struct timex (208 bytes on 64 bits).
TIME_ERROR = 5
TIMEX_BYTES = 512
MIB = 1024 * 1024


def preflight(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer what the driver asks: `ports` [{port, protocol}], `disks` [path], `networks` [a.b.c.d/n] that are to be
    taken, `others` (see `others.py`), `texts` [pattern of paths], `sources` (see `sources.py`), `overlay` bool,
    `root` where Docker is to keep its data."""
    return {
        "disks": [disk(path) for path in request.get("disks", [])],
        "links": links(request.get("networks", [])),
        "listeners": listeners(request.get("ports", [])),
        "name": own_name(),
        "packages": packages(),
        "others": others(request.get("others", {})),
        "texts": texts(request.get("texts", [])),
        "docker": docker(),
        "clock_synchronised": clock_synchronised(),
        "capabilities": capabilities(request.get("root", DOCKER_ROOT)) if request.get("overlay") else {},
        "sources": sources(request.get("sources", []), _system(), SOURCE_SECONDS, request.get("proxies", {})),
    }


def _system() -> "dict[str, str]":
    system = os_release(read("/etc/os-release"))
    return {"manager": package_manager(), "distribution": system["id"], "codename": system["codename"],
            "release": system["version"].split(".")[0], "machine": os.uname().machine}


def disk(path: str) -> "dict[str, Any]":
    """The filesystem that holds `path`, or will: a directory that does not exist yet counts with its parent."""
    place = Path(path)
    while not place.exists():
        place = place.parent
    size = os.statvfs(str(place))
    return {
        "path": path,
        "device": place.stat().st_dev,
        "size_mb": size.f_blocks * size.f_frsize // MIB,
        "free_mb": size.f_bavail * size.f_frsize // MIB,
        "inodes": size.f_files,
        "free_inodes": size.f_favail,
        "read_only": bool(size.f_flag & os.ST_RDONLY),
        "noexec": bool(size.f_flag & os.ST_NOEXEC),
    }


def own_name() -> "dict[str, Any]":
    """What the host's own name resolves to here; programs that advertise themselves use it."""
    name = socket.gethostname()
    answer: dict[str, Any] = {"name": name, "addresses": [], "error": f"no answer within {RESOLVE_SECONDS:.0f} s"}
    resolving = threading.Thread(target=_resolve, args=(name, answer), daemon=True)
    resolving.start()
    resolving.join(RESOLVE_SECONDS)
    return dict(answer)


def _resolve(name: str, answer: "dict[str, Any]") -> None:
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
        answer.update(addresses=sorted({str(entry[4][0]) for entry in found}), error="")
    except OSError as error:
        answer["error"] = error.strerror or str(error)


def docker() -> "dict[str, Any]":
    """Version and networks of the running engine; `version` is '' and `error` says why when none answers."""
    try:
        version, networks = engine("/version").json(), engine("/networks").json()
    except UnhealthyError as error:
        return {"version": "", "error": str(error), "networks": []}
    return {"version": version.get("Version", ""), "error": "", "networks": [_network(one) for one in networks]}


def _network(found: "dict[str, Any]") -> "dict[str, Any]":
    return {"name": found.get("Name", ""), "driver": found.get("Driver", ""), "mtu": int((found.get("Options") or {}).get(MTU, 0)),
            "encrypted": "encrypted" in (found.get("Options") or {}),
            "subnets": [str(part.get("Subnet")) for part in (found.get("IPAM") or {}).get("Config") or []]}


def clock_synchronised() -> "bool | None":
    """Whether somebody keeps the kernel's clock right (ntp, chrony, the hypervisor); None when it can't be asked."""
    try:
        import ctypes  # not in every small Python

        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    except (ImportError, OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != TIME_ERROR)
