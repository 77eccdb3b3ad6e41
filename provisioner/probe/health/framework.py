"""A scheduler as the leading Mesos master sees it: one can lead, answer and take orders while Mesos does not know it.

Two faults, seen with the real programs: a driver that never started or has stopped (a restart of the leader cures it), and a framework
that Mesos has removed, torn down or away for longer than its failover timeout (every restart meets the same refusal: the stored id
has to go). The masters are asked by GET_FRAMEWORKS: unlike /frameworks and /state it carries no tasks.
"""

import socket
import time
from typing import Any

from .answer import UnhealthyError, answer
from .cause import REMOVED, began, removal, was_refused
from .mesos import ask_leader, frameworks

#: What `facts["framework"]` of a leader may be, beside REMOVED. UNKNOWN: no Mesos master leads.
REGISTERED, MISSING, UNKNOWN = "registered", "missing", "unknown"


def leads(request: "dict[str, Any]", version: str, found: "dict[str, Any]", image: str = "") -> "dict[str, Any]":
    """The answer about a member that says it leads. `found` may have the `framework_id` that it has stored.

    Without one, a framework that was removed and had registered last before this process began is not its own: after a repair the
    old one is listed for as long as the master leads.
    """
    try:
        master, listing = ask_leader(request["masters"], "GET_FRAMEWORKS")
    except UnhealthyError as error:
        # It does its own work as far as it can be done: what is missing is Mesos.
        known = dict(found, framework=UNKNOWN, itself="ok")
        return answer("degraded", f"leads, but whether Mesos knows its framework can't be told: {error}", version, True, image, known)
    own = found.get("framework_id", "")
    rows = [row for row in frameworks(listing) if own or not (row["removed"] and 0 < row["since"] < began(request))]
    kind, why, row = judge(rows, own, request)
    if kind == MISSING and was_refused(request):
        kind = REMOVED
    known = dict(found, framework=kind, framework_id=row.get("id", own), master=master)
    if kind == REGISTERED:
        known["registered"], known["registered_seconds"] = row["since"], round(time.time() - row["since"], 1)
        return answer("ok", "leads", version, True, image, known)
    text = removal(request) if kind == REMOVED else f"the leading Mesos master {master} {why} ('provision up' restarts it)"
    return answer("down", "leads, but " + text, version, True, image, known)


def judge(rows: "list[dict[str, Any]]", own: str, request: "dict[str, Any]") -> "tuple[str, str, dict[str, Any]]":
    """What Mesos' list says of the framework of this host's leader: its kind, why it does not count, and its row where there is one.

    By its own id where that is known, else by its name.
    """
    mine = [row for row in rows if (row["id"] == own if own else row["name"] == request["framework"])]
    living = [row for row in mine if not row["removed"]]
    for row in living:
        if row["active"] and row["connected"] and is_here(row["hostname"], request):
            return REGISTERED, "", row
    for row in living:
        how = "disconnected" if not row["connected"] else "inactive" if not row["active"] else "connected from " + row["hostname"]
        return MISSING, "lists its framework {} as {}".format(row["id"], how), row
    return (REMOVED, "", mine[-1]) if mine else (MISSING, "lists no framework of it", {})


def is_here(host: str, request: "dict[str, Any]") -> bool:
    """Does this name or address, which a program was told to advertise, mean this host?"""
    if host in (request["address"], request.get("hostname"), socket.gethostname()):
        return True
    try:
        return str(request["address"]) in {row[4][0] for row in socket.getaddrinfo(host, None)}
    except OSError:
        return False
