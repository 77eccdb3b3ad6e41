"""What to start and what to end so that an app becomes what it should be: a pure decision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from marathon_standin.apps import App
from marathon_standin.instances import Instance


@dataclass(frozen=True)
class Decision:
    """How many copies to start, which to end, and whether the app is as it should be."""

    start: int
    end: tuple[str, ...]
    done: bool


def decide(app: App, instances: Sequence[Instance]) -> Decision:
    """Compares an app with its instances.

    A new version is started beside the old one within `maximumOverCapacity`; old copies end as soon as
    `minimumHealthCapacity` of the wanted number is ready without them.
    """
    wanted, checks = int(app["instances"]), len(app["healthChecks"])
    strategy = app["upgradeStrategy"]
    live = [i for i in instances if not i.killing_at]
    current = sorted((i for i in live if i.version == app["version"]), key=lambda i: i.staged_at)
    old = sorted((i for i in live if i.version != app["version"]), key=lambda i: i.staged_at)
    room = wanted + math.floor(wanted * float(strategy["maximumOverCapacity"])) - len(instances)
    start = max(0, min(wanted - len(current), room if old else wanted - len(current)))
    surplus = current[wanted:]
    needed = math.ceil(wanted * float(strategy["minimumHealthCapacity"]))
    ready = sum(i.ready(checks) for i in live)
    ending = [i for i in old if not i.ready(checks)]
    ending += [i for i in old if i.ready(checks)][: max(0, ready - needed)]
    done = len(current) == wanted == sum(i.ready(checks) for i in current) and len(instances) == wanted
    return Decision(start, tuple(i.task_id for i in [*ending, *surplus]), done)
