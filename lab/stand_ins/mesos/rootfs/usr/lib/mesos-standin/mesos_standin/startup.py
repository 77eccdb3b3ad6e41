"""What master and agent do alike before their real work: flags, log, address, socket."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Sequence

from mesos_standin import process, web
from mesos_standin.flags import FlagError, Flags, load, usage

Check = Callable[[Flags], None]


def flags_or_end(program: str, argv: Sequence[str], check: Check) -> Flags:
    """The flags of `master` or `agent`; prints and ends for --help, --version and everything Mesos refuses."""
    try:
        flags = load(program, argv, os.environ)
        if flags.on("help"):
            print(usage(program))
            process.end(0)
        if flags.on("version"):
            print(f"mesos {process.VERSION}")
            process.end(0)
        check(flags)
    except FlagError as error:
        print(f"{error}\n\nSee `mesos-{program} --help` for a list of supported flags.", file=sys.stderr)
        process.end(1)
    level = flags.text("logging_level")
    if level not in ("INFO", "WARNING", "ERROR"):
        print(
            f"'{level}' is not a valid logging level. Possible values for 'logging_level' flag are: 'INFO', 'WARNING', 'ERROR'.",
            file=sys.stderr,
        )
        process.end(1)
    process.configure_log(f"mesos-{program}", level, flags.text("log_dir"), flags.on("quiet"))
    for message in flags.warnings:
        process.warning(message)
    process.log_start(program)
    if os.environ.get("LIBPROCESS_SSL_ENABLED", "").lower() in ("1", "true"):
        process.exit_with("The stand-in has no TLS: unset LIBPROCESS_SSL_ENABLED")
    return flags


class Front:
    """The HTTP socket, open before there is anything to answer: 404 until `handler` is set (contract item 7)."""

    def __init__(self) -> None:
        self.handler: web.Handler | None = None

    async def answer(self, request: web.Request) -> web.Answer:
        """Answers with the handler once there is one."""
        return await self.handler(request) if self.handler else web.NOT_FOUND


async def listen(flags: Flags, front: Front) -> tuple[str, int]:
    """Binds and returns the address that others use; ends the process as libprocess does when it cannot (item 3)."""
    ip = flags.text("ip") or os.environ.get("LIBPROCESS_IP", "")
    if ip:
        try:
            ipaddress.ip_address(ip)
        except ValueError:
            reason = f"Failed to parse IP as either IPv4 or IPv6:{ip}"
            process.exit_with(f"Failed to load flag 'ip': Failed to load value '{ip}': {reason}")
    port = flags.number("port")
    try:
        _, port = await web.serve(front.answer, ip or "0.0.0.0", port)  # noqa: S104 - as the real one without --ip
    except OSError as error:
        problem = os.strerror(error.errno or 0)
        process.fatal(f"Failed to initialize: Failed to bind on {ip or '0.0.0.0'}:{port}: {problem}")  # noqa: S104
    if not ip or ip == "0.0.0.0":  # noqa: S104 - compared, not bound
        ip = await asyncio.to_thread(_own_address)
    return flags.text("advertise_ip") or ip, int(flags.text("advertise_port") or port)


def _own_address() -> str:
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"


def hostname(flags: Flags, ip: str) -> str:
    """--hostname, else the name of the address, else (or with --no-hostname_lookup) the address."""
    if flags.has("hostname"):
        return flags.text("hostname")
    return reverse_name(ip) if flags.on("hostname_lookup") else ip


def reverse_name(ip: str) -> str:
    """The name that the resolver has for an address, else the address."""
    try:
        return socket.gethostbyaddr(ip)[0]
    except OSError:
        return ip


def flags_line(flags: Flags) -> str:
    """All flags as the log shows them; a password inside zk:// is shown too, as with the real one (item 25)."""
    return "Flags at startup: " + " ".join(f'--{name}="{value}"' for name, value in sorted(flags.shown.items()))
