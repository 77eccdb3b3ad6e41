"""Docker Engine's API on its socket."""

from typing import Any
from urllib.parse import quote

from .answer import UnhealthyError
from .web import Reply, get

SOCKET = "/var/run/docker.sock"


def engine(path: str) -> Reply:
    """GET `path` without an API version: every engine answers in its newest."""
    return get(SOCKET, path)


def container(name: str) -> "dict[str, Any]":
    """Inspect a container. Raises UnhealthyError when it does not exist or does not run."""
    reply = engine(f"/containers/{quote(name)}/json")
    if reply.status == 404:
        raise UnhealthyError(f"there is no container {name}")
    found: dict[str, Any] = reply.json()
    state = found.get("State", {})
    if not state.get("Running"):
        code = state.get("ExitCode")
        raise UnhealthyError("the container {} is {} (exit code {})".format(name, state.get("Status"), code))
    return found


def image_of(found: "dict[str, Any]") -> str:
    """The name of the image that a container was started from."""
    return str(found.get("Config", {}).get("Image", ""))


def environment(found: "dict[str, Any]") -> "dict[str, str]":
    """The environment of a container."""
    return dict(pair.split("=", 1) for pair in found.get("Config", {}).get("Env") or [] if "=" in pair)
