"""The agent's side of the link to the leading master: registration, messages, silence (contract items 5, 8, 10, 18, 24)."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Callable
from typing import Any

from mesos_standin import credentials, process, web, web_client

Json = dict[str, Any]
_REGISTER_SECONDS = 30.0  # a registration waits for a registry write, which may take 20 s
_LONGEST_PAUSE_SECONDS = 4.0
_SILENCE_SECONDS = 90.0  # five pings of 15 s and some grace


class Link:
    """Keeps the agent registered with whatever master is detected.

    `form` gives the registration message, `receive` takes the master's messages.
    """

    def __init__(self, credential: Json | None, form: Callable[[], Json], receive: Callable[[Json], None]) -> None:
        self.master: str | None = None
        self.registered = False
        self._credential = credential
        self._form = form
        self._receive = receive
        self._work: asyncio.Future[Any] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._silence: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        """host:port of the detected master."""
        return (self.master or "").partition("@")[2]

    def detected(self, pid: str | None) -> None:
        """A new leading master, or None when there is none any more."""
        if pid == self.master:
            return
        self.master = pid
        if self._work:
            self._work.cancel()
        self.drop()
        if pid is None:
            process.info("Lost leading master")
            return
        process.info(f"New master detected at {pid}")
        if not self._credential:
            process.info("No credentials provided. Attempting to register without authentication")
        self._work = process.start(self._stay_registered(pid))

    def drop(self) -> None:
        """Closes the link; the agent registers again if its master is still the detected one."""
        self.registered = False
        if self._writer:
            self._writer.close()
            self._writer = None
        if self._silence:
            self._silence.cancel()

    def pinged(self, master: str, connected: bool) -> None:
        """The master pinged this agent; `connected` says whether it thinks the link is open."""
        if master != self.master:
            return
        if self._silence:
            self._silence.cancel()
        self._silence = asyncio.get_running_loop().call_later(_SILENCE_SECONDS, self._silent)
        if self.registered and not connected:
            process.warning("Master marked the agent as disconnected; registering again")
            self.drop()

    def _silent(self) -> None:
        process.warning(f"No pings from master received within {_SILENCE_SECONDS:g}secs")
        self.drop()

    async def _stay_registered(self, pid: str) -> None:
        pause = random.uniform(0.05, 0.5)  # noqa: S311 - spreads agents after an election, as the real backoff does
        while True:
            await asyncio.sleep(pause)
            try:
                link = await web_client.open_stream(self.address, "/standin/agent", self._message(), _REGISTER_SECONDS)
            except web_client.Unreachable as error:
                process.warning(f"Failed to link to '{self.address}', connect: {error}")
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                continue
            if link.response.status == 403:
                process.exit_with(f"Master {pid} refused authentication")
            if link.response.status == 200:
                await self._listen(link)
                process.warning("Master disconnected! Waiting for a new master to be elected")
                pause = 0.5
            else:
                link.writer.close()
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _listen(self, link: web_client.Connection) -> None:
        self._writer = link.writer
        self.registered = True
        self._silence = asyncio.get_running_loop().call_later(_SILENCE_SECONDS, self._silent)
        try:
            while True:
                chunk = await web.read_chunk(link.reader)
                if not chunk:
                    return
                self._receive(json.loads(chunk))
        except (OSError, EOFError, ValueError):
            return
        finally:
            self.drop()

    def _message(self) -> Json:
        form = self._form()
        if not self._credential:
            return form
        nonce = str(uuid.uuid4())
        proof = credentials.proof(self._credential["secret"], nonce)
        return {**form, "principal": self._credential["principal"], "nonce": nonce, "proof": proof}

    def send(self, message: Json) -> None:
        """Sends a message to the master; without a master it is lost and whoever needs it sends it again."""
        if self.registered:
            process.start(self._post(message))

    async def _post(self, message: Json) -> bool:
        try:
            return (await web_client.post(self.address, "/standin/agent/message", message, 10.0)).status == 200
        except web_client.Unreachable as error:
            process.warning(f"Failed to send '{message['type']}' to '{self.address}': {error}")
            return False

    async def unregister(self, agent_id: str) -> None:
        """Tells the master that this agent leaves."""
        if self.registered:
            await self._post({"type": "UNREGISTER", "agent_id": agent_id})
