"""Hosts that drift: things go wrong under the eyes of every role, and each must be seen by `plan` and mended by `up`.

A batch harms each role on each host once, or several files of it, so that no harm hides behind another: `plan` must name each
of the files. What a host is like before and after is asked with a shell's means, not with the probe's.
"""

from __future__ import annotations

import json
import random
import shlex
from collections.abc import Callable, Iterable, Mapping

from provisioner.context import Context
from provisioner.plan.fingerprint import questions
from provisioner.state import fact_cache
from tests.lab.support.checkout import ClusterUnderTest
from tests.lab.support.harms import ELSEWHERE, ON_FILES, STOPPING, Harm, harms, inventory_script, look_script

#: So many files of one role on one host come to harm together.
FILES = 12
#: Roles that work on all their hosts at the same time: harm there is soon mended.
AT_ONCE = ("common", "kernel", "logstash", "registrator", "repos")


class Drifting:
    """A cluster that is as it should be, and everything that can go wrong with what its roles watch."""

    def __init__(self, cluster: ClusterUnderTest) -> None:
        context = Context(cluster.inventory)
        asked = questions(context.cluster, context.rendered, context.defaults, fact_cache.read(context.cluster), context.ledger.cluster_id)
        self._cluster = cluster
        self._witnesses = {host: {name: one["witness"] for name, one in own.items()} for host, own in asked.items()}
        self._voters = sorted(h.name for h in context.cluster.members("zookeeper"))
        there = {host: frozenset(cluster.host(host).run(inventory_script([*own.values()])).splitlines())
                 for host, own in self._witnesses.items()}
        self.possible = sorted(harm for host, own in self._witnesses.items() for name, witness in own.items()
                               for harm in harms(host, name, witness, there[host]))

    def batch(self, dice: random.Random) -> list[Harm]:
        """One harm to each role on each host, or one each to some of its files; what few roles can suffer is among them every time."""
        possible = self._together(dice)
        chosen = each_kind_once((harm for harm in possible if harm.kind not in ON_FILES), dice.choice)
        offered: dict[tuple[str, str], dict[str, list[Harm]]] = {}
        for harm in possible:
            offered.setdefault((harm.host, harm.component), {}).setdefault(harm.kind, []).append(harm)
        for place in sorted(offered.keys() - {(harm.host, harm.component) for harm in chosen}):
            # First the kind, then the thing: a role has many files and one unit.
            kinds = offered[place]
            kind = dice.choice(sorted(kinds))
            chosen += self._some_files(dice, kinds) if kind in ON_FILES else [dice.choice(kinds[kind])]
        # Several roles may watch the same file, which comes to harm once.
        once = {(harm.host, harm.thing if harm.kind in ON_FILES else str(harm)): harm for harm in chosen}
        return list(once.values())

    def one_of_each(self) -> list[Harm]:
        """One harm of each kind, each to another role or host; where there is a choice, to roles that work on all hosts at once."""
        together = (harm for harm in self.possible if harm.kind not in STOPPING or harm.host not in self._voters[1:])
        return each_kind_once(together, lambda free: min(free, key=lambda harm: (harm.component not in AT_ONCE, harm)))

    def seen_and_mended(self, batch: list[Harm]) -> None:
        """Fails with each harm that `plan` did not see, and with what differs on a host after `up`."""
        before = self.look()
        self._do(batch)
        reasons = self.planned()
        missed = [harm for harm in batch if not reasons.get((harm.host, harm.component))
                  or (harm.kind in ON_FILES and f"{harm.thing} " not in reasons[harm.host, harm.component])]
        missed = [harm for harm in missed if not self._over(harm)]
        assert not missed, "not seen: " + "; ".join(f"{harm}: {reasons.get((harm.host, harm.component))}" for harm in missed)
        self._cluster.up()
        after = self.look()
        differ = {host: sorted(set(before[host]) ^ set(after[host])) for host in before if before[host] != after[host]}
        assert not differ, f"not mended: {differ}\nafter {'; '.join(map(str, batch))}"
        self._cluster.run("certificates")  # each is valid and the cluster's
        assert self.planned() == {}, f"the next run would not be idle: {self.planned()} after {'; '.join(map(str, batch))}"

    def _over(self, harm: Harm) -> bool:
        """Whether it is no longer there: a scheduler whose ZooKeeper stopped in the same batch restarts by itself, with its right files."""
        port = harm.thing.rpartition(" ")[2]
        return harm.kind == ELSEWHERE and not self._cluster.host(harm.host).run(f"ss -Hlntu 'sport = :1{port}'").strip()

    def look(self) -> dict[str, list[str]]:
        """What each host is like, a line for each thing that some role watches."""
        return {host: self._cluster.host(host).run(look_script([*own.values()])).splitlines() for host, own in self._witnesses.items()}

    def planned(self) -> dict[tuple[str, str], str]:
        """Why `plan` would work on a component, by (host, component)."""
        plan = json.loads(self._cluster.run("plan", "--json").stdout)
        return {(host, step["component"]): step["reasons"].get(host, step["why"]) for step in plan["steps"] for host in step["hosts"]}

    @staticmethod
    def _some_files(dice: random.Random, kinds: Mapping[str, list[Harm]]) -> list[Harm]:
        by_thing: dict[str, list[Harm]] = {}
        for kind in ON_FILES & set(kinds):
            for harm in kinds[kind]:
                by_thing.setdefault(harm.thing, []).append(harm)
        things = dice.sample(sorted(by_thing), min(FILES, len(by_thing)))
        return [dice.choice(sorted(by_thing[thing])) for thing in things]

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


def each_kind_once(possible: Iterable[Harm], choose: Callable[[list[Harm]], Harm]) -> list[Harm]:
    """One harm of each kind, each to another role or host, as far as there are so many; kinds of which there are few come first."""
    offered: dict[str, list[Harm]] = {}
    for harm in possible:
        offered.setdefault(harm.kind, []).append(harm)
    chosen: dict[tuple[str, str], Harm] = {}
    for kind in sorted(offered, key=lambda kind: len({(harm.host, harm.component) for harm in offered[kind]})):
        free = [harm for harm in offered[kind] if (harm.host, harm.component) not in chosen]
        if free:
            harm = choose(free)
            chosen[harm.host, harm.component] = harm
    return [*chosen.values()]
