"""Downloads many files at once, each of which has its name only when its SHA-256 is right; what is interrupted goes on the next time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import ProvisionError, UsageError
from provisioner.mirror.arrival import Arrival, Stopped, Wanted, unwritable
from provisioner.mirror.files import link_or_copy
from provisioner.mirror.programs import Say
from provisioner.mirror.progress import Progress

PARALLEL = 6
_END_SECONDS = 2.0


@dataclass(frozen=True)
class Fault:
    """A file that did not come, and why."""

    wanted: Wanted
    error: ProvisionError


def download(files: Sequence[Wanted], arriving: Path, say: Say = lambda line: None, *, parallel: int = PARALLEL) -> list[Fault]:
    """Fetches all of them, and gives those that did not come; one file's fault does not keep the others.

    `arriving` is the folder of what has come in part, by its SHA-256, on the disk of the targets. Only there something is left when
    this is interrupted, and the next call goes on with it. Raises UsageError when this machine can't write.
    """
    arriving.mkdir(parents=True, exist_ok=True)
    alike: dict[str, list[Wanted]] = {}
    for each in files:
        alike.setdefault(each.sha256, []).append(each)
    progress = Progress(say, "downloading", sum(group[0].size for group in alike.values()), len(alike))
    waiting: queue.SimpleQueue[list[Wanted]] = queue.SimpleQueue()
    for group in alike.values():
        waiting.put(group)
    answers: queue.SimpleQueue[list[Fault] | BaseException] = queue.SimpleQueue()
    stop = threading.Event()
    # Not a pool: it would wait at the end for a server that is silent, also after Ctrl-C.
    workers = [threading.Thread(target=_work, args=(waiting, answers, arriving, progress, stop), daemon=True)
               for _ in range(min(parallel, len(alike)))]
    for worker in workers:
        worker.start()
    faults: list[Fault] = []
    try:
        for _ in alike:
            answer = answers.get()
            if isinstance(answer, BaseException):
                raise answer
            faults += answer
    finally:
        stop.set()
        for worker in workers:
            worker.join(_END_SECONDS)
    if alike:
        say(f"downloaded: {progress}")
    order = {id(each): number for number, each in enumerate(files)}
    return sorted(faults, key=lambda fault: order[id(fault.wanted)])


def _work(waiting: queue.SimpleQueue[list[Wanted]], answers: queue.SimpleQueue[list[Fault] | BaseException], arriving: Path,
          progress: Progress, stop: threading.Event) -> None:
    """One of those who take the next that waits, until none does."""
    while not stop.is_set():
        try:
            group = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            answers.put(_alike(group, arriving, progress, stop))
        except Stopped:
            return
        except BaseException as error:
            answers.put(error)
            return
        progress.through()


def _alike(group: Sequence[Wanted], arriving: Path, progress: Progress, stop: threading.Event) -> list[Fault]:
    """Files of the same content, which is fetched once, from the first address that gives it."""
    part = arriving / group[0].sha256
    faults: list[Fault] = []
    for each in group:
        try:
            Arrival(each, part, progress, stop).whole()
            break
        except UsageError:
            raise
        except ProvisionError as error:
            faults.append(Fault(each, error))
    else:
        return faults
    try:
        for other in group[1:]:
            _place(other.target, lambda new: link_or_copy(part, new))
        _place(group[0].target, lambda new: part.replace(new))
    except OSError as error:
        raise unwritable(error, group[0].target) from error
    return []


def _place(target: Path, put: Callable[[Path], object]) -> None:
    """Gives content its name, in place of what had it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.new")
    new.unlink(missing_ok=True)
    put(new)
    new.replace(target)


def total(files: Iterable[Wanted], arriving: Path) -> int:
    """How many bytes are still to come."""
    needed = 0
    for sha256, size in {each.sha256: each.size for each in files}.items():
        part = arriving / sha256
        needed += max(size - (part.stat().st_size if part.exists() else 0), 0)
    return needed
