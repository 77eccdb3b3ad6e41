"""A framework that is none of ours, for tests: `framework.py`, run with pymesos and what it needs out of the lab's cache."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from provisioner_lab.cache import cache_dir
from provisioner_lab.packages import package_index
from provisioner_lab.packages.package_index import Wanted
from tests.lab.support.locked_packages import installed

HERE = Path(__file__).parent
HTTP_PARSER = Wanted("http-parser", "http-parser-0.9.0.tar.gz", "441d3a57c6227230f98aa97539da006fda0f8f4880bc4c5cd895ff2138a52621")
RECONCILIATIONS, RECONCILIATION_SECONDS = 12, 5.0


def _http_parser() -> Path:
    """The source of a package that pymesos reads answers with. pip would compile it, which its C does not do on Python 3.11; where
    nothing is compiled, it works with its own Python.
    """
    target = cache_dir() / HTTP_PARSER.name.removesuffix(".tar.gz")
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="making-") as scratch:
            archive = Path(scratch) / HTTP_PARSER.name
            package_index.fetch(HTTP_PARSER, archive)
            shutil.unpack_archive(archive, scratch, filter="data")
            (Path(scratch) / target.name).rename(target)
    return target


class Framework:
    """A framework that runs: what it told so far, and what it is told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._told: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def tell(self, word: str) -> None:
        """`kill` or `reconcile`: its task."""
        assert self._process.stdin
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def event(self, name: str, seconds: float = 60.0, **more: Any) -> dict[str, Any]:
        """The next event of this name, with these values; those before it are skipped. AssertionError when it does not come."""
        skipped, end = [], time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                found = self._told.get(timeout=left)
                if found == {**found, "event": name, **more}:
                    return found
                skipped.append(found)
        raise AssertionError(f"no event {name} {more} within {seconds:.0f} s; instead: {skipped}")

    def state(self) -> str:
        """The state of its task, as the leading master reconciles it; asked again, as a new leader is silent on agents it still misses."""
        for _ in range(RECONCILIATIONS):
            self.tell("reconcile")
            with contextlib.suppress(AssertionError):
                return str(self.event("update", RECONCILIATION_SECONDS)["state"])
        raise AssertionError("the leading master does not say how the task is")

    def ended(self) -> int:
        """Its exit code; it tears itself down and ends when it has not ended before."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        return self._process.wait(60)

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._told.put(json.loads(line))


@contextlib.contextmanager
def framework(masters: Mapping[str, str], zookeeper: tuple[str, str], principal: str, secret: str | None,
              command: str) -> Iterator[Framework]:
    """One that runs `command` as its task, as long as this lasts.

    `masters`: addresses by name; `zookeeper`: a connection string, and the login by which Mesos' nodes can be read.
    """
    environment = {**os.environ, "PYTHONPATH": f"{installed(HERE / 'requirements.lock')}{os.pathsep}{_http_parser()}"}
    with subprocess.Popen([sys.executable, str(HERE / "framework.py")], env=environment, text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        started = Framework(process)
        try:
            started.tell(json.dumps({"master": f"zk://{zookeeper[0]}/mesos", "login": zookeeper[1], "addresses": dict(masters),
                                     "principal": principal, "secret": secret, "command": command}))
            yield started
        finally:
            started.ended()
