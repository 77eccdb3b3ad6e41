"""`provision replace HOST`: another machine takes the name and the place of one that is gone for good."""

from __future__ import annotations

from provisioner.cluster.facts import membership
from provisioner.cluster.model import Cluster, Host
from provisioner.components import AGENT, QUORUMS, component
from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import StepFailed, UnreachableError
from provisioner.hosts.host_keys import scan
from provisioner.hosts.known_hosts import KnownHosts, fingerprint, forget, record
from provisioner.hosts.remote_calls import RemoteCalls
from provisioner.observe.observation import HostObservation, Observation, observe
from provisioner.observe.wait import wait_for_calm
from provisioner.observe.workload import Workload
from provisioner.plan.scope import Scope
from provisioner.plan.steps import serves
from provisioner.run.engine import Result
from provisioner.run.membership import forget as forget_member
from provisioner.run.prepare import UNDER_LOCK, locked, prepared
from provisioner.verbs.replace import Options
from provisioner.verbs.shared.confirm import confirm_by_name
from provisioner.verbs.up.work import carry_out


def run_replace(context: Context, console: Console, options: Options) -> Result:
    """Trust the new machine's key, forget the old one in Consul and Mesos, and bring the new one up.

    ZooKeeper's id stays the name's; the new member fetches its data from the others. `options`: those of `up`, host, yes (the
    host's name). Killed anywhere, `up` goes on. Raises UsageError, UnreachableError, and StepFailed when the machine is no new one
    or when another member of one of its quorums does not work.
    """
    found = context.host(options.host)
    for each in context.moved():
        if each.host.name == found.name:
            console.say(f"{found.cluster_address} is {each.now} now (so far: {each.before}); the cluster will know it by that")
    context = context.look_up_again(found.name)
    cluster = context.cluster
    key = scan(found)
    known = KnownHosts.of(cluster)
    before = dict.fromkeys(text for name in key.names for text in known.fingerprints(name))
    console.say(f"{found.name} presents the key {fingerprint(key.key)} ({key.kind}); known so far: {', '.join(before) or 'none'}")
    confirm_by_name(options.yes, found.name, "Compare the key with the new machine's console. The old machine's data is abandoned, "
                                             "and that machine must never run again with its old disk.")
    forget(cluster, key.names)
    record(cluster, [key.line])
    with locked(context, console, f"replace {found.name}") as held:
        refuse_used(observe(cluster, context.rendered, context.transport, hosts=(found.name,), sections=("facts",)).hosts[found.name],
                    found.name, context.ledger.cluster_id)
        seen = wait_for_calm(lambda: observe(cluster, context.rendered, context.transport, sections=("health",)),
                              lambda seen: refuse_alone(found, cluster, seen))
        _forget(context, found, seen)
        with prepared(context, console, Scope(batch=options.batch), UNDER_LOCK) as ready:
            return carry_out(ready.context, console, ready.assessment, held, yes=True)


def refuse_used(said: HostObservation, name: str, cluster_id: str) -> None:
    """The machine must answer, and be of no cluster. Raises UnreachableError, StepFailed."""
    if not said.reachable:
        raise UnreachableError(f"nothing was changed: {said.error}", where=name)
    belongs, _ = membership(said.facts)
    if belongs:
        raise StepFailed("nothing was changed: this is not a new machine: it belongs to " + ("this" if belongs == cluster_id else "another")
                         + " cluster", where=name, hint="'provision up' repairs a host that still has its disk")


def refuse_alone(new: Host, cluster: Cluster, seen: Observation) -> None:
    """What it is to fetch must be there, and its quorums must bear that it comes. Raises StepFailed."""
    for name, group in QUORUMS.items():
        others = [h.name for h in cluster.members(group) if h.name != new.name]
        sick = [h for h in others if not serves(seen, h, component(name))]
        if group in new.groups and sick:
            raise StepFailed(f"nothing was changed: {component(name).title} does not work on {', '.join(sick)}, and {new.name} counts as "
                             "missing too", hint="repair that first ('provision up --limit …')")


def _forget(context: Context, new: Host, seen: Observation) -> None:
    """The old machine, where it is still counted: before the new one comes, which Mesos would otherwise send away with it."""
    cluster = context.cluster
    calls = RemoteCalls(context.transport)
    forget_member(new, cluster, seen, calls)
    if AGENT.name in new.groups and any(serves(seen, h.name, component("mesos_master")) for h in cluster.members("mesos_master")):
        Workload(cluster, context.rendered, calls).gone(new.name)
