"""What a step did, however it was carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioner.hosts.failures import printable
from provisioner.plan.steps import Step

#: Something that happened in a step: a task begins, or one of its hosts has a result.
Event = Mapping[str, Any]
#: Said on every fresh host: Ansible made root's own folder for temporary files.
HARMLESS = "Module remote_tmp"


@dataclass
class Outcome:
    """Counted over hosts and tasks."""

    returncode: int = 0
    changed: int = 0
    tasks: int = 0
    failures: list[Event] = field(default_factory=list)
    unreachable: list[Event] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    changed_tasks: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Count one result. A host that ended well has no failures: what failed there was rescued, as its role foresees."""
        if event.get("event") == "stats":
            well = {host for host, counts in event["hosts"].items() if not counts["failures"]}
            self.failures = [each for each in self.failures if each["host"] not in well]
        if event.get("event") != "result":
            return
        status = event["status"]
        self.tasks += status != "skipped"
        if status == "changed":
            self.changed += 1
            self.changed_tasks.append(f"{event['host']}: {event['task']}")
        elif status == "failed":
            self.failures.append({**event, "message": printable(str(event.get("message", "")).encode())})
        elif status == "unreachable":
            self.unreachable.append(event)
        self.warnings += [w for w in event.get("warnings", []) if w not in self.warnings and HARMLESS not in w]


#: Carries out one verb: does a step on these of its hosts, and reports every event as it comes. Raises ProvisionError for what is no
#: result of a task.
Executor = Callable[[Step, Sequence[str], Callable[[Event], None]], Outcome]
#: Does several steps at the same time; reports every event, and the outcome of each that ends, with the step's place. Raises
#: ProvisionError, when all have ended, for what is no result of a task.
Together = Callable[[Sequence[Step], Callable[[int, Event], None], Callable[[int, Outcome], None]], None]
