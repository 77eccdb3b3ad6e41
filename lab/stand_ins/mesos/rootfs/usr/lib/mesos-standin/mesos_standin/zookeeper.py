"""ZooKeeper through kazoo's threads, seen from asyncio: one session, watched directories, ephemeral members."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException, NoAuthError
from kazoo.security import CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, make_acl

from mesos_standin import process

_URL = re.compile(r"zk://(?:(?P<auth>[^@/]*)@)?(?P<hosts>[^/]+)(?P<path>/.*)?")
PREFIX = "json.info_"


class UrlError(Exception):
    """A ZooKeeper address that Mesos refuses."""


@dataclass(frozen=True)
class ZkUrl:
    """zk://user:secret@host:port,host:port/path; path has no trailing slash."""

    hosts: str
    path: str
    auth: str | None


def parse_url(text: str) -> ZkUrl:
    """Takes a zk:// address apart; UrlError with Mesos' words when scheme or path is missing."""
    match = _URL.fullmatch(text.strip())
    if not match:
        raise UrlError("Expecting 'zk://' at the beginning of the URL")
    path = (match["path"] or "").rstrip("/")
    if not path:
        raise UrlError("Expecting a (chroot) path for ZooKeeper ('/' is not supported)")
    return ZkUrl(match["hosts"], path, match["auth"])


class Session:
    """One ZooKeeper session. It is `lost` when there was no connection for the session's time or it expired."""

    def __init__(self, url: ZkUrl, seconds: float) -> None:
        self.url = url
        self.connected = False
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(1)
        self._timer: asyncio.TimerHandle | None = None
        self._directories: list[Directory] = []
        self._joins: list[Callable[[], Any]] = []
        self._joined_session = 0
        self.on_lost: Callable[[], None] = lambda: None
        retry = {"max_tries": -1, "delay": 0.1, "max_delay": 1}
        auth = [("digest", url.auth if ":" in url.auth else f"{url.auth}:")] if url.auth else None
        self.client = KazooClient(url.hosts, timeout=seconds, auth_data=auth, connection_retry=retry)
        self.client.add_listener(lambda state: self._loop.call_soon_threadsafe(self._changed, state))

    @property
    def acl(self) -> Any:
        """World-readable and the creator's when there is a password, else open, as recorded in znodes-*.json."""
        return [make_acl("world", "anyone", read=True), *CREATOR_ALL_ACL] if self.url.auth else OPEN_ACL_UNSAFE

    def start(self) -> None:
        """Begins to connect, for as long as it takes."""
        self.client.start_async()

    def member(self, directory: str, name: str, data: bytes) -> None:
        """Keeps an ephemeral sequential znode in `directory` for as long as there is a session."""
        self._joins.append(functools.partial(self._create, directory, name, data))

    def watch(self, directory: str, prefix: str, changed: Callable[[dict[str, bytes]], None]) -> None:
        """Calls `changed` with name -> data of all children with the prefix, and with {} when the session is lost."""
        self._directories.append(Directory(self, directory, prefix, changed))

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Runs a blocking kazoo call outside the event loop."""
        return await self._loop.run_in_executor(self._pool, functools.partial(function, *args))

    def later(self, work: Callable[[], Any]) -> None:
        """Starts a coroutine from any thread."""
        self._loop.call_soon_threadsafe(lambda: process.start(work()))

    def _changed(self, state: str) -> None:
        self.connected = state == KazooState.CONNECTED
        if self.connected:
            if self._timer:
                self._timer.cancel()
            process.start(self._ready())
        elif state == KazooState.LOST:
            self._lose()
        else:
            process.warning("Lost connection to ZooKeeper, attempting to reconnect ...")
            self._timer = self._loop.call_later(self._seconds, self._lose)

    def _lose(self) -> None:
        if not self.connected:
            self.on_lost()
            for directory in self._directories:
                directory.forget()

    async def _ready(self) -> None:
        session = (self.client.client_id or (0, b""))[0]
        try:
            for directory in {watched.path for watched in self._directories}:
                await self.call(self.client.ensure_path, directory, self.acl)
            if session != self._joined_session:
                self._joined_session = session
                for join in self._joins:
                    await self.call(join)
        except NoAuthError:
            where = f"{self.url.path}/log_replicas/"
            process.exit_with(
                f"Failed to participate in ZooKeeper group: Failed to create ephemeral node at '{where}' in ZooKeeper: not authenticated"
            )
        except KazooException as error:
            self._joined_session = 0
            process.warning(f"ZooKeeper: {type(error).__name__}; retrying when it is connected again")
            return
        for watched in self._directories:
            await watched.refresh()

    def _create(self, directory: str, name: str, data: bytes) -> None:
        self.client.create(f"{directory}/{name}", data, acl=self.acl, ephemeral=True, sequence=True)


class Directory:
    """The children of one znode with their data, kept current by watches."""

    def __init__(self, session: Session, path: str, prefix: str, changed: Callable[[dict[str, bytes]], None]) -> None:
        self.path = path
        self._session = session
        self._prefix = prefix
        self._report = changed
        self._known: dict[str, bytes] = {}
        self._lock = asyncio.Lock()

    async def refresh(self) -> None:
        """Reads the children again and reports them; without a connection the next one does it."""
        client = self._session.client
        async with self._lock:
            try:
                names = await self._session.call(client.get_children, self.path, self._event)
                known = {}
                for name in sorted(name for name in names if name.startswith(self._prefix)):
                    known[name] = self._known.get(name) or await self._data(name)
            except KazooException:
                return
            self._known = {name: data for name, data in known.items() if data}
            self._report(self._known)

    def forget(self) -> None:
        """Reports that nothing is known any more."""
        self._known = {}
        self._report({})

    async def _data(self, name: str) -> bytes:
        data: bytes = (await self._session.call(self._session.client.get, f"{self.path}/{name}"))[0]
        return data

    def _event(self, _event: Any) -> None:
        if self._session.connected:
            self._session.later(self.refresh)
