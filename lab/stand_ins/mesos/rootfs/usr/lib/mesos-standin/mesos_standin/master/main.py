"""mesos-master: start, election, and the end that follows a lost leadership."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import uuid
from collections.abc import Sequence
from pathlib import Path

from mesos_standin import credentials, process, startup, zookeeper
from mesos_standin.flags import FlagError, Flags, parse_json, seconds
from mesos_standin.master.leader import Leader
from mesos_standin.master.registrar import Registrar, ask_over_http
from mesos_standin.master.replica import VOTING, Replica
from mesos_standin.master.routes import Routes
from mesos_standin.master.state import Json
from mesos_standin.master.views import MASTER_CAPABILITIES

_QUORUM = "--quorum for replicated log based registry when using ZooKeeper"


def check_flags(flags: Flags) -> None:
    """What the flags themselves refuse, before the process does anything."""
    if not 1 <= flags.seconds("agent_ping_timeout") <= 900:
        raise FlagError("Expected `--agent_ping_timeout` to be between 1secs and 15mins")
    if flags.seconds("agent_reregister_timeout") < seconds("10mins"):
        raise FlagError("Expected `--agent_reregister_timeout` to be at least 10mins")
    if flags.has("domain") and "fault_domain" not in parse_json(flags.text("domain")):
        raise FlagError("`domain` must define `fault_domain`")


def _store(flags: Flags) -> tuple[Replica, int]:
    """The local copy of the registry and the quorum; exits when they are not configured as they must be."""
    if flags.text("registry") == "in_memory":
        replica = Replica(None)
        replica.become(VOTING)
        return replica, 1
    if flags.text("registry") != "replicated_log":
        process.exit_with(f"'{flags.text('registry')}' is not a supported option for registry persistence")
    if not flags.has("work_dir"):
        process.exit_with("--work_dir needed for replicated log based registry")
    if flags.has("zk") and not flags.has("quorum"):
        process.exit_with(f"Need to specify {_QUORUM}")
    folder = Path(flags.text("work_dir")) / "replicated_log"
    try:
        return Replica(folder), flags.number("quorum") if flags.has("zk") else 1
    except OSError as error:
        process.exit_with(f"Failed to recover the log: IO error: {folder}/LOCK: {error.strerror}")


def _zookeeper_url(flags: Flags) -> zookeeper.ZkUrl | None:
    if not flags.has("zk"):
        return None
    try:
        return zookeeper.parse_url(flags.text("zk"))
    except zookeeper.UrlError as error:
        what = "Error parsing ZooKeeper URL" if "zk://" in str(error) else "Failed to create a master contender"
        process.exit_with(f"{what}: {error}")


def _principals(flags: Flags) -> dict[str, str]:
    """The credentials, with the checks of everything that needs some (contract items 6 and 24)."""
    known = credentials.load_many(flags.text("credentials")) if flags.has("credentials") else {}
    for realm in ("readonly", "readwrite", "frameworks"):
        if not flags.on(f"authenticate_http_{realm}"):
            continue
        if realm == "frameworks" and not flags.has("http_framework_authenticators"):
            process.exit_with(
                "Missing `--http_framework_authenticators` flag. This must be used in conjunction with `--authenticate_http_frameworks`"
            )
        if not flags.has("credentials"):
            name = f"mesos-master-{'scheduler' if realm == 'frameworks' else realm}"
            process.exit_with(
                "Failed to create HTTP authenticator module 'basic': No credentials provided for the default "
                f"'basic' HTTP authenticator for realm '{name}'"
            )
    for weight in filter(None, flags.text("weights").split(",")):
        if len(weight.split("=")) != 2:
            process.exit_with(f"Invalid weight: '{weight}'. --weights should be of the form 'role=weight,role=weight'")
    return known


def master_info(ip: str, port: int, hostname: str) -> Json:
    """MasterInfo as ZooKeeper and GET_MASTER show it; `ip` is the little-endian number (contract item 28)."""
    return {
        "address": {"hostname": hostname, "ip": ip, "port": port},
        "capabilities": [{"type": name} for name in MASTER_CAPABILITIES],
        "hostname": hostname,
        "id": str(uuid.uuid4()),
        "ip": struct.unpack("<I", socket.inet_aton(ip))[0],
        "pid": f"master@{ip}:{port}",
        "port": port,
        "version": process.VERSION,
    }


class Election:
    """Follows ZooKeeper: who leads, which replicas live. The lowest json.info_ leads (contract items 10, 13 and 28)."""

    def __init__(self, info: Json) -> None:
        self.leader: Leader | None = None
        self.leading: Json = {}
        self.replicas: set[str] = set()
        self._info = info

    def address(self) -> str:
        """host:port of the leading master, '' when nobody leads."""
        return f"{self.leading['hostname']}:{self.leading['port']}" if self.leading else ""

    def follow(self, session: zookeeper.Session) -> None:
        """Joins both groups and watches them."""
        path = session.url.path
        session.on_lost = self._lost
        session.watch(path, zookeeper.PREFIX, self._candidates)
        session.watch(f"{path}/log_replicas", "", self._replicas)
        data = json.dumps(self._info, separators=(",", ":")).encode()
        own = self._info["pid"].partition("@")[2]
        session.member(f"{path}/log_replicas", "", f"log-replica(1)@{own}".encode())
        session.member(path, zookeeper.PREFIX, data)
        session.start()

    def _replicas(self, members: dict[str, bytes]) -> None:
        self.replicas = {data.decode().partition("@")[2] for data in members.values()}

    def _candidates(self, members: dict[str, bytes]) -> None:
        self.leading = json.loads(members[min(members)]) if members else {}
        mine = self.leading.get("id") == self._info["id"]
        if self.leading:
            process.info(f"The newly elected leader is {self.leading['pid']} with id {self.leading['id']}")
        if self.leader and self.leader.elected and not mine:
            process.exit_with("Lost leadership... committing suicide!")
        if self.leader and mine and not self.leader.elected:
            self.leader.elect()

    def _lost(self) -> None:
        if self.leader and self.leader.elected:
            process.exit_with("Lost candidacy as a leader... committing suicide!")


async def run(flags: Flags) -> None:
    """Runs a master until the process ends."""
    front = startup.Front()
    ip, port = await startup.listen(flags, front)
    process.info("Using 'hierarchical' allocator")
    url = _zookeeper_url(flags) if flags.text("registry") != "replicated_log" else None
    replica, quorum = _store(flags)
    url = url or _zookeeper_url(flags)
    known = _principals(flags)
    info = master_info(ip, port, startup.hostname(flags, ip))
    election = Election(info)
    registrar = Registrar(replica, f"{ip}:{port}", quorum, lambda: election.replicas, ask_over_http)
    leader = election.leader = Leader(flags, info, registrar, known)
    process.info(f"Master {info['id']} ({info['hostname']}) started on {ip}:{port}")
    process.info(startup.flags_line(flags))
    front.handler = Routes(leader, election.address).answer
    if quorum == 0:
        process.fatal("CHECK_SOME(lowestBeginPosition): is NONE ")
    joining = asyncio.ensure_future(registrar.join(flags.on("log_auto_initialize")))
    if url:
        election.follow(zookeeper.Session(url, flags.seconds("zk_session_timeout")))
    else:
        election.leading = info
        leader.elect()
    await joining
    await asyncio.Event().wait()


def main(argv: Sequence[str]) -> None:
    """The program."""
    process.default_signals()
    flags = startup.flags_or_end("master", argv, check_flags)
    asyncio.run(run(flags))
