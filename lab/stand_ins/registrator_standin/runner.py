"""The command: read the flags, reach Consul, then follow Docker's events."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

from . import VERSION
from .bridge import Bridge, log
from .consul import Consul
from .flags import parse
from .http import Endpoint


def main(argv: list[str]) -> int:
    """Run `registrator` with these arguments; returns its exit code."""
    if argv[1:] == ["--version"]:
        print(VERSION)
        return 0
    # As process 1 of a container nothing stops us but a handler; a Go program leaves with 2 then.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(2))
    log(f"Starting registrator {VERSION} ...")
    flags, uri = parse(argv[0], argv[1:])
    try:
        _check(flags)
        consul = Consul(uri)
        log(f"Using {uri.split(':')[0]} adapter: {uri}")
        _reach(consul, flags)
        docker = Endpoint(os.environ.get("DOCKER_HOST") or "unix:///tmp/docker.sock", 2375)
        _follow(Bridge(docker, consul, flags), docker)
    except (ValueError, OSError) as error:
        log(str(error))
    return 1


def _check(flags: dict[str, Any]) -> None:
    if bool(flags["ttl"]) != bool(flags["ttl-refresh"]):
        raise ValueError("-ttl and -ttl-refresh must be specified together or not at all")
    if flags["ttl"] and flags["ttl"] <= flags["ttl-refresh"]:
        raise ValueError("-ttl must be greater than -ttl-refresh")
    if flags["retry-interval"] <= 0:
        raise ValueError("-retry-interval must be greater than 0")
    if flags["deregister"] not in ("always", "on-success"):
        raise ValueError('-deregister must be "always" or "on-success"')
    if "{{" in flags["tags"]:
        raise ValueError("the stand-in knows no templates in -tags")


def _reach(consul: Consul, flags: dict[str, Any]) -> None:
    attempt = 0
    while True:
        log(f"Connecting to backend ({attempt}/{flags['retry-attempts']})")
        try:
            log(f"consul: current leader  {consul.leader()}")
            return
        except OSError:
            if attempt == flags["retry-attempts"]:
                raise
        time.sleep(flags["retry-interval"] / 1000)
        attempt += 1


def _follow(bridge: Bridge, docker: Endpoint) -> None:
    """Returns when Docker ends the stream of events. Raises OSError."""
    # `since`: what happens while the containers are listed is told as well.
    events = docker.lines(f"/events?since={int(time.time())}")
    log("Listening for Docker events ...")
    bridge.sync()
    if bridge.flags["resync"]:
        threading.Thread(target=_resync, args=(bridge,), daemon=True).start()
    for event in events:
        kind, action = event.get("Type", "container"), event.get("Action") or event.get("status")
        identity = event.get("id") or event.get("Actor", {}).get("ID", "")
        if kind == "container" and action in ("start", "die"):
            (bridge.add if action == "start" else bridge.remove)(identity)
    log("Docker event loop closed")


def _resync(bridge: Bridge) -> None:
    while True:
        time.sleep(bridge.flags["resync"])
        try:
            bridge.sync()
        except OSError as error:
            log(f"error listing containers, skipping sync: {error}")
