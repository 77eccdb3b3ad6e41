"""One command and what it cost: wall time, and processor time, memory and bytes on the wire of everything it started.

Processes that outlive the command, such as SSH's shared connections, are counted too: a control group knows them, whoever their
parent is. Memory and the number of processes are looked at 20 times a second. Bytes and connections are those to and from port
22 of the lab's hosts, counted by the kernel's packet filter.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
CHAIN = "PROVISIONER-BENCH"
SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Cost:
    """Of one run: seconds, seconds of processor time, MiB and processes at most, bytes in both directions, TCP connections opened."""

    wall: float
    cpu: float
    memory: float
    processes: int
    sent: int
    connections: int


class _Group:
    """A control group of this machine's, of version 1 (one hierarchy per controller) or 2."""

    def __init__(self, name: str) -> None:
        old = (CGROUP / "cpuacct").is_dir()
        self._cpu = (CGROUP / "cpuacct" if old else CGROUP) / name
        self._memory = (CGROUP / "memory" if old else CGROUP) / name
        self._old = old

    def __enter__(self) -> _Group:
        self._remove()  # a bench that was killed leaves one behind
        for folder in {self._cpu, self._memory}:
            folder.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def _remove(self) -> None:
        for folder in {f for f in (self._cpu, self._memory) if f.is_dir()}:
            for _attempt in range(100):  # an open shared connection belongs to it until it is closed
                for pid in (folder / "cgroup.procs").read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), 15)
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.05)

    def enter(self) -> None:
        """Called in the child before it starts the command."""
        for folder in {self._cpu, self._memory}:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    def cpu_seconds(self) -> float:
        """Used so far."""
        if self._old:
            return int((self._cpu / "cpuacct.usage").read_text()) / 1e9
        return int(_field(self._cpu / "cpu.stat", "usage_usec")) / 1e6

    def processes(self) -> int:
        """There are now."""
        return len((self._cpu / "cgroup.procs").read_text().split())

    def memory_mib(self) -> float:
        """Used now, without the cache of files."""
        return int(_field(self._memory / "memory.stat", "total_rss" if self._old else "anon")) / 2**20


def run(argv: Sequence[str], *, environment: Mapping[str, str], cwd: Path) -> Cost:
    """Run it once. Raises RuntimeError with the end of its output when it fails."""
    with _Group("provisioner-bench") as group:
        before = _counters()
        memory, processes, over = 0.0, 0, threading.Event()

        def watch() -> None:
            nonlocal memory, processes
            while not over.wait(SAMPLE_SECONDS):
                memory, processes = max(memory, group.memory_mib()), max(processes, group.processes())

        watching = threading.Thread(target=watch)
        watching.start()
        begin = time.monotonic()
        done = subprocess.run(argv, env=dict(environment), cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, preexec_fn=group.enter, check=False)
        wall = time.monotonic() - begin
        over.set()
        watching.join()
        cpu = group.cpu_seconds()
        after = _counters()
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout.decode(errors='replace')[-3000:]}")
    return Cost(wall, cpu, memory, processes, after[0] - before[0], after[1] - before[1])


@contextlib.contextmanager
def counted(subnet: str) -> Iterator[None]:
    """SSH between this machine and a network is counted as long as this lasts."""
    rules = [["OUTPUT", "-d", subnet, "-p", "tcp", "--dport", "22"], ["INPUT", "-s", subnet, "-p", "tcp", "--sport", "22"]]
    with contextlib.suppress(subprocess.CalledProcessError):
        _uncounted(rules)  # of a bench that was killed
    iptables("-N", CHAIN)
    iptables("-A", CHAIN, "-p", "tcp", "--dport", "22", "--syn")
    iptables("-A", CHAIN)
    for chain, *match in rules:
        iptables("-I", chain, *match, "-j", CHAIN)
    try:
        yield
    finally:
        _uncounted(rules)


def _uncounted(rules: Sequence[Sequence[str]]) -> None:
    for chain, *match in rules:
        iptables("-D", chain, *match, "-j", CHAIN)
    iptables("-F", CHAIN)
    iptables("-X", CHAIN)


def _counters() -> tuple[int, int]:
    """Bytes in both directions, and connections opened, since the chain was made."""
    syn, everything = (line.split() for line in iptables("-nvxL", CHAIN).splitlines()[2:4])
    return int(everything[1]), int(syn[0])


def iptables(*arguments: str) -> str:
    """What the packet filter says to a command. Raises CalledProcessError."""
    return subprocess.run(["iptables", "-w", *arguments], check=True, capture_output=True, text=True).stdout


def _field(path: Path, name: str) -> str:
    return next(line.split()[1] for line in path.read_text().splitlines() if line.split()[0] == name)
