"""libprocess messages between the agent and a v0 executor.

The agent's Docker containerizer recovers only containers whose executor has a libprocess address. A message is an HTTP request to
/<name of the process>/mesos.internal.<Message>; the sender's address stands in a header.
"""

from __future__ import annotations

import base64
import http.client
import http.server
import socket
import threading
from typing import Any

from .log import log
from .messages import RECEIVED, SENT
from .runner import Status
from .settings import Settings
from .task import TaskExecutor, later
from .wire import decode, encode, split

PATIENCE = 10.0

#: Bytes of one message at most, and of a line of its encoding.
LARGEST, LONGEST_LINE = 64 << 20, 1024

TASK_OF_RUN_TASK = 4


class AgentV0:
    """Connects a task executor with its agent; after a restart, the agent asks for what it has missed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._agent = settings.agent_pid
        self._connection = 0
        self._task_bytes = ""
        self._link = self._connect()
        handler = type("Handler", (Handler,), {"agent": self})
        self._server = http.server.ThreadingHTTPServer((self._link.getsockname()[0], 0), handler)
        self._server.daemon_threads = True
        self._me = f"executor(1)@{self._link.getsockname()[0]}:{self._server.server_port}"
        self._identity = {"framework_id": {"value": settings.framework_id}, "executor_id": {"value": settings.executor_id},
                          "slave_id": {"value": settings.agent_id}}

    def run(self, executor: TaskExecutor) -> None:
        """Hand the agent's messages to the executor, for ever."""
        self._executor = executor
        self._watch()
        try:
            self._post("RegisterExecutorMessage", self._identity)
        except OSError as error:
            log(f"the agent does not take the registration: {error}")
            executor.end(1)
            return
        self._server.serve_forever()

    def _connect(self) -> socket.socket:
        host, _, port = self._agent.partition("@")[2].rpartition(":")
        link = socket.create_connection((host, int(port)), PATIENCE)
        link.settimeout(None)
        return link

    def _watch(self) -> None:
        """Notice the end of the connection, on which the agent sends nothing."""
        self._connection += 1
        threading.Thread(target=self._wait_for_end, args=(self._link, self._connection), daemon=True).start()

    def _wait_for_end(self, link: socket.socket, number: int) -> None:
        try:
            while link.recv(4096):
                continue
        except OSError as error:
            log(f"the connection to the agent broke: {error}")
        if number != self._connection:
            return
        if not self._settings.checkpoint:
            log("the agent is gone, and the framework does not checkpoint")
            self._executor.orphaned()
            return
        log(f"the agent is gone; waiting {self._settings.recovery_timeout:g} s for it")
        later(self._settings.recovery_timeout, lambda: self._give_up(number))

    def _give_up(self, number: int) -> None:
        if number == self._connection:
            log("the agent did not come back in time")
            self._executor.orphaned()

    def send(self, status: Status) -> None:
        """Send an update; when the agent can't be reached it goes with the next registration."""
        try:
            self._post("StatusUpdateMessage", {"update": self._update(status), "pid": self._me})
        except OSError as error:
            log(f"an update is kept for later: {error}")

    def _update(self, status: Status) -> dict[str, Any]:
        return {**self._identity, "status": {**status, "slave_id": self._identity["slave_id"]}, "timestamp": status["timestamp"],
                "uuid": status["uuid"]}

    def _post(self, name: str, values: dict[str, Any]) -> None:
        process, _, address = self._agent.partition("@")
        connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        try:
            connection.request("POST", f"/{process}/mesos.internal.{name}", encode(values, SENT[name]),
                               {"Libprocess-From": self._me, "Content-Type": "application/octet-stream"})
            answer = connection.getresponse()
            if answer.status != 202:
                raise OSError(f"the agent answered {answer.status}")
        except http.client.HTTPException as error:
            raise OSError(f"the agent gave no answer: {error}") from None
        finally:
            connection.close()

    def received(self, name: str, body: bytes, sender: str) -> None:
        """One message of the agent, by its name."""
        if name not in RECEIVED:
            return
        message = decode(body, RECEIVED[name])
        if name == "ReconnectExecutorMessage":
            self._reconnect(sender)
        elif name == "ExecutorRegisteredMessage":
            self._executor.handle({"type": "SUBSCRIBED", "subscribed": message})
        elif name == "RunTaskMessage":
            task = next(value for number, value in split(body) if number == TASK_OF_RUN_TASK and isinstance(value, bytes))
            self._task_bytes = base64.b64encode(task).decode()
            self._executor.handle({"type": "LAUNCH", "launch": message})
        elif name == "KillTaskMessage":
            self._executor.handle({"type": "KILL", "kill": message})
        elif name == "StatusUpdateAcknowledgementMessage":
            self._executor.handle({"type": "ACKNOWLEDGED", "acknowledged": message})
        elif name == "ShutdownExecutorMessage":
            self._executor.handle({"type": "SHUTDOWN"})

    def _reconnect(self, sender: str) -> None:
        """Register with an agent that was restarted, with all that it has not acknowledged."""
        log("registering with the restarted agent")
        self._agent = sender or self._agent
        tasks, updates = self._executor.unacknowledged()
        try:
            self._link.close()
            self._link = self._connect()
            self._watch()
            self._post("ReregisterExecutorMessage", {**self._identity, "tasks": [self._task_bytes for _ in tasks],
                                                     "updates": [self._update(one) for one in updates]})
        except OSError as error:
            log(f"the agent does not take the registration: {error}")


class Handler(http.server.BaseHTTPRequestHandler):
    """Takes libprocess' messages."""

    protocol_version = "HTTP/1.1"
    agent: AgentV0

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the log is the task's."""

    def do_POST(self) -> None:
        """Accept a message, then act on it: libprocess does not wait."""
        try:
            body = self._chunks() if self.headers.get("Transfer-Encoding") == "chunked" else self._read(
                int(self.headers.get("Content-Length", 0)))
        except ValueError as error:
            self.send_error(400, str(error))
            return
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        sender = self.headers.get("Libprocess-From") or self.headers.get("User-Agent", "").partition("libprocess/")[2]
        try:
            self.agent.received(self.path.rpartition("mesos.internal.")[2], body, sender)
        except (ValueError, KeyError) as error:
            log(f"a message of the agent was not understood: {error}")

    def _read(self, size: int) -> bytes:
        if not 0 <= size <= LARGEST:
            raise ValueError("the message is too large")
        return self.rfile.read(size)

    def _chunks(self) -> bytes:
        body = b""
        while True:
            size = int(self.rfile.readline(LONGEST_LINE).partition(b";")[0], 16)
            body += self._read(size)
            self.rfile.readline(LONGEST_LINE)
            if not size:
                return body
            if len(body) > LARGEST:
                raise ValueError("the message is too large")
