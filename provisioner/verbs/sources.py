"""`provision sources`: where everything that this inventory needs comes from, and whether it is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.verbs.shared.arguments import add_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from provisioner.console import Console
    from provisioner.context import Context
    from provisioner.mirror.lock import System
    from provisioner.mirror.offered import Offer

EPILOG = """\
Asks from this machine, by its proxies; nothing is downloaded but lists of
packages, and no host is asked unless --from-hosts says so."""
CODES = {5: "something has no source that answers"}
#: Where nothing is known of the hosts.
USUAL = "debian12/amd64"


@dataclass(frozen=True)
class Options:
    """The options of `sources`."""

    system: tuple[str, ...] = ()
    from_hosts: bool = False
    json: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """For which systems, and who asks."""
    parser.add_argument("--system", action="append", default=[], metavar="SYSTEM",
                        help="for this system, such as debian12/amd64, instead of those of the hosts (repeatable)")
    parser.add_argument("--from-hosts", action="store_true", help="have every host ask, too: what 'preflight' says of sources")
    add_json(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Print what is not served with what to do about it, then everything; 0 only if all is served."""
    from provisioner.errors import StepFailed
    from provisioner.mirror.artefacts import needed
    from provisioner.mirror.offered import offers

    context = context.from_elsewhere
    found: list[Offer] = []
    for system in _systems(context, console, options):
        wanted = needed(context, release=f"{system.distribution}{system.release}")
        found += [offer for offer in offers(context, wanted, system) if offer not in found]
    seen = _from_hosts(context, console) if options.from_hosts else []
    if options.json:
        console.json({"cluster": context.cluster.name, "artefacts": [vars(offer) for offer in found], "hosts": seen})
    else:
        _tell(console, context.cluster.name, found)
        if options.from_hosts:
            console.table("what the hosts say", ("", "host", "finding"), ([row["severity"], row["host"], row["message"]] for row in seen))
    bad = any(not offer.good for offer in found) or any(row["severity"] == "fail" for row in seen)
    return StepFailed.exit_code if bad else 0


def _systems(context: Context, console: Console, options: Options) -> list[System]:
    """Those that are named, else those of the hosts as far as they have told, else the usual one."""
    from provisioner.mirror.systems import named, of_facts
    from provisioner.state import fact_cache

    facts = fact_cache.read(context.cluster)
    told = {of_facts(facts[host.name]) for host in context.cluster.hosts if host.name in facts}
    found = sorted({named(word) for word in options.system} or told)
    if not found:
        console.say(f"the systems of the hosts are not known yet: as if they were {USUAL}; name others with --system")
    return found or [named(USUAL)]


def _tell(console: Console, name: str, found: Sequence[Offer]) -> None:
    from provisioner.mirror.offered import MISSING, UNREACHED, servers_away

    for server, why in servers_away(found).items():
        console.warn(f"no way to {server} from here: {why}")
    if any(offer.answer == UNREACHED for offer in found):
        console.warn("for hosts without a way there either, name a mirror: cluster_mirror, cluster_registry and cluster_catalogue")
    for offer in found:
        if offer.answer == MISSING:
            console.warn(f"{offer.component}: {offer.kind} {offer.name} {offer.version}".rstrip() + f": {offer.why}"
                         + (f"\n→ {offer.instead}" if offer.instead else "") + (f", {offer.made}" if offer.made else ""))
    order = {MISSING: 0, UNREACHED: 1}
    rows = sorted(found, key=lambda offer: order.get(offer.answer, 2))
    console.table(f"sources of {name}", ("component", "kind", "name", "version", "licence", "maintained", "size", "answers", "where"),
                  (_row(offer) for offer in rows))


def _row(offer: Offer) -> list[str]:
    answer = "the distribution's" if offer.answer == "distribution" else offer.answer
    name = f"{offer.name} ({offer.system})" if offer.system else offer.name
    version = offer.version + (" (stand-in)" if offer.stand_in else " (for evaluation)" if offer.made else "")
    return [offer.component, offer.kind, name, version, offer.licence, offer.maintained, _size(offer.size), answer, offer.where]


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size else ""


def _from_hosts(context: Context, console: Console) -> list[dict[str, str]]:
    """What each host found when it tried its sources."""
    from provisioner.hosts.host_keys import establish
    from provisioner.observe.preflight import preflight

    establish(context.cluster, say=console.say)
    report = preflight(context.cluster, context.rendered, context.transport)
    return [{"host": each.host, "severity": each.severity, "message": each.message, "hint": each.hint}
            for each in report.findings if each.check == "sources"]
