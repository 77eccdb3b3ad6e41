"""One pipeline: inputs, queue, and a worker that filters a batch, hands it to every output and only then forgets it."""

from __future__ import annotations

import glob
import hashlib
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .catalogue import load
from .event import Event
from .language import Branch, ConfigurationError, Plugin
from .plugins import FILTERS, INPUTS, OUTPUTS
from .settings import size
from .store import Queue

_RETRY_SECONDS = 2.0


class Pipeline:
    """Made from the settings of one pipeline. Raises ConfigurationError when its configuration can't be used."""

    def __init__(self, settings: dict[str, Any], log: Callable[..., None]) -> None:
        self.settings, self.log, self.name = settings, log, str(settings["pipeline.id"])
        text = settings["config.string"] or _text(settings["path.config"])
        self.sections = load(text)
        self.hash, self.ephemeral_id = hashlib.sha256(text.encode()).hexdigest(), str(uuid.uuid4())
        self.state = "LOADING"
        self.received = self.written = 0
        self._stopping = threading.Event()

    def start(self) -> None:
        """Bind the inputs and start the worker. Raises OSError when an input can't be bound."""
        folder = Path(self.settings["path.queue"] or Path(self.settings["path.data"]) / "queue") / self.name
        kept = folder if self.settings["queue.type"] == "persisted" else None
        self.queue = Queue(kept, size(str(self.settings["queue.max_bytes"])))
        self._outputs = {id(p): OUTPUTS[p.name](p) for p in every(self.sections["output"])}
        self._inputs = [INPUTS[p.name](p, self._received) for p in every(self.sections["input"])]
        for one in self._inputs:
            one.start()
        self._worker = threading.Thread(target=self._work, daemon=True)
        self._worker.start()
        self.state = "RUNNING"

    def stop(self) -> None:
        """Stop the inputs, finish the batch under way; the rest stays in the queue."""
        for one in self._inputs:
            one.stop()
        self._stopping.set()
        self.queue.close()
        self._worker.join(timeout=10)
        self.state = "FINISHED"

    def _received(self, event: Event) -> None:
        self.queue.push(event)
        self.received += 1

    def _work(self) -> None:
        while not self._stopping.is_set():
            batch = self.queue.batch(self.settings["pipeline.batch.size"], 1.0)
            filters = self.sections["filter"]
            kept = [e for _, e in batch if all(FILTERS[p.name](p, e) for p in _chosen(filters, e))]
            if batch and self._delivered(kept):
                self.queue.acknowledge(batch[-1][0])
                self.written += len(kept)

    def _delivered(self, events: list[Event]) -> bool:
        """Hand the events to the outputs, each until it takes them; False when we were told to stop before."""
        shares: dict[int, list[Event]] = {}
        for event in events:
            for plugin in _chosen(self.sections["output"], event):
                shares.setdefault(id(plugin), []).append(event)
        return all(self._taken(self._outputs[key], share) for key, share in shares.items())

    def _taken(self, output: Any, events: list[Event]) -> bool:
        while not self._stopping.is_set():
            try:
                output.take(events)
            except OSError as error:
                self.log("WARN", f"logstash.outputs.{type(output).__name__.lower()}", f"Failed, will retry: {error}")
                self._stopping.wait(_RETRY_SECONDS)
            else:
                return True
        return False


def every(nodes: Sequence[Plugin | Branch]) -> Iterator[Plugin]:
    """The plugins of a section, those inside branches too."""
    for node in nodes:
        if isinstance(node, Branch):
            for _, block in node.cases:
                yield from every(block)
        else:
            yield node


def _chosen(nodes: Sequence[Plugin | Branch], event: Event) -> Iterator[Plugin]:
    for node in nodes:
        if isinstance(node, Branch):
            yield from _chosen(next((block for condition, block in node.cases if condition(event)), ()), event)
        else:
            yield node


def _text(pattern: str | None) -> str:
    found = [Path(name) for name in sorted(glob.glob(pattern or ""))]  # noqa: PTH207  (the pattern is absolute)
    files = [f for p in found for f in (sorted(p.iterdir()) if p.is_dir() else [p]) if f.is_file()]
    if not files:
        raise ConfigurationError(f"No config files found: {pattern}. Is it the path of a Logstash configuration?")
    return "\n".join(f.read_text() for f in files)
