"""What systemd says of units, asked once for all components of a host."""

import subprocess
import threading
import time

from .answer import UnhealthyError

# systemd counts "activating" and the moment between two crashes as fine, so a unit counts as up only after some time
# with one process. A unit that systemd had to restart is watched longer: a loop is often slower than two seconds.
RESTARTED_SECONDS = 5.0
FRESH_SECONDS = 0.3
TIMEOUT = 5.0
PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "MainPID", "NRestarts", "Result", "ExecMainStatus",
    "ActiveEnterTimestampMonotonic",
)

_lock = threading.Lock()
_expected: "set[str]" = set()
_last: "dict[str, dict[str, str]]" = {}
_asked_at = [float("-inf")]


def expect(*names: str) -> None:
    """These units will be asked for: they are asked together with the first one."""
    _expected.update(names)


def unit(name: str) -> "dict[str, str]":
    """The properties of one unit. Raises UnhealthyError when systemd does not answer."""
    with _lock:
        if name not in _last or time.monotonic() - _asked_at[0] > FRESH_SECONDS:
            _last.update(parse(_show(sorted({name} | _expected | set(_last)))))
            _asked_at[0] = time.monotonic()
        return _last.get(name, {})


def parse(text: str) -> "dict[str, dict[str, str]]":
    """Read `systemctl show` of several units: blocks of `Key=value` with an empty line between them."""
    units = {}
    for block in text.split("\n\n"):
        properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        name = properties.get("Id", "")
        if name.endswith(".service"):
            units[name[:-len(".service")]] = properties
    return units


def running(name: str, steady: float = 0.0) -> "dict[str, str]":
    """The unit, when it is up with one process for at least `steady` seconds. Raises UnhealthyError with what is wrong."""
    found = unit(name)
    wrong = trouble(name, found, time.monotonic(), steady)
    if wrong:
        raise UnhealthyError(wrong, facts={"unit": facts(found)})
    return found


def trouble(name: str, found: "dict[str, str]", now: float, steady: float = 0.0) -> str:
    """What is wrong with a unit at the monotonic time `now`, or ''. Before version 235 there is no NRestarts."""
    active, sub = found.get("ActiveState", ""), found.get("SubState", "")
    restarts = int(found.get("NRestarts") or 0)
    last = "last result {}, exit status {}".format(found.get("Result", "?"), found.get("ExecMainStatus", "?"))
    # One whose file was lost goes on running; that the file is missing is for the witness to see.
    if found.get("LoadState", "not-found") == "not-found" and active not in ("active", "reloading"):
        return f"the unit {name} does not exist"
    if sub == "auto-restart":
        return f"the unit {name} stops again and again ({restarts} restarts, {last})"
    if active == "failed":
        return f"the unit {name} failed ({last})"
    if active not in ("active", "reloading"):
        return "the unit {} is {} ({})".format(name, "stopped" if active == "inactive" else active, sub)
    since = now - int(found.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
    if restarts and since < max(steady, RESTARTED_SECONDS):
        return f"the unit {name} was restarted after a failure ({restarts} times), the last time {since:.1f} s ago"
    if since < steady:
        return f"the unit {name} has been up for {since:.1f} s only"
    return ""


def facts(found: "dict[str, str]") -> "dict[str, object]":
    """What a reader of an answer may want to know of the unit."""
    return {
        "active": found.get("ActiveState", ""),
        "pid": int(found.get("MainPID") or 0),
        "restarts": int(found.get("NRestarts") or 0),
        "result": found.get("Result", ""),
    }


def _show(names: "list[str]") -> str:
    # Services only: "docker" alone could also name a socket. C locale: the values of properties are not translated.
    command = ["systemctl", "show", "--no-pager", "--property=" + ",".join(PROPERTIES)]
    try:
        done = subprocess.run([*command, *(name + ".service" for name in names)], timeout=TIMEOUT, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnhealthyError(f"systemctl does not answer: {error}") from error
    if done.returncode:
        why = " ".join(done.stdout.decode("utf-8", "replace").split())
        raise UnhealthyError(f"systemctl show failed: {why}")
    return done.stdout.decode("utf-8", "replace")
