"""ZooKeeper: the session, the leader latch in Curator's layout, and finding the leading Mesos master."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException, NoAuthError, NoNodeError, SessionExpiredError
from kazoo.security import ACL

from mesos_framework.urls import ZkUrl, leading_master, parse_zk

LOG = logging.getLogger("election")
REFRESH_SECONDS = 5.0
SESSION_SECONDS = 10.0
RETRY_SECONDS = 1.0
_SEQUENCE = re.compile(r"(\d+)$")


def connect(url: ZkUrl, on_lost: Callable[[], None], acl: Sequence[ACL] = (), *, patient: bool = True) -> KazooClient:
    """An open session; `on_lost` runs once when it ends, or, if not `patient`, when its server is away for a moment.

    `acl` is what nodes get that are made with credentials. Raises kazoo's timeout error when no server answers.
    """
    auth = [("digest", url.auth)] if url.auth else None
    client = KazooClient(
        hosts=url.hosts, timeout=SESSION_SECONDS, auth_data=auth, default_acl=list(acl) if auth and acl else None,
        connection_retry={"max_tries": -1, "max_delay": 2}, command_retry={"max_tries": 5, "max_delay": 2},
    )

    def watch(state: str) -> None:
        if state == KazooState.LOST or (state == KazooState.SUSPENDED and not patient):
            # Not in this thread: it belongs to kazoo, which must stay free to finish what is under way.
            threading.Thread(target=on_lost, daemon=True).start()

    client.start(timeout=SESSION_SECONDS * 3)
    client.add_listener(watch)
    return client


def leader_of(names: Iterable[str]) -> str:
    """The node with the lowest sequence number: it leads."""
    numbered = [(int(m[1]), name) for name in names if (m := _SEQUENCE.search(name))]
    return min(numbered)[1] if numbered else ""


class LeaderLatch:
    """A member of an election; its znode holds `identity` ("host:port"). The ACLs are those of the election and of a member's node."""

    def __init__(self, client: KazooClient, path: str, identity: str, path_acl: Sequence[ACL], node_acl: Sequence[ACL]) -> None:
        self._client, self._path, self._identity = client, path, identity
        self._path_acl, self._node_acl = list(path_acl), list(node_acl)
        self._changed = threading.Event()
        self._node = ""
        self.leader = ""
        self.elected = False

    def enter(self) -> None:
        """Puts the member's node into the election."""
        self._client.ensure_path(self._path, acl=self._path_acl)
        name = f"{self._path}/_c_{uuid.uuid4()}-latch-"
        made = self._client.create(name, self._identity.encode(), acl=self._node_acl, ephemeral=True, sequence=True)
        self._node = made.rsplit("/", 1)[-1]

    def leave(self) -> None:
        """Takes the member's node out, so that the next in line leads at once."""
        if self._node:
            self._client.delete(f"{self._path}/{self._node}")

    def follow(self, on_elected: Callable[[], None], on_defeated: Callable[[], None]) -> None:
        """Keeps `leader` and `elected` right for ever; both functions run in this thread."""
        while True:
            self._changed.clear()
            try:
                turned = self.look()
            except SessionExpiredError:
                return
            except KazooException as error:
                LOG.warning("Cannot read the election: %r", error)
                self.leader = ""
                time.sleep(RETRY_SECONDS)
                continue
            if turned:
                (on_elected if self.elected else on_defeated)()
            self._changed.wait(REFRESH_SECONDS)

    def look(self) -> bool:
        """Reads the election once: whether `elected` changed. A leader that may not read it takes that for the loss of its leadership."""
        names = self._client.get_children(self._path, watch=lambda _event: self._changed.set())
        try:
            found = self._participants(names)
        except NoAuthError as error:
            LOG.error("Error while getting current leader: %r", error)
            found = {}
        first, before = leader_of(found), self.elected
        self.leader, self.elected = found.get(first, ""), bool(first) and first == self._node
        if self.elected and not before:
            LOG.info("Leader won: %s", self._identity)
        return self.elected != before

    def _participants(self, names: Iterable[str]) -> dict[str, str]:
        """Who takes part, by node; as in Curator one node that cannot be read spoils the whole answer."""
        found = {}
        for name in names:
            with contextlib.suppress(NoNodeError):
                found[name] = self._client.get(f"{self._path}/{name}")[0].decode()
        return found


class MasterDetector:
    """Where the leading Mesos master is: `zk://...` is asked each time, `host:port` is taken as it is."""

    def __init__(self, master: str, on_lost: Callable[[], None]) -> None:
        self._url = parse_zk(master) if master.startswith("zk://") else None
        self._known = "" if self._url else master.removeprefix("http://").rstrip("/")
        self._client = connect(self._url, on_lost) if self._url else None

    def detect(self) -> str:
        """`ip:port`, or "" when no master leads; the last answer while ZooKeeper gives none."""
        if self._client and self._url:
            try:
                names = self._client.get_children(self._url.path)
                nodes = {n: self._client.get(f"{self._url.path}/{n}")[0] for n in names if n.startswith("json.info_")}
                self._known = leading_master(nodes)
            except KazooException as error:
                LOG.warning("Cannot look for the Mesos master: %r", error)
        return self._known
