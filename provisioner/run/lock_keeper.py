"""Keeps the cluster's lock on a host as long as somebody holds the other end: `lock_keeper.py PATH SILENCE_SECONDS MODE WHO`.

Sent as text and run by the host's own Python, 3.6 or newer. MODE is `hold`, `show` or `break`; WHO is base64 of a JSON object that says who
holds it. Prints one JSON line: {"held": true}, or {"held": false} with what the holder wrote about itself. /run is emptied by a
reboot, and `since` is the host's monotonic clock, which only this host reads again.
"""

import base64
import fcntl
import json
import os
import select
import sys
import time
from typing import IO, Any

BREAK_TRIES = 50


def main(path: str, silence: float, mode: str, who: str) -> None:
    """Take, show or break the lock, and keep it while lines come in on stdin, each what its holder is doing now."""
    # Not by open(): the file is made where there is none, and never emptied before the lock is ours.
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    got = locked(file)
    if mode == "break" and not got:
        holder = said(file)
        if holder.get("pid"):
            os.kill(int(holder["pid"]), 9)
            for _ in range(BREAK_TRIES):
                if locked(file):
                    break
                time.sleep(0.1)
        print(json.dumps({"held": False, "holder": holder}), flush=True)
        return
    print(json.dumps({"held": got, "holder": {} if got else said(file)}), flush=True)
    if got and mode == "hold":
        keep(file, silence, dict(json.loads(base64.b64decode(who).decode()), pid=os.getpid(), since=time.monotonic()))


def locked(file: "IO[str]") -> bool:
    """Whether the lock is ours now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def said(file: "IO[str]") -> "dict[str, Any]":
    """What the holder wrote about itself, with the seconds since; nothing where that makes no sense."""
    file.seek(0)
    try:
        found = dict(json.loads(file.read(65536)))
        found["seconds"] = round(time.monotonic() - found.pop("since"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return found


def keep(file: "IO[str]", silence: float, mine: "dict[str, Any]") -> None:
    """Until stdin ends, or nothing came for `silence` seconds."""
    heard, rest = time.monotonic(), b""
    while True:
        file.seek(0)
        file.write(json.dumps(mine))
        file.truncate()
        file.flush()
        if select.select([0], [], [], 1.0)[0]:
            data = os.read(0, 65536)
            if not data:
                break
            heard = time.monotonic()
            *lines, rest = (rest + data).split(b"\n")
            mine["doing"] = ([mine["doing"]] + [line.decode("utf-8", "replace") for line in lines if line])[-1][:200]
        elif time.monotonic() - heard > silence:
            break
    file.seek(0)
    file.truncate()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4])
