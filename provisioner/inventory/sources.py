"""Where packages, archives and images come from, as far as the inventory and the catalogue tell: nothing is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from provisioner.cluster import catalogue
from provisioner.cluster.catalogue import Catalogue
from provisioner.cluster.model import Cluster
from provisioner.components import COMPONENTS
from provisioner.errors import InventoryError
from provisioner.inventory.ports import Lines
from provisioner.state.problems import Problems

MIRROR, LIST, PROFILE, ACCEPTED = "cluster_mirror", "cluster_catalogue", "cluster_profile", "cluster_accept_eol"
LEGACY = "legacy-mirror"
#: What other tools call the proxies of a site, and what we do.
PROXIES = {"http_proxy": "cluster_http_proxy", "https_proxy": "cluster_https_proxy", "no_proxy": "cluster_no_proxy",
           "proxy_env": "cluster_http_proxy, cluster_https_proxy and cluster_no_proxy"}


def check(cluster: Cluster, lines: Lines, problems: Problems) -> Iterator[str]:
    """Adds settings that would have no effect, or one that nobody means, to `problems`; gives warnings."""
    own = next(iter(lines.values()))
    values = cluster.variables
    if values.get(MIRROR) and not values.get(LIST):
        problems.add(own.get(MIRROR, 0), f"{MIRROR} is set without {LIST}, which says what the mirror has: all would come from the vendors",
                     f"save {str(values[MIRROR]).rstrip('/')}/catalogue.json beside the inventory and set {LIST}: catalogue.json")
    if values.get(LIST):
        with suppress(InventoryError):  # a catalogue that can't be read is said where it is needed
            there = sorted({e.component for e in catalogue.of(cluster).entries if e.get("file") or e.component == catalogue.REPOSITORY})
            if there and not values.get(MIRROR):
                problems.add(own.get(LIST, 0), f"{LIST} has {', '.join(there)} on a mirror, and {MIRROR} does not say where that is",
                             f"set {MIRROR}: http://mirror.example.com")
            elif values.get(MIRROR) and not there:
                problems.add(own.get(LIST, 0), f"{LIST} has neither files nor a repository on {MIRROR}: all would come from the vendors",
                             f"save {str(values[MIRROR]).rstrip('/')}/catalogue.json as {values[LIST]}")
    if values.get(PROFILE) == LEGACY and not values.get(ACCEPTED):
        problems.add(own.get(PROFILE, 0), f"{PROFILE}: {LEGACY} installs software without security updates",
                     f"set {ACCEPTED}: true to accept that, or remove the line")
    if values.get(ACCEPTED) and values.get(PROFILE) != LEGACY:
        yield f"{ACCEPTED} changes nothing without {PROFILE}: {LEGACY}"
    yield from _proxies(cluster)


def _proxies(cluster: Cluster) -> Iterator[str]:
    """What other tools call so reaches nothing here."""
    told = [name for name in ("cluster_http_proxy", "cluster_https_proxy") if cluster.variables.get(name)]
    if cluster.variables.get("cluster_no_proxy") and not told:
        yield "cluster_no_proxy changes nothing without cluster_http_proxy or cluster_https_proxy"
    for name in sorted({name for host in cluster.hosts for name in PROXIES.keys() & host.variables.keys()} if not told else ()):
        yield f"{name} is a variable of yours, which no role reads: set {PROXIES[name]} in the vars of all"


def without(cluster: Cluster, known: Catalogue) -> Iterator[str]:
    """Sentences about artefacts that no vendor offers (any more) and that neither mirror nor registry of the site is said to have."""
    registry = bool(cluster.variables.get("cluster_registry"))
    repository = bool(cluster.variables.get(MIRROR)) and known.repository() is not None
    for role in dict.fromkeys(c.role for c in COMPONENTS if cluster.members(c.name)):
        entry = known.wanted(role, cluster.variables)
        if entry and entry.get("mirror_required") and not (registry if entry.kind == "image" else repository):
            name = f"{role} {entry.version}"
            if entry.kind == "image":
                yield (f"{name}: no public registry has the image {entry.get('image')}: push it to a registry of yours and set "
                       "cluster_registry, or load it on every host that needs it")
            elif entry.get("made"):
                yield (f"{name}: no public repository has the package {entry.get('package')}: make it, {entry.get('made')} "
                       f"(provision mirror pull DIR --make {role}), and set {MIRROR} and {LIST}")
            else:
                yield (f"{name}: no public repository has the package {entry.get('package')}: set {MIRROR} and {LIST} to a mirror that "
                       "has it, or give the hosts a repository that does; preflight looks for it on each host")
