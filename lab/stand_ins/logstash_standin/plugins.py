"""The plugins at work: inputs give events to `push`, filters change them, outputs take them or raise OSError."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
import ssl
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .event import Event, drop, get, now, put, render
from .language import ConfigurationError, Plugin

Push = Callable[[Event], None]

_QUIET_SECONDS = 2.0


def decode(codec: Plugin, line: str) -> Event:
    """One event from one line. A line that is not a JSON object is kept as a message with a tag, so nothing is lost."""
    event: Any = {"message": line}
    if codec.name in ("json", "json_lines"):
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            event = {"message": line, "tags": ["_jsonparsefailure"]}
    return {"@timestamp": now(), "@version": "1", **event}


def encode(codec: Plugin, event: Event) -> str:
    """One line (several for rubydebug) for one event."""
    if codec.name in ("line", "plain"):
        return render(event, str(codec.settings.get("format", "%{message}")))
    return json.dumps(event, ensure_ascii=False, indent=4 if codec.name == "rubydebug" else None)


#: What a client without a certificate meets, by `ssl_client_authentication`.
_ASKS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_HANDSHAKE_SECONDS = 10.0


def tls(settings: dict[str, Any]) -> ssl.SSLContext | None:
    """How an input speaks TLS, None where it does not.

    Raises ConfigurationError as the real plugin does when it starts, and OSError for a file that it can't read.
    """
    if not settings.get("ssl_enabled", False):
        return None
    asks = str(settings.get("ssl_client_authentication", "required"))
    if asks not in _ASKS:
        raise ConfigurationError(f'Invalid setting for tcp input plugin: ssl_client_authentication: one of {[*_ASKS]}, not "{asks}"')
    if "ssl_certificate" not in settings or "ssl_key" not in settings:
        raise ConfigurationError("`ssl_certificate` and `ssl_key` are required when `ssl_enabled` is true")
    if asks != "none" and not settings.get("ssl_certificate_authorities"):
        raise ConfigurationError(f'`ssl_certificate_authorities` is required when `ssl_client_authentication` is "{asks}"')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings["ssl_certificate"], settings["ssl_key"])
    for path in settings.get("ssl_certificate_authorities", []):
        context.load_verify_locations(path)
    context.verify_mode = _ASKS[asks]
    return context


class Tcp:
    """Lines over TCP or TLS, one thread for each connection. Raises OSError when the address can't be bound or a file not be read."""

    def __init__(self, plugin: Plugin, push: Push) -> None:
        codec = plugin.settings.get("codec", Plugin("line", {}))
        self.connections: set[socket.socket] = set()
        connections = self.connections
        context = tls(plugin.settings)

        class Handler(socketserver.StreamRequestHandler):
            def setup(self) -> None:
                if context:
                    self.request.settimeout(_HANDSHAKE_SECONDS)
                    self.request = context.wrap_socket(self.request, server_side=True)
                    self.request.settimeout(None)
                super().setup()

            def handle(self) -> None:
                connections.add(self.connection)
                for line in self.rfile:
                    if line.strip():
                        event = decode(codec, line.rstrip(b"\r\n").decode(errors="replace"))
                        push({**event, **plugin.settings.get("add_field", {})})

            def finish(self) -> None:
                connections.discard(self.connection)
                super().finish()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                print(f"[WARN ][logstash.inputs.tcp] {client_address[0]}: {sys.exc_info()[1]}", flush=True)

        self.server = Server((plugin.settings.get("host", ""), plugin.settings["port"]), Handler)

    def start(self) -> None:
        """Take connections from now on."""
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Take no more connections; those that are open are told so, and read on for a quiet period, as Netty does."""
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as plain:  # the other side was quicker
                plain.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + _QUIET_SECONDS
        while self.connections and time.monotonic() < deadline:
            time.sleep(0.02)


class File:
    """Appends lines to files whose names may hold fields and dates."""

    def __init__(self, plugin: Plugin) -> None:
        self.pattern, self.codec = plugin.settings["path"], plugin.settings.get("codec", Plugin("json_lines", {}))

    def take(self, events: list[Event]) -> None:
        """Write the events. Raises OSError."""
        lines: dict[str, list[str]] = {}
        for event in events:
            lines.setdefault(render(event, self.pattern), []).append(encode(self.codec, event) + "\n")
        for name, texts in lines.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            with Path(name).open("a") as stream:
                stream.writelines(texts)


class Stdout:
    """Prints events."""

    def __init__(self, plugin: Plugin) -> None:
        self.codec = plugin.settings.get("codec", Plugin("rubydebug", {}))

    def take(self, events: list[Event]) -> None:
        """Print the events."""
        for event in events:
            print(encode(self.codec, event), flush=True)


class Elasticsearch:
    """Sends events to the first of `hosts` that takes them, in one bulk request."""

    def __init__(self, plugin: Plugin) -> None:
        self.hosts = plugin.settings.get("hosts", ["127.0.0.1:9200"])
        self.index = str(plugin.settings.get("index", "logs-generic-default"))

    def take(self, events: list[Event]) -> None:
        """Send the events. Raises OSError when no host took them."""
        lines = [json.dumps(part) for e in events for part in ({"create": {"_index": render(e, self.index)}}, e)]
        failure = OSError("no hosts")
        for host in self.hosts:
            url = (host if "://" in host else f"http://{host}") + "/_bulk"
            request = urllib.request.Request(url, "\n".join([*lines, ""]).encode())  # noqa: S310
            request.add_header("Content-Type", "application/x-ndjson")
            try:
                urllib.request.urlopen(request, timeout=60).close()  # noqa: S310
                return
            except OSError as error:
                failure = error
        raise failure


def mutate(plugin: Plugin, event: Event) -> bool:
    """Rename and replace fields; then the settings that every filter has."""
    for old, new in plugin.settings.get("rename", {}).items():
        if get(event, old) is not None:
            put(event, render(event, new), drop(event, old))
    for setting in ("replace", "add_field"):
        for name, value in plugin.settings.get(setting, {}).items():
            put(event, name, render(event, str(value)))
    for name in plugin.settings.get("remove_field", []):
        drop(event, name)
    for tag in plugin.settings.get("add_tag", []):
        event.setdefault("tags", []).append(tag)
    return True


INPUTS: dict[str, Callable[[Plugin, Push], Any]] = {"tcp": Tcp}
OUTPUTS: dict[str, Callable[[Plugin], Any]] = {"file": File, "stdout": Stdout, "elasticsearch": Elasticsearch}
FILTERS: dict[str, Callable[[Plugin, Event], bool]] = {"mutate": mutate, "drop": lambda plugin, event: False}
