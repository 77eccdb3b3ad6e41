"""Runs in a host's container: the recorded command lines of Mesos (JSON, on standard input), and how each ended here (JSON).

Standard library only, and the syntax of the oldest Python of a lab.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

#: Longer than a program that refuses its command line needs on a busy machine, in seconds; a row may say otherwise.
SECONDS = 30
INPUTS = {"afile": "x", "cred.txt": "agent1 secret1\n", "badcred.json": '{"credentials": [', "empty": "", "p.txt": "agent s3cret\n",
          "good.txt": "agent s3cret\n"}


def ended(row: dict[str, object], folder: Path) -> dict[str, object]:
    """Exit code (negative: the signal; None: it still ran) and all that was said."""
    arguments = [str(argument).replace("{tmp}", str(folder)) for argument in row["args"]]  # type: ignore[attr-defined]
    with socket.socket() as taken, tempfile.TemporaryFile() as said:
        if "port-in-use" in str(row["case"]):
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", 15050 if row["program"] == "master" else 15051))
            taken.listen()
        with subprocess.Popen([f"mesos-{row['program']}", *arguments], stdout=said, stderr=said, start_new_session=True) as process:
            try:
                code: int | None = process.wait(float(str(row.get("seconds", SECONDS))))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                code = None
        said.seek(0)
        return {"case": row["case"], "exit": code, "said": said.read().decode(errors="replace").replace(str(folder), "{tmp}")}


def main() -> None:
    rows = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in INPUTS.items():
            (Path(scratch) / name).write_text(content)
        json.dump([ended(row, Path(scratch)) for row in rows], sys.stdout)


main()
