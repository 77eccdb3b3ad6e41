"""The catalogue of a lab with played vendors: the built-in one with its addresses, and the versions and keys that are served there.

Only two entries get addresses that the built-in catalogue does not have, because it leaves them to a site's mirror: Mesos comes from the
repository of clusterd's packages, Registrator from the image on Docker Hub that its own documentation names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provisioner.mirror.debs import Deb
from provisioner_lab.mirror.catalogue import upstream

Entry = dict[str, Any]
#: What only the lab knows of an artefact; the rest is the built-in catalogue's.
_OF_THE_LAB = ("stand_in", "note", "cgroup", "docker", "docker_api")
#: Where a version stands.
_WITH_VERSION = {"version", "urls", "checksum", "image"}
ELSEWHERE: Mapping[str, Entry] = {
    "mesos": {"apt": {"uri": "http://rpm.aventer.biz/Debian", "suite": "{codename}", "components": ["main"]},
              "key_url": "https://www.aventer.biz/assets/support_aventer.asc"},
    "registrator": {"image": "psyhomb/registrator:v7.4.0"},
}


def entries(builtin: Sequence[Entry], served: Sequence[Entry], archives: Mapping[str, str], debs: Mapping[str, Deb],
            fingerprints: Mapping[str, str], elsewhere: Mapping[str, Entry] = ELSEWHERE) -> list[Entry]:
    """One entry for each component that the built-in catalogue has a default of.

    `served` is the catalogue of the lab's mirror, out of which everything is made, `archives` the versions of the archives, `debs` the
    packages as the vendors call them, both by component; `fingerprints` are the keys that sign them. `elsewhere` has what the built-in
    entries leave to a site's mirror.
    """
    ours = {entry["component"]: entry for entry in served}
    wanted = [entry for entry in builtin if entry.get("default") and entry.get("profile", "current") == "current"]
    return [_entry(entry, ours[entry["component"]], archives, debs, fingerprints, elsewhere) for entry in wanted]


def addresses(entry: Entry) -> Iterator[str]:
    """Every address of a file that an entry names, its repository's key included."""
    yield from entry.get("urls", [])
    if checksum := entry.get("checksum", ""):
        yield checksum[checksum.index("http"):]
    if "key_url" in entry:
        yield entry["key_url"]


def _entry(entry: Entry, ours: Entry, archives: Mapping[str, str], debs: Mapping[str, Deb], fingerprints: Mapping[str, str],
           elsewhere: Mapping[str, Entry]) -> Entry:
    component = entry["component"]
    deb = debs.get(component)
    version = archives.get(component) or (upstream(deb.version) if deb else ours["version"])
    if "packages" in entry and deb:  # any of a line is wanted
        version = ".".join(version.split(".")[:len(entry["version"].split("."))])
    found: Entry = {**entry, **elsewhere.get(component, {})}
    for key in _WITH_VERSION & found.keys():
        found[key] = json.loads(json.dumps(found[key]).replace(entry["version"], version))
    found.pop("mirror_required", None)
    found |= {key: ours[key] for key in _OF_THE_LAB if key in ours}
    if deb and entry.get("package"):
        found["debian_version" if "debian_version" in entry else "version"] = deb.version
    if component in fingerprints:
        found["key_fingerprint"] = fingerprints[component]
        if "key_fingerprint" in found.get("yum", {}):
            found["yum"] = {**found["yum"], "key_fingerprint": fingerprints[component]}
    return found
