"""What is started on a leash ends with who started it, and everything it started too."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.run import supervisor

#: A program that starts another one in a session of its own.
PROGRAM = """
import subprocess
subprocess.Popen(['setsid', 'sh', '-c', '{trap} echo $$ > {note}; while :; do sleep 0.1; done']).wait()"""
#: What makes that one not end when it is asked to.
DEAF = 'trap "" TERM;'


def start(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    note = folder / "pid"
    process = subprocess.Popen([sys.executable, "-IS", supervisor.__file__, sys.executable, "-c", PROGRAM.format(trap="", note=note)],
                               stdin=subprocess.PIPE, start_new_session=True)
    until = time.monotonic() + 20
    while not (note.exists() and note.read_text().strip()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return process, int(note.read_text())


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def let_go(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin
    process.stdin.close()


@pytest.mark.parametrize("ended", [let_go, lambda process: process.send_signal(signal.SIGTERM)])
def test_everything_ends_with_the_leash(tmp_path: Path, ended: Callable[[subprocess.Popen[bytes]], None]) -> None:
    process, pid = start(tmp_path)
    assert not gone(pid)
    ended(process)
    process.wait(20)
    assert gone(pid)


def test_everything_ends_when_the_one_who_holds_the_leash_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-IS", {supervisor.__file__!r},
                  sys.executable, "-c", {PROGRAM.format(trap=DEAF, note=tmp_path / 'pid')!r}],
                 stdin=subprocess.PIPE, start_new_session=True).wait()"""])
    until = time.monotonic() + 20
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()):
        assert time.monotonic() < until
        time.sleep(0.05)
    holder.kill()
    holder.wait()
    pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 20
    while not gone(pid):
        assert time.monotonic() < until, "it outlived who started it"
        time.sleep(0.1)


def test_the_exit_code_is_that_of_the_program() -> None:
    done = subprocess.run([sys.executable, "-IS", supervisor.__file__, "sh", "-c", "exit 7"], stdin=subprocess.PIPE, check=False)
    assert done.returncode == 7


def test_what_a_killed_program_started_ends_with_it(tmp_path: Path) -> None:
    process, pid = start(tmp_path)
    subprocess.run(["pkill", "-KILL", "-P", str(process.pid)], check=True)
    process.wait(20)
    assert process.returncode != 0 and gone(pid)
