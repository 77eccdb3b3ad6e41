"""A scheduler's side of the Mesos v1 scheduler API: JSON over HTTP, events in RecordIO framing."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import logging
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

LOG = logging.getLogger("mesos")
API = "/api/v1/scheduler"
RETRY_SECONDS = 1.0
CONNECT_SECONDS = 15
DETECT_SECONDS = 2.0
#: A master that was silent for this many heartbeat intervals is lost.
MISSED_HEARTBEATS = 3
Event = dict[str, Any]


class RefusedError(Exception):
    """The master will never take this framework as it is: its credentials are wrong, or its settings."""


class RemovedError(RefusedError):
    """The framework was torn down, or was away for longer than its failover timeout: its id is worth nothing any more."""


def records(stream: BinaryIO) -> Iterator[bytes]:
    """The records of a RecordIO stream: decimal length, newline, that many bytes. Ends with the stream."""
    while line := stream.readline():
        if not line.strip():
            continue
        size = int(line)
        data = stream.read(size)
        if len(data) < size:
            return
        yield data


@dataclass(frozen=True)
class Credential:
    """How a framework proves who it is; an empty principal means it does not."""

    principal: str = ""
    secret: str = ""

    def headers(self) -> dict[str, str]:
        """The HTTP header that carries it."""
        if not self.principal:
            return {}
        token = base64.b64encode(f"{self.principal}:{self.secret}".encode()).decode()
        return {"Authorization": f"Basic {token}"}


class MesosScheduler:
    """One subscription that is renewed for ever, and the calls that go with it.

    `framework_info` has no id before the first registration; `on_event` gets every event in the order of the stream,
    SUBSCRIBED first; `on_disconnected` runs when the master that had registered the framework leads no longer. Both run in the
    thread of `run`.

    The native driver of the real programs does not hear of its framework's removal, because the master sends it no word;
    here the stream ends. So what happens then is theirs: nothing, until `heartbeat_seconds` without a sign of the master are
    taken for a disconnection (Marathon), or for ever (Chronos, infinity), or until the master changes.
    """

    def __init__(
        self, detect: Callable[[], str], framework_info: dict[str, Any], credential: Credential,
        on_event: Callable[[Event], None], on_disconnected: Callable[[], None], heartbeat_seconds: float = math.inf,
    ) -> None:
        self._detect, self.framework_info, self._credential = detect, framework_info, credential
        self.on_event, self._on_disconnected, self._heartbeat_seconds = on_event, on_disconnected, heartbeat_seconds
        self._stream_id = ""
        self._lock = threading.Lock()
        self._registered_with = ""
        self.master = ""

    @property
    def framework_id(self) -> str:
        """The id that the master gave, "" before the first registration."""
        return str(self.framework_info.get("id", {}).get("value", ""))

    def run(self) -> None:
        """Subscribes again whenever the stream ends. Raises RefusedError, and RemovedError when it subscribes with a removed id."""
        while True:
            leading = self._detect()
            if self._registered_with not in ("", leading):
                self._disconnected()
            try:
                if leading:
                    self._subscribe(leading)
            except RemovedError:
                if not self._registered_with:
                    raise
                self._go_on_without_a_word(leading)
            except (OSError, http.client.HTTPException, ValueError) as error:
                LOG.warning("Lost the Mesos master %s: %r", leading, error)
            self.master = ""
            time.sleep(RETRY_SECONDS)

    def _disconnected(self) -> None:
        LOG.warning("Disconnected")
        self._registered_with = ""
        self._on_disconnected()

    def _go_on_without_a_word(self, leading: str) -> None:
        self.master = ""
        deadline = time.monotonic() + self._heartbeat_seconds
        while self._detect() == leading and time.monotonic() < deadline:
            time.sleep(RETRY_SECONDS)
        self._disconnected()

    def call(self, kind: str, **body: Any) -> bool:
        """Sends one call; False when no master took it (it is then not done and has to be made again later)."""
        with self._lock:
            master, stream_id = self.master, self._stream_id
        if not master:
            return False
        message = {"type": kind, "framework_id": {"value": self.framework_id}, **body}
        connection = http.client.HTTPConnection(master, timeout=10)
        try:
            answer = self._post(connection, message, {"Mesos-Stream-Id": stream_id})
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            LOG.warning("%s failed: %r", kind, error)
            return False
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.ACCEPTED:
            LOG.warning("%s was answered with %s %s", kind, answer.status, text)
        return answer.status == http.HTTPStatus.ACCEPTED

    def _subscribe(self, target: str) -> None:
        connection = http.client.HTTPConnection(target, timeout=CONNECT_SECONDS)
        connection.connect()
        try:
            # Kept: the connection forgets its socket when the answer says "Connection: close".
            stream_socket = connection.sock
            answer = self._post(connection, {"type": "SUBSCRIBE", **self._subscription()}, {})
            if answer.status == http.HTTPStatus.OK:
                self._listen(target, stream_socket, answer)
                return
            text = answer.read().decode(errors="replace")
            if answer.status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
                raise RefusedError(f"Received '{answer.status} {answer.reason}' ({text}) for SUBSCRIBE")
            LOG.warning("Received '%s %s' (%s) for SUBSCRIBE", answer.status, answer.reason, text)
        finally:
            connection.close()

    def _subscription(self) -> dict[str, Any]:
        known = {"framework_id": self.framework_info["id"]} if self.framework_id else {}
        return {**known, "subscribe": {"framework_info": self.framework_info, "force": True}}

    def _listen(self, target: str, stream_socket: socket.socket, answer: http.client.HTTPResponse) -> None:
        with self._lock:
            self.master, self._stream_id = target, answer.getheader("Mesos-Stream-Id", "")
        ended = threading.Event()
        threading.Thread(target=self._leave_old_master, args=(target, stream_socket, ended), daemon=True).start()
        try:
            self._follow(target, stream_socket, answer)
        finally:
            ended.set()

    def _follow(self, target: str, stream_socket: socket.socket, answer: http.client.HTTPResponse) -> None:
        for record in records(answer):
            event = json.loads(record)
            if event["type"] == "SUBSCRIBED":
                self._registered_with = target
                self.framework_info["id"] = event["subscribed"]["framework_id"]
                interval = float(event["subscribed"].get("heartbeat_interval_seconds", 15))
                stream_socket.settimeout(interval * MISSED_HEARTBEATS)
            elif event["type"] == "ERROR":
                message = event.get("error", {}).get("message", "the master reported an error")
                raise RemovedError(message) if "Framework has been removed" in message else RefusedError(message)
            if event["type"] != "HEARTBEAT":
                self.on_event(event)

    def _leave_old_master(self, target: str, stream_socket: socket.socket, ended: threading.Event) -> None:
        """Ends the stream of a master that another one has replaced: a frozen one would not say so itself."""
        while not ended.wait(DETECT_SECONDS):
            if self._detect() != target:
                with contextlib.suppress(OSError):
                    stream_socket.shutdown(socket.SHUT_RDWR)
                return

    def _post(
        self, connection: http.client.HTTPConnection, message: dict[str, Any], headers: dict[str, str],
    ) -> http.client.HTTPResponse:
        fixed = {"Content-Type": "application/json", "Accept": "application/json", **self._credential.headers()}
        connection.request("POST", API, json.dumps(message), {**fixed, **headers})
        return connection.getresponse()
