"""Hosts that drift: things go wrong under the eyes of every role, and each must be seen by `plan` and mended by `up`.

A batch harms each role on each host at most once, so that no harm hides behind another. What a host is like before and after is
asked with a shell's means, not with the probe's.
"""

from __future__ import annotations

import json
import random
import shlex
from collections.abc import Iterable

from provisioner import kept_facts
from provisioner.lab import default_inventory
from provisioner.session import Session
from provisioner.witness import questions
from tests.cluster_under_test import HOME, ClusterUnderTest
from tests.harms import STOPPING, Harm, harms, inventory_script, look_script


class Drifting:
    """A cluster that is as it should be, and everything that can go wrong with what its roles watch."""

    def __init__(self, cluster: ClusterUnderTest) -> None:
        session = Session(default_inventory(cluster.lab, HOME))
        asked = questions(session.cluster, session.rendered, session.defaults, kept_facts.read(session.cluster), session.ledger.cluster_id)
        self._cluster = cluster
        self._witnesses = {host: {name: one["witness"] for name, one in own.items()} for host, own in asked.items()}
        self._voters = sorted(h.name for h in session.cluster.members("zookeeper"))
        there = {host: frozenset(cluster.host(host).run(inventory_script([*own.values()])).splitlines())
                 for host, own in self._witnesses.items()}
        self.possible = sorted(harm for host, own in self._witnesses.items() for name, witness in own.items()
                               for harm in harms(host, name, witness, there[host]))

    def batch(self, dice: random.Random) -> list[Harm]:
        """One harm to each role on each host."""
        offered: dict[tuple[str, str], dict[str, list[Harm]]] = {}
        for harm in self._together(dice):
            offered.setdefault((harm.host, harm.component), {}).setdefault(harm.kind, []).append(harm)
        # First the kind, then the thing: a role has many files and one unit.
        return [dice.choice(kinds[dice.choice(sorted(kinds))]) for _, kinds in sorted(offered.items())]

    def seen_and_mended(self, batch: list[Harm]) -> None:
        """Fails with each harm that `plan` did not see, and with what differs on a host after `up`."""
        before = self.look()
        self._do(batch)
        planned = self.planned()
        missed = [harm for harm in batch if (harm.host, harm.component) not in planned]
        assert not missed, "not seen: " + "; ".join(map(str, missed))
        self._cluster.up()
        after = self.look()
        differ = {host: sorted(set(before[host]) ^ set(after[host])) for host in before if before[host] != after[host]}
        assert not differ, f"not mended: {differ}\nafter {'; '.join(map(str, batch))}"
        assert self.planned() == set(), f"the next run would not be idle after {'; '.join(map(str, batch))}"

    def look(self) -> dict[str, list[str]]:
        """What each host is like, a line for each thing that some role watches."""
        return {host: self._cluster.host(host).run(look_script([*own.values()])).splitlines() for host, own in self._witnesses.items()}

    def planned(self) -> set[tuple[str, str]]:
        """(host, component) that `plan` would work on."""
        plan = json.loads(self._cluster.run("plan", "--json").stdout)
        return {(host, step["component"]) for step in plan["steps"] for host in step["hosts"]}

    def _together(self, dice: random.Random) -> list[Harm]:
        """What may happen at the same time: of the hosts that vote, services stop on one only."""
        down = dice.choice(self._voters)
        return [harm for harm in self.possible if harm.kind not in STOPPING or harm.host == down or harm.host not in self._voters]

    def _do(self, batch: Iterable[Harm]) -> None:
        scripts: dict[str, list[str]] = {}
        # Packages first: fetching one takes a host whose package sources and names are all right.
        for harm in sorted(batch, key=lambda harm: not harm.kind.startswith("package")):
            failed = shlex.quote(f"could not be done: {harm}")
            scripts.setdefault(harm.host, []).append(f"sh -ec {shlex.quote(harm.script)} || {{ echo {failed} >&2; exit 1; }}")
        for host, lines in scripts.items():
            self._cluster.host(host).run("\n".join(lines))
