"""`python -m bench.thousand`: what a rerun costs on 1,000 and 5,000 hosts, with the real driver over real SSH; no lab.

The hosts are simulated by one other process (`bench/ssh_server.py`) that says what hosts of a lab said, a third of a second after it was
asked. Everything on our side is what a user runs: `provision`, its inventory, ledger, secrets, known host keys and kept facts. A first
`provision plan` meets hosts of which nothing is known here, whose notes agree with the inventory. After the measured rounds one note is
changed, and `plan` must see it: hosts that said yes to everything would prove nothing. (Of more than 1,000 hosts only the rounds.)
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import secrets as random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.contenders import PROVISION
from bench.simulated_hosts import INVENTORY, Recording, SimulatedCluster
from bench.ssh_server import ANSWER_SECONDS, NOTES, private_key, private_text
from provisioner.cluster.facts import to_ansible_facts
from provisioner.context import Context
from provisioner.hosts.host_keys import establish
from provisioner.observe.observation import observe
from provisioner.paths import project_dir
from provisioner.plan.fingerprint import questions
from provisioner.state import fact_cache, ledger, secrets
from provisioner.state.files import write_private
from tests.lab.support.results import keep, machine

RESULTS = Path(__file__).parent / "results"
SAMPLE_SECONDS = 0.1
#: What is measured: name, arguments, and the exit code of a cluster with nothing to do.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "status": ("status",), "plan": ("plan", "--detailed-exitcode"), "up, nothing to do": ("up", "--yes"),
}
FIRST = "plan, hosts not known yet"
#: It goes by `ssh`, of which a process for each host stays for a minute: of more hosts than these, the kernel's scheduler is measured.
FIRST_MOST = 1000
#: The exit code of `plan --detailed-exitcode` where there is something to do.
CHANGES = 2
GOALS = "goals for 1,000: status and up at most 30 s, 25 ms of processor and 0.3 MiB a host"


@dataclass(frozen=True)
class Cost:
    """One run of a command: seconds, of processor with those of the programs it started; at most MiB, file descriptors and processes.

    `kept`: processes of ssh that hold connections open after its end; `server` is the processor time of the simulated hosts meanwhile.
    """

    wall: float
    cpu: float
    memory: float
    descriptors: int
    processes: int
    kept: int
    server: float


@dataclass(frozen=True)
class Site:
    """A simulated cluster in a folder, and the process that is its hosts."""

    folder: Path
    hosts: SimulatedCluster
    server: subprocess.Popen[str]

    def note(self, hosts: SimulatedCluster) -> None:
        """Let the hosts know what they have noted."""
        noted = {"name": hosts.name, "identity": hosts.identity, "notes": hosts.notes}
        write_private(self.folder / NOTES, json.dumps(noted).encode())


@contextlib.contextmanager
def site(count: int, seconds: float) -> Iterator[Site]:
    """So many hosts, as long as this lasts, of a cluster that was built with what is in this checkout."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as name:
        folder, key = Path(name), random.token_bytes(32)
        write_private(folder / "id_ed25519", private_text(key).encode())
        public = private_key(key)
        (folder / "id_ed25519.pub").write_text(f"{public.get_name()} {base64.b64encode(public.asbytes()).decode()}\n")
        command = [sys.executable, "-m", "bench.ssh_server", "--work", name, "--hosts", str(count), "--seconds", str(seconds)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=project_dir()) as server:
            try:
                port = int(server.stdout.readline()) if server.stdout else 0
                hosts = SimulatedCluster(Recording.read(), count)
                found = Site(folder, built(hosts.write_inventory(folder, port), hosts), server)
                found.note(found.hosts)
                yield found
            finally:
                server.kill()


def built(inventory: Path, hosts: SimulatedCluster) -> SimulatedCluster:
    """The cluster after its first run: identities and secrets are handed out, and each host has noted what this checkout would apply."""
    context = Context(inventory)
    ledger.save(context.cluster, context.ledger)
    secrets.ensure(context.cluster)
    known = replace(hosts, identity=context.ledger.cluster_id)
    facts = {host.name: to_ansible_facts(known.answer(host, {"sections": ["facts"]})["facts"]) for host in known.hosts.values()}
    asked = questions(context.cluster, context.rendered, context.defaults, facts, known.identity)
    return replace(known, notes={host: {name: str(one["digest"]) for name, one in own.items()} for host, own in asked.items()})


def run(site: Site, *arguments: str, code: int = 0) -> tuple[Cost, str]:
    """One `provision` command and what it printed. Raises RuntimeError when it ends with another code."""
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as sockets, tempfile.TemporaryFile() as output:
        surroundings = {**os.environ, "TMPDIR": sockets, "XDG_RUNTIME_DIR": ""}
        surroundings.pop("PYTHONDONTWRITEBYTECODE", None)
        before, begin = processor_seconds(site.server.pid), time.monotonic()
        child = subprocess.Popen([PROVISION, *arguments, "--hosts", str(site.folder / INVENTORY)], env=surroundings, cwd=site.folder,
                                 stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        watch = Watch(child.pid)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        watch.over()
        kept = left_open(Path(sockets))
        for pid in kept:
            os.kill(pid, signal.SIGTERM)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if child.returncode != code:
        raise RuntimeError(f"provision {' '.join(arguments)} ended with {child.returncode}:\n{text[-3000:]}")
    # The kernel knows the most memory of the driver alone exactly; with that of others it is sampled.
    memory = max(watch.memory, used.ru_maxrss / 1024)
    meanwhile = processor_seconds(site.server.pid) - before
    return Cost(wall, used.ru_utime + used.ru_stime, memory, watch.descriptors, watch.processes, len(kept), meanwhile), text


class Watch:
    """Looks at a process and those it has started, several times a second."""

    def __init__(self, pid: int) -> None:
        self._pid, self._over = pid, threading.Event()
        self.memory, self.descriptors, self.processes = 0.0, 0, 0
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def over(self) -> None:
        """It has ended."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            own = _command(self._pid)
            # Between fork and exec a child is a second view of the same memory and the same files.
            living = [self._pid, *(pid for pid in self._children(self._pid) if _command(pid) != own)]
            self.processes = max(self.processes, len(living))
            self.memory = max(self.memory, sum(map(_memory_mib, living)))
            self.descriptors = max(self.descriptors, sum(map(_descriptors, living)))

    def _children(self, pid: int) -> Iterator[int]:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                for child in (task / "children").read_text().split():
                    yield int(child)
                    yield from self._children(int(child))


def processor_seconds(pid: int) -> float:
    """That a process has used (proc(5): fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def left_open(sockets: Path) -> list[int]:
    """The processes of ssh that keep a connection open by a socket in a folder."""
    return [int(each.name) for each in Path("/proc").glob("[0-9]*") if str(sockets).encode() in _command(int(each.name))]


def _memory_mib(pid: int) -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return 0.0


def _descriptors(pid: int) -> int:
    with contextlib.suppress(OSError):
        return len([*Path(f"/proc/{pid}/fd").iterdir()])
    return 0


def measure(count: int, rounds: int, seconds: float) -> dict[str, list[Cost]]:
    """What each command costs. Raises RuntimeError when one of them finds something to do, or does not where there is."""
    found: dict[str, list[Cost]] = {**({FIRST: []} if count <= FIRST_MOST else {}), **{name: [] for name in COMMANDS}}
    with site(count, seconds) as made:
        if count <= FIRST_MOST:
            cost, text = run(made, *COMMANDS["plan"])
            found[FIRST].append(cost)
            _expect("nothing to do" in text, text)
            print(f"{count} hosts: {FIRST}: {cost.wall:.1f} s, {cost.cpu:.1f} s of processor", flush=True)
        else:
            meet(made)
        for number in range(rounds):
            for name, arguments in COMMANDS.items():
                cost, text = run(made, *arguments)
                _expect({"status": ": healthy", "plan": "nothing to do"}.get(name, ": 0 changed, 0 failed") in text, text)
                found[name].append(cost)
                print(f"{count} hosts, round {number + 1}: {name}: {cost.wall:.1f} s, {cost.cpu:.1f} s of processor", flush=True)
        if count > FIRST_MOST:
            return found
        last = f"a{count - 3}"
        notes = {**made.hosts.notes, last: {**made.hosts.notes[last], "consul": "0" * 32}}
        made.note(replace(made.hosts, notes=notes))
        _, text = run(made, *COMMANDS["plan"], code=CHANGES)
        _expect([line.strip() for line in text.splitlines() if ". " in line[:6]]
                == [f"1. Consul on {last}: other settings or another version of the role than applied"], text)
    return found


def meet(site: Site) -> None:
    """What a first `plan` leaves here: host keys and facts."""
    context = Context(site.folder / INVENTORY)
    establish(context.cluster, say=lambda _: None)
    facts = observe(context.cluster, context.rendered, context.one_question, sections=("facts",)).facts()
    fact_cache.keep(context.cluster, facts)


def _expect(right: bool, text: str) -> None:
    if not right:
        raise RuntimeError(f"a simulated cluster is not what it should be:\n{text[-3000:]}")


def table(count: int, costs: Mapping[str, Sequence[Cost]]) -> str:
    """One row for each command: medians, and the processor time and the memory for each host."""
    rows = [f"{f'{count} hosts':<28}{'runs':>5}{'wall s':>8}{'min':>8}{'CPU s':>8}{'ms/host':>9}{'MiB':>7}{'MiB/host':>10}{'files':>7}"
            f"{'procs':>7}{'kept':>6}{'hosts CPU s':>13}"]
    for name, runs in costs.items():
        wall, cpu, memory, files, processes, kept, server = (statistics.median(column)
                                                             for column in zip(*(asdict(r).values() for r in runs), strict=True))
        rows.append(f"{name:<28}{len(runs):>5}{wall:>8.1f}{min(r.wall for r in runs):>8.1f}{cpu:>8.1f}{1000 * cpu / count:>9.1f}"
                    f"{memory:>7.0f}{memory / count:>10.3f}{files:>7.0f}{processes:>7.0f}{kept:>6.0f}{server:>13.1f}")
    return "\n".join(rows)


def main() -> int:
    """Measure, print and keep."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--hosts", type=int, nargs="+", default=[1000, 5000])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=ANSWER_SECONDS, help="that a host takes for its answer")
    chosen = options.parse_args()
    found = {count: measure(count, chosen.rounds, chosen.seconds) for count in chosen.hosts}
    RESULTS.mkdir(exist_ok=True)
    record = {"machine": machine(), "seconds of an answer": chosen.seconds,
              "tables": {count: {name: [asdict(run) for run in runs] for name, runs in costs.items()} for count, costs in found.items()}}
    (RESULTS / "thousand.json").write_text(json.dumps(record, indent=1) + "\n")
    keep("thousand", "\n\n".join([f"an answer takes a host {chosen.seconds:g} s; {GOALS}", *(table(*each) for each in found.items())]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
