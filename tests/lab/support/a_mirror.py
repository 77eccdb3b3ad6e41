"""A mirror of a lab's own: a folder with some of what the lab's mirror has, and a cluster whose first master serves it."""

from __future__ import annotations

import hashlib
import os
import re
import urllib.request
from dataclasses import replace
from pathlib import Path

from provisioner.cluster.facts import to_ansible_facts
from provisioner.cluster.lock import ARCHIVE, PACKAGE, Lock, Locked, System
from provisioner.cluster.model import Cluster, Host
from provisioner.components import SITE
from provisioner.components.mirror.packages import further
from provisioner.context import Context
from provisioner.mirror.artefacts import needed
from provisioner.mirror.folder import Folder
from provisioner.mirror.pull import pull
from provisioner.mirror.registry import locked
from provisioner.mirror.sending import content, send
from provisioner.mirror.systems import of_facts
from provisioner.observe.observation import observe

#: What a line of apt's says of a package that it would fetch.
_FETCHED = re.compile(r"'(?P<url>[^']+)' (?P<file>\S+) (?P<size>\d+)")


def folder() -> Path:
    """Where it lies: beside the other files of a scenario."""
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "site"


def serving(cluster: Cluster) -> Host:
    """The host that serves: a master, so that agents may ask it."""
    return cluster.members("masters")[0]


def of_lab(context: Context) -> Context:
    """The same cluster with a mirror on its first master; it goes on installing from the lab's."""
    assert SITE.site is not None
    first = serving(context.plain)
    host = replace(first, groups=first.groups | {SITE.name}, variables={**first.variables, SITE.site.folder: str(folder())})
    return Context(context.path, cluster=replace(context.plain, hosts=tuple(host if h is first else h for h in context.plain.hosts)))


def with_mirror(context: Context) -> Context:
    """Fills the folder, unless that was done before, and sends it to the host."""
    plain, made = context, Folder(folder())
    if made.lock is None:
        pulled = pull(made, _lock(plain), plain.catalogue, plain.cluster.variables, print, ways={each.image: each
                                                                                              for each in needed(plain).images})
        assert pulled.faults == (), pulled.faults
    found = of_lab(context)
    assert SITE.site is not None
    host = serving(found.cluster)
    send(content(made), found.cluster.host(host.name), str(found.variables(host)[SITE.site.data]), found.transport, print)
    return found


def _lock(context: Context) -> Lock:
    """What the role itself installs, with what that depends on as far as the host lacks it, an archive, and the image of `verify`."""
    host = serving(context.cluster)
    seen = observe(context.cluster, context.rendered, context.transport, sections=("facts",)).hosts[host.name]
    system = of_facts(to_ansible_facts(seen.facts))
    wanted = needed(context, (host,))
    image = next(each for each in wanted.images if "busybox" in each.image)
    archive = wanted.archives[0]
    data = _get(archive.urls[0])
    file = Locked(ARCHIVE, archive.urls[0].rpartition("/")[2], archive.version, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data),
                  archive.component, url=archive.urls[0])
    return Lock((system,), (*_packages(context, host, system), file, locked(image, [system.architecture])))


def _packages(context: Context, host: Host, system: System) -> list[Locked]:
    names = further({}, "", "Debian")
    if system.distribution not in ("debian", "ubuntu"):
        return []
    # From the lab's mirror, also where an earlier run has installed them from a mirror of the lab's own.
    options = "-o Dir::Etc::SourceList=/etc/apt/sources.list.d/provisioner.sources -o Dir::Etc::SourceParts=/dev/null"
    command = f"apt-get {options} --print-uris -qq --reinstall --no-install-recommends install {' '.join(names)}"
    said = context.transport.run(host, command, become=True)
    found = []
    for fetched in map(_FETCHED.match, said.stdout.decode().splitlines()):
        if fetched:
            data, (name, version, _) = _get(fetched["url"]), fetched["file"].removesuffix(".deb").split("_")
            found.append(Locked(PACKAGE, name, version.replace("%3a", ":"), f"sha256:{hashlib.sha256(data).hexdigest()}", len(data),
                                SITE.role, system.name, fetched["url"], asked=name in names))
    assert {each.name for each in found} >= {*names}, said
    return found


def _get(url: str) -> bytes:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60) as answer:
        return bytes(answer.read())
