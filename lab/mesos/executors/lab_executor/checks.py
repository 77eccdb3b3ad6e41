"""One check of a task, by a command, HTTP or TCP: performed, and whether its result counts as healthy."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .kill import signal_tree

LOOPBACK = {"IPv4": "127.0.0.1", "IPv6": "::1"}

CLONE_NEWNET = 0x40000000


class CheckError(Exception):
    """The check could not be performed or took too long."""


@dataclass(frozen=True)
class Target:
    """Where a task's checks run."""

    #: what a command is put behind, such as `docker exec NAME`
    prefix: tuple[str, ...] = ()
    #: process whose network the check uses; None for the executor's own
    network_of: int | None = None


def perform(check: dict[str, Any], target: Target, timeout: float | None) -> dict[str, Any]:
    """Perform a CheckInfo or HealthCheck once: its CheckStatusInfo. CheckError if it has none, `timeout` in seconds."""
    kind = check.get("type", "UNKNOWN")
    if kind == "COMMAND":
        command = check["command"]
        return {"type": kind, "command": {"exit_code": _command(command.get("command", command), target, timeout)}}
    if kind == "HTTP":
        return {"type": kind, "http": {"status_code": _within(timeout, target, lambda: _http(check["http"], timeout))}}
    if kind == "TCP":
        return {"type": kind, "tcp": {"succeeded": _within(timeout, target, lambda: _tcp(check["tcp"], timeout))}}
    raise CheckError(f"unknown type of check {kind}")


def complaint(found: dict[str, Any]) -> str:
    """Why a result counts as unhealthy; empty if it is healthy."""
    if found["type"] == "COMMAND" and found["command"]["exit_code"]:
        return f"Command exited with status {found['command']['exit_code']}"
    if found["type"] == "HTTP" and not 200 <= found["http"]["status_code"] < 400:
        return f"Unexpected HTTP response code: {found['http']['status_code']}"
    if found["type"] == "TCP" and not found["tcp"]["succeeded"]:
        return "TCP connection failed"
    return ""


def _command(command: dict[str, Any], target: Target, timeout: float | None) -> int:
    value, arguments, shell = command.get("value"), command.get("arguments", []), command.get("shell", True)
    program = None
    if shell:
        argv = ["/bin/sh", "-c", value or ""]
    elif target.prefix:
        argv = [*([value] if value else []), *arguments]
    else:
        program, argv = value, arguments or [value]
    extra = {one["name"]: one.get("value", "") for one in command.get("environment", {}).get("variables", [])}
    try:
        process = subprocess.Popen([*target.prefix, *argv], executable=program, env={**os.environ, **extra}, stdin=subprocess.DEVNULL,
                                   stdout=2, stderr=2, start_new_session=True)
    except OSError as error:
        raise CheckError(f"Failed to create subprocess: {error}") from None
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        signal_tree(process.pid, signal.SIGKILL)
        process.wait()
        raise CheckError(f"Command timed out after {timeout:g} s") from None
    if code < 0:
        raise CheckError(f"Command terminated with signal {signal.strsignal(-code)}")
    return code


def _within(timeout: float | None, target: Target, act: Callable[[], Any]) -> Any:
    """Call `act` in the target's network, at most `timeout` seconds.

    A thread of its own: only that thread changes its network namespace, and one that hangs is left behind.
    """
    outcome: list[Any] = []

    def run() -> None:
        try:
            if target.network_of is not None:
                _enter_network(target.network_of)
            outcome.append(act())
        except Exception as error:  # a server may answer anything
            outcome.append(CheckError(str(error) or type(error).__name__))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(timeout)
    if not outcome:
        raise CheckError(f"timed out after {timeout:g} s")
    if isinstance(outcome[0], CheckError):
        raise outcome[0]
    return outcome[0]


def _enter_network(pid: int) -> None:
    """Move the calling thread into the network namespace of a process."""
    with open(f"/proc/{pid}/ns/net", "rb") as namespace:  # noqa: PTH123 - only the descriptor is wanted
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
            raise CheckError(f"failed to enter the network namespace of process {pid}: {os.strerror(ctypes.get_errno())}")


def _http(http: dict[str, Any], timeout: float | None) -> int:
    """The status code of a GET; redirects are followed and certificates not verified, as Mesos has it."""
    host = LOOPBACK[http.get("protocol", "IPv4")]
    address = f"{http.get('scheme', 'http')}://{f'[{host}]' if ':' in host else host}:{http['port']}{http.get('path', '')}"
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting))
    try:
        with opener.open(address, timeout=timeout) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def _tcp(tcp: dict[str, Any], timeout: float | None) -> bool:
    try:
        socket.create_connection((LOOPBACK[tcp.get("protocol", "IPv4")], tcp["port"]), timeout).close()
    except OSError:
        return False
    return True
