"""One master's copy of the registry. It stands for Mesos' Paxos log: whole values instead of positions, same quorums."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

Json = dict[str, Any]
EMPTY, STARTING, VOTING = "EMPTY", "STARTING", "VOTING"


class Replica:
    """Answers the leader's messages and persists before it answers. A copy that never voted is EMPTY or STARTING.

    `promised` is the highest epoch promised to a leader; (`epoch`, `version`) order the values it accepted.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = folder / "state.json" if folder else None
        self.state: Json = {"status": EMPTY, "promised": 0, "epoch": 0, "version": 0, "value": {}}
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        if self._file and self._file.exists():
            self.state = json.loads(self._file.read_text())

    @property
    def voting(self) -> bool:
        """Whether it has recovered (metric registrar/log/recovered)."""
        return bool(self.state["status"] == VOTING)

    def become(self, status: str, learned: Json | None = None) -> None:
        """Changes its status; `learned` is the newest state of a quorum that it catches up with."""
        self._persist({**self.state, **(learned or {}), "status": status})

    def handle(self, message: Json) -> Json:
        """The answer to `status`, `fetch`, `promise` or `write`; {"ok": false, ...} when it may not agree."""
        kind = message["type"]
        if kind == "status":
            return {"ok": True, "status": self.state["status"]}
        if not self.voting:
            return {"ok": False, "status": self.state["status"]}
        if kind == "fetch":
            return {"ok": True, **self.state}
        epoch = int(message["epoch"])
        if kind == "promise":
            if epoch <= self.state["promised"]:
                return {"ok": False, "promised": self.state["promised"]}
            self._persist({**self.state, "promised": epoch})
            return {"ok": True, **self.state}
        return self._write(epoch, int(message["version"]), message["value"])

    def _write(self, epoch: int, version: int, value: Json) -> Json:
        if epoch < self.state["promised"]:
            return {"ok": False, "promised": self.state["promised"]}
        if (epoch, version) > (self.state["epoch"], self.state["version"]):
            accepted = {"promised": epoch, "epoch": epoch, "version": version, "value": value}
            self._persist({**self.state, **accepted})
        return {"ok": True}

    def _persist(self, state: Json) -> None:
        if self._file:
            new = self._file.with_suffix(".new")
            with new.open("w") as out:
                json.dump(state, out)
                out.flush()
                os.fsync(out.fileno())
            new.replace(self._file)
        self.state = state


def newest(states: list[Json]) -> Json:
    """The state with the highest (epoch, version): what a quorum agreed on is among any other quorum's answers."""
    return max(states, key=lambda state: (state["epoch"], state["version"]))
