"""Reboots that a new kernel asks for: one host at a time, proven by a new boot id, and only while the others can spare it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.components import AGENT, COMPONENTS
from provisioner.errors import StepFailed, UnreachableError
from provisioner.hosts.openssh import Transport
from provisioner.observe.observation import Observation, observe
from provisioner.observe.wait import wait_until
from provisioner.plan.steps import Step
from provisioner.run.outcome import Event, Outcome

#: Where the kernel role asks for a reboot; the text names the boot in which it did.
NOTE = "/var/lib/provisioner/reboot-required"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
#: A server with much memory and many disks takes its time before it even starts the kernel.
BOOT_SECONDS = 900.0
#: How long a host may go on answering with its old boot id after it was told to reboot.
STOP_SECONDS = 180.0
SERVE_SECONDS = 300.0
POLL_SECONDS = 2.0
ANSWER_SECONDS = 15.0

Say = Callable[[str], None]


class Reboots:
    """Carries out the steps `reboot` (see outcome.Executor), and says on which hosts they are needed."""

    def __init__(self, cluster: Cluster, rendered: Mapping[str, Any], transport: Transport, say: Say) -> None:
        self._cluster = cluster
        self._rendered = rendered
        self._transport = transport
        self._say = say

    def needed(self, host: str) -> bool:
        """Does it ask for a reboot that it has not had yet? Raises StepFailed when it does and must not go away.

        So it is refused before its tasks are moved away, not after. The machine that we run on is left to its owner.
        """
        try:
            done = self._transport.run(self._cluster.host(host), f"grep -qsFf {BOOT_ID} {NOTE}", become=True, timeout=ANSWER_SECONDS)
        except UnreachableError:
            return False
        if done.code == 0 and self._cluster.local:
            raise StepFailed("its new kernel waits for a reboot, which would end this run: provision runs on it", where=host,
                             hint="reboot this machine (systemctl reboot), then run 'provision up' again")
        if done.code == 0:
            self._serving(host)
        return done.code == 0

    def __call__(self, step: Step, hosts: Sequence[str], on_event: Callable[[Event], None]) -> Outcome:
        """See outcome.Executor: one host after the other, until all it served works there again.

        Tasks may have been moved away from an agent, so it need not: it is drained until its role has run again.
        """
        for host in hosts:
            self._reboot(host, self._serving(host) - {AGENT.name})
        return Outcome(changed=len(hosts), tasks=len(hosts), changed_tasks=[f"{host}: rebooted" for host in hosts])

    def _serving(self, host: str) -> frozenset[str]:
        """The components that work on a host now. Raises StepFailed when it must not go away: another voter is missing already."""
        seen = observe(self._cluster, self._rendered, self._transport, sections=("health",))
        served = frozenset(c.name for c in COMPONENTS if _works(seen, host, c.name))
        for component in (c for c in COMPONENTS if c.rolling and c.name in served):
            others = [h.name for h in self._cluster.members(component.rolling) if h.name != host]
            sick = [name for name in others if not _works(seen, name, component.name)]
            if sick:
                raise StepFailed(f"it is not rebooted, because {component.title} does not work on {', '.join(sick)}", where=host,
                                 hint="fix that first ('provision status' says what is wrong), then run 'provision up' again")
        return served

    def _reboot(self, host: str, served: frozenset[str]) -> None:
        """Reboot and wait until the host is back under a new boot id and everything it served works again. Raises StepFailed."""
        before = self._boot_id(host)
        self._say(f"rebooting {host} …")
        begin = time.monotonic()
        with contextlib.suppress(UnreachableError):  # it may go down before it has answered; the boot id is the proof
            self._transport.run(self._cluster.host(host), "systemctl reboot", become=True, timeout=ANSWER_SECONDS)
        now = wait_until(lambda: self._boot_id(host),
                         lambda now: now not in ("", before) or (now == before and time.monotonic() - begin > STOP_SECONDS),
                         BOOT_SECONDS, pause=POLL_SECONDS)
        if now in ("", before):
            waited = f"does not answer after {time.monotonic() - begin:.0f} s"
            raise StepFailed("it was told to reboot and " + ("did not" if now else waited), where=host,
                             hint="look at its console; 'provision up' goes on when it is back")
        self._await(host, served)
        self._say(f"{host} is back after {time.monotonic() - begin:.0f} s")

    def _await(self, host: str, served: frozenset[str]) -> None:
        def missing() -> list[str]:
            seen = observe(self._cluster, self._rendered, self._transport, hosts=(host,), sections=("health",))
            return [name for name in sorted(served) if not _works(seen, host, name)]

        left = wait_until(missing, lambda names: not names, SERVE_SECONDS, pause=POLL_SECONDS)
        if left:
            raise StepFailed(f"after the reboot these do not work: {', '.join(left)}", where=host,
                             hint="'provision status' says what is wrong; no other host was rebooted")

    def _boot_id(self, host: str) -> str:
        """'' while the host does not answer."""
        try:
            done = self._transport.run(self._cluster.host(host), f"cat {BOOT_ID}", timeout=ANSWER_SECONDS)
        except UnreachableError:
            return ""
        return done.stdout.decode(errors="replace").strip() if done.code == 0 else ""


def _works(seen: Observation, host: str, component: str) -> bool:
    """Ok, or degraded only because a peer elsewhere is missing."""
    health = seen.health(host, component) or {}
    return health.get("state") == "ok" or (health.get("facts") or {}).get("itself") == "ok"
