"""ZooKeeper: `srvr` says whether this member serves and as what; on the leader `mntr` counts who is in sync."""

import re
import socket
from pathlib import Path
from typing import Any

from provisioner.probe.health.answer import UnhealthyError, amount, answer, number
from provisioner.probe.health.systemd import running

TIMEOUT = 2.0
#: Where role `zookeeper` lets it keep its data, unless the request says where its transaction logs are.
DATA = "/var/lib/zookeeper"
#: What it is to be started with, and, where members speak TLS, what it was started with.
SETTINGS, STARTED = Path("/etc/zookeeper/provisioner/zoo.cfg"), Path("/run/zookeeper/zoo.cfg")


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for one member. Without a quorum a member says so itself, and is down; whether it holds data is said then too."""
    try:
        return _serving(request)
    except UnhealthyError as error:
        raise UnhealthyError(str(error), error.version, dict(error.facts, written=written(Path(request.get("log", DATA))))) from error


def written(folder: Path) -> bool:
    """Whether something was ever written here that the ensemble acknowledged: a transaction log is begun by the first one."""
    return next(folder.glob("version-2/log.*"), None) is not None


def _serving(request: "dict[str, Any]") -> "dict[str, Any]":
    running(request["unit"], request.get("steady", 0))
    found = facts(_words(request, "srvr"))
    conf = _words(request, "conf")
    # Before 3.5 `conf` does not say. What the member was started with does, unless its settings were written and the run ended
    # before it was started anew: then the others do not count the new one yet, and role and witness see older settings in use.
    tells = found["mode"] == "standalone" or "membership:" in conf
    settings = SETTINGS.read_text(errors="replace") if SETTINGS.exists() else ""
    found["servers"] = servers(conf if tells else settings)
    # A copy may be left of an earlier start with TLS.
    started = STARTED.read_text(errors="replace") if "sslQuorum" in settings and STARTED.exists() else ""
    found["tls"] = re.findall(r"(sslQuorum|port\w+)=true", started)
    if found["mode"] == "leader":
        found["synced_followers"] = followers(_words(request, "mntr"))
    return judge(found, int(request["members"]))


def facts(srvr: str) -> "dict[str, Any]":
    """Read what `srvr` answered. Raises UnhealthyError with the member's own sentence when it is not serving."""
    values = dict(line.split(": ", 1) for line in srvr.splitlines() if ": " in line)
    if "Mode" not in values:
        raise UnhealthyError("ZooKeeper says: {}".format(" ".join(srvr.split())[:200] or "nothing"))
    version = values.get("Zookeeper version", "").split(",")[0].split("-")[0]
    return {"mode": values["Mode"], "version": version, "zxid": values.get("Zxid", "")}


def servers(listing: str) -> "list[int]":
    """The ids of the members that this one counts, from `conf` or its settings; none when it runs alone."""
    return sorted(int(number) for number in re.findall(r"^server\.(\d+)=", listing, re.MULTILINE))


def followers(mntr: str) -> int:
    """How many followers are in sync with this leader, from `mntr`. Raises UnhealthyError where it is refused."""
    values = dict(line.split("\t", 1) for line in mntr.splitlines() if "\t" in line)
    if "zk_synced_followers" not in values:
        said = " ".join(mntr.split())[:200]
        raise UnhealthyError(f"ZooKeeper does not count its followers, mntr answers: {said}")
    return number(values["zk_synced_followers"])


def judge(found: "dict[str, Any]", members: int) -> "dict[str, Any]":
    """Compare with the size that the ensemble should have."""
    mode, version = found["mode"], found["version"]
    if mode == "standalone" and members > 1:
        return answer("down", f"runs alone, although the ensemble has {members} members", version, facts=found)
    if mode == "standalone":
        return answer("ok", "serves alone", version, leader=True, facts=found)
    if mode != "leader":
        return answer("ok", mode, version, facts=found)
    detail = "leader, {} of {} in sync".format(found["synced_followers"], amount(members - 1, "follower"))
    if found["synced_followers"] < members - 1:
        return answer("degraded", detail, version, leader=True, facts=dict(found, itself="ok"))
    return answer("ok", detail, version, leader=True, facts=found)


def _words(request: "dict[str, Any]", command: str) -> str:
    where = (str(request["address"]), int(request["port"]))
    said = b""
    try:
        with socket.create_connection(where, TIMEOUT) as connection:
            connection.sendall(command.encode("ascii"))
            while len(said) < 65536:
                more = connection.recv(4096)
                if not more:
                    break
                said += more
    except OSError as error:
        raise UnhealthyError(f"{where[0]}:{where[1]} does not answer {command}: {error}") from error
    return said.decode("utf-8", "replace")
