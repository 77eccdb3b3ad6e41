"""Where ssh really connects to for a host, and through whom: as ssh itself says, so that ~/.ssh/config and all arguments count."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass

from provisioner.hosts.login import CONNECT_SECONDS, Login, host_options, no_ssh


@dataclass(frozen=True)
class Route:
    """`alias` is the name that a host's key is looked up by where it is another one.

    `through` is a shell command that carries the bytes where ssh does not connect itself, `by` what to call that in a message.
    """

    address: str
    port: int
    alias: str = ""
    through: str = ""
    by: str = ""

    @property
    def known_as(self) -> str:
        """The host's name in known_hosts."""
        return self.alias or (self.address if self.port == 22 else f"[{self.address}]:{self.port}")


class NoRouteError(Exception):
    """ssh does not accept how it is told to reach a host; the text is its own."""


def route_to(found: Login) -> Route:
    """Ask ssh. Raises NoRouteError, and UsageError when ssh can't be started."""
    command = [found.program, "-G", *host_options(found), found.address]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CONNECT_SECONDS, check=True)
    except OSError as error:
        raise no_ssh(found, error) from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise NoRouteError(str(error.stderr or error).strip()) from None
    return read_route(done.stdout, found)


def read_route(settings: str, found: Login) -> Route:
    """The route in what `ssh -G` prints."""
    values = {name: value for name, _, value in (line.partition(" ") for line in settings.splitlines())}
    address, port = values["hostname"], int(values["port"])
    alias, jump, proxy = (values.get(name, "none") for name in ("hostkeyalias", "proxyjump", "proxycommand"))
    way = Route(address, port, "" if alias == "none" else alias)
    if jump != "none":
        hosts = f"the jump hosts {jump.replace(',', ', ')}" if "," in jump else f"the jump host {jump}"
        return Route(way.address, way.port, way.alias, _jump(jump, way, found), hosts)
    if proxy != "none":
        tokens = {"%%": "%", "%h": address, "%n": found.address, "%p": str(port), "%r": values.get("user", "")}
        for token, text in tokens.items():
            proxy = proxy.replace(token, text)
        return Route(way.address, way.port, way.alias, f"exec {proxy}", f"ProxyCommand '{proxy}'")
    return way


def complaint(route: Route, timeout: float) -> bytes:
    """What the program says that is to carry the bytes: it is tried once more, with nothing to carry, for so many seconds."""
    try:
        return subprocess.run(["sh", "-c", route.through], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              timeout=timeout, start_new_session=True, check=False).stderr
    except subprocess.TimeoutExpired as error:
        return error.stderr or b""


def _jump(hops: str, to: Route, found: Login) -> str:
    """The command that a ProxyJump stands for: the last hop forwards, the others are jumped through on the way."""
    *before, last = hops.split(",")
    destination = last if last.startswith("ssh://") else f"ssh://{last}"  # the form that may hold a port and brackets
    earlier = ["-J", ",".join(before)] if before else []
    config = found.told.get("-f")  # ssh hands it on to the ssh that reaches a jump host
    return shlex.join(["ssh", *(("-F", config) if config else ()), "-o", "BatchMode=yes", "-o", f"ConnectTimeout={found.connect_seconds:g}",
                       *earlier, "-W", f"[{to.address}]:{to.port}", destination])
