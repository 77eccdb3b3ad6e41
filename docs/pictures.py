"""What `provision status` shows of hosts that were recorded on a lab (`bench/recordings`), for README.md and the guide."""

from __future__ import annotations

import dataclasses
import io
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from bench.simulated_hosts import Recording, SimulatedCluster
from provisioner.console import make_table, status_rows
from provisioner.context import Context
from provisioner.observe.observation import HostObservation, Observation, questions
from provisioner.observe.overview import overview
from provisioner.observe.status import Status, summarize
from provisioner.paths import project_dir
from provisioner.verbs.status.drawing import Drawn
from provisioner.verbs.status.work import COLUMNS, title

DOCS = project_dir() / "docs"
WIDTH = 132
MADE_BY = "Written by 'make docs', of recorded and simulated hosts (bench/simulated_hosts.py)."
FEW, MANY = 5, 30
#: What goes wrong among the many: by host and component what differs from the recording, in the probe's own words.
FAULTS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("m3", "zookeeper"): {"state": "down", "detail": "the unit zookeeper is stopped (dead)"},
    ("m2", "zookeeper"): {"state": "degraded", "detail": "leader, 1 of 2 followers in sync", "facts": {"itself": "ok"}},
    ("m1", "consul"): {"detail": "leads, 28 of 30 members alive"},
    ("m1", "mesos_master"): {"detail": "leads with 25 active agents"},
    ("a7", "docker"): {"state": "down", "detail": "the unit docker failed (exit-code)"},
    ("a12", "mesos_agent"): {"state": "ok", "detail": "is drained, as asked for: 'provision undrain' lets it take work again",
                             "facts": {"deactivated": True}},
}
LOST = ("a20", "a21")
HINT = "is the host up, is ansible_host right, does a firewall between here and there allow it?"


def pictures() -> Iterator[tuple[Path, str]]:
    """Every picture and text with its path."""
    well, ill = recorded("lab", FEW), recorded("production", MANY, wrong=True)
    yield DOCS / "status.svg", _svg(Drawn(overview(well)))
    yield DOCS / "status-wrong.svg", _svg(Drawn(overview(ill)))
    parts = [f"{what}\n\n$ provision status\n{_text(Drawn(overview(status)))}\n$ provision status --all\n{_text(_table(status))}"
             for what, status in ((f"{FEW} hosts, all well.", well), (f"{MANY} hosts; some are lost, some broken.", ill))]
    yield DOCS / "results" / "status.txt", "\n".join([f"{MADE_BY}\n", *parts])


def recorded(name: str, count: int, *, wrong: bool = False) -> Status:
    """The status of so many recorded and repeated hosts, with FAULTS and LOST hosts where something is to be wrong."""
    hosts = SimulatedCluster(Recording.read(), count, name)
    with tempfile.TemporaryDirectory() as folder:
        context = Context(hosts.write_inventory(Path(folder), 22))
        cluster, asked = context.cluster, {h.name: questions(context.rendered, h) for h in context.cluster.hosts}
    found: dict[str, HostObservation] = {}
    for host in hosts.hosts.values():
        health = hosts.answer(host, {"sections": ["health"], "health": asked[host.name]})["health"]
        for (place, component), change in FAULTS.items() if wrong else ():
            if place == host.name:
                health[component] |= change
        found[host.name] = HostObservation(True, health=health)
    for place in LOST if wrong else ():
        found[place] = HostObservation(False, f"{cluster.host(place).cluster_address} does not answer on port 22", hint=HINT)
    return dataclasses.replace(summarize(cluster, Observation(found)), cluster=name)


def _table(status: Status) -> RenderableType:
    return make_table(title(status), COLUMNS, status_rows(status.as_json()["components"]))


def _console(**how: Any) -> Console:
    """One that draws the same wherever it is."""
    return Console(file=io.StringIO(), width=WIDTH, highlight=False, legacy_windows=False, _environ={"TERM": "xterm-256color"}, **how)


def _svg(shown: RenderableType) -> str:
    console = _console(record=True, force_terminal=True, color_system="truecolor")
    console.print(shown)
    # Without the font that the library would have a reader's browser fetch from elsewhere.
    return re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="provision status"), flags=re.DOTALL) + "\n"


def _text(shown: RenderableType) -> str:
    console = _console(record=True)
    console.print(shown)
    return "".join(f"{line.rstrip()}\n" for line in console.export_text().splitlines())
