"""Why a scheduler does not work, as its unit's last lines and Mesos' list of frameworks tell it."""

import re
import subprocess
import time
from collections.abc import Callable
from typing import Any

from .answer import UnhealthyError, amount
from .mesos import ask_leader, frameworks
from .systemd import TIMEOUT, facts, running, unit

#: What `facts["framework"]` is where Mesos has removed the framework.
REMOVED = "removed"
#: What Mesos answers to a scheduler that subscribes with the id of a framework that it has removed (master.cpp).
REFUSAL = "Framework has been removed"
#: A Marathon that loses its leadership, or the Mesos master with which it leads, ends with this (CrashStrategy).
GAVE_UP = "103"
#: A member that fails over and over says why within this time.
RECENT_SECONDS = 180.0
LINES = 400
#: A leader that was refused goes on to lead, and writes a lot, until somebody looks.
MANY_LINES = 10000
#: Programs quote the address of ZooKeeper that they can't use, with the password in it.
_LOGIN = re.compile(r"://[^@/\s]+:[^@\s]*@")
_TELLING = ("error", "exception", "refus", "fatal", "severe", "denied")


def with_cause(request: "dict[str, Any]", ask: "Callable[[dict[str, Any]], dict[str, Any]]") -> "dict[str, Any]":
    """The answer of `ask` about a scheduler whose unit runs. Raises UnhealthyError that also says why it does not."""
    try:
        running(request["unit"], request.get("steady", 0))
        return ask(request)
    except UnhealthyError as error:
        raise explained(error, request) from error


def explained(error: UnhealthyError, request: "dict[str, Any]") -> UnhealthyError:
    """The same error, with the cause where the unit had to be started again, or failed."""
    name = request["unit"]
    found = unit(name)
    now = facts(found)
    again = found.get("SubState") == "auto-restart"  # the restart that it waits for is not counted yet
    if not (now["restarts"] or again or now["active"] == "failed"):
        return error
    restarts = int(str(now["restarts"]))
    lines, fresh = of_this_start(journal(name, RECENT_SECONDS), name, restarts)
    known = dict(error.facts, unit=now)
    often = amount(restarts, "restart")
    if _removed(lines, fresh, request):
        return UnhealthyError(f"stops again and again ({often}): {removal(request)}", error.version, dict(known, framework=REMOVED))
    why = str(error)
    if again and found.get("ExecMainStatus") == GAVE_UP:
        why = f"gave up the lead, as a Marathon does when Mesos' leader changes, and is being started again ({often})"
    last = telling(lines, name)
    return UnhealthyError(f"{why}; its last words: {last}" if last else why, error.version, known)


def removal(request: "dict[str, Any]") -> str:
    """The sentence about a framework that Mesos has removed, with the cure."""
    return ("Mesos has removed its framework (torn down, or away for longer than its failover timeout) and refuses the stored id: "
            "'provision repair {}'".format(request["unit"]))


def was_refused(request: "dict[str, Any]") -> bool:
    """Did Mesos refuse its framework since the unit is up?"""
    return any(REFUSAL in line for line in journal(request["unit"], time.time() - began(request), MANY_LINES))


def began(request: "dict[str, Any]") -> float:
    """When its unit came up, in seconds since the epoch by this host's clock."""
    since = int(unit(request["unit"]).get("ActiveEnterTimestampMonotonic") or 0) / 1e6
    return time.time() - (time.monotonic() - since)


def of_this_start(lines: "list[str]", name: str, restarts: int) -> "tuple[list[str], bool]":
    """Those of the lines that were written since somebody, and not systemd by itself, started the unit; was that within them?"""
    begins = [number for number, line in enumerate(lines) if line.startswith("Started ") and name in line.lower()]
    fresh = len(begins) > restarts
    return (lines[begins[-restarts - 1]:] if fresh else lines), fresh


def telling(lines: "list[str]", name: str) -> str:
    """The last line in which the program itself speaks of an error, else its last; at most 300 characters, no passwords of URLs."""
    own = [line for line in lines if not line.startswith((name + ".service", "Start", "Stopp", "Failed to start", "\t", " "))]
    errors = [line for line in own if any(word in line.lower() for word in _TELLING)]
    return _LOGIN.sub("://***@", " ".join((errors or own or [""])[-1].split()))[:300]


def journal(name: str, seconds: float, most: int = LINES) -> "list[str]":
    """The last lines of a unit within so many seconds; none where there is no journal."""
    command = ["journalctl", "-u", name, "-n", str(most), f"--since=-{seconds:.0f}s", "--no-pager", "-q", "-o", "cat"]
    try:
        done = subprocess.run(command, timeout=TIMEOUT, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.decode("utf-8", "replace").splitlines()


def _removed(lines: "list[str]", fresh: bool, request: "dict[str, Any]") -> bool:
    """Mesos refused it, or lists it among the removed ones, and no other member has registered since.

    One that was started a moment ago would say that it was refused: what is listed is then that of before a repair.
    """
    refused = any(REFUSAL in line for line in lines)
    try:
        rows = frameworks(ask_leader(request["masters"], "GET_FRAMEWORKS")[1])
    except UnhealthyError:
        return refused
    mine = [row for row in rows if row["name"] == request["framework"]]
    if any(row["active"] and row["connected"] and not row["removed"] for row in mine):
        return False
    return refused or bool(mine and not fresh and all(row["removed"] for row in mine))
