"""Which repositories a host installs from."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.cluster.model import Host
from provisioner.components import COMPONENTS
from provisioner.inventory.wiring import Variables, Wiring


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    own = w.catalogue.repository()
    if own and w.setting("cluster_mirror"):
        key = {"key_url": w.url(own.get("key")), "key_fingerprint": own.get("key_fingerprint")}
        uri, place = own.get("uri"), own.get("yum")
        apt = [{"name": "site", "uri": w.url(uri), "suite": own.get("suite"), "components": own.get("components"), **key}] if uri else []
        told = place if isinstance(place, Mapping) else {"baseurl": place}
        yum = [{"name": "site", **key, **told, "baseurl": w.url(told["baseurl"])}] if place else []
        return {**_generation(w), "repos_apt": apt, "repos_yum": yum, "repos_probe": {}}
    apt, yum = [], []
    for role in sorted({c.role for c in COMPONENTS if c.vendor}):
        entry = w.entry(role)
        key = {"key_url": entry.get("key_url"), "key_fingerprint": entry.get("key_fingerprint")}
        apt += [{"name": role, **entry.get("apt"), **key}] if entry.get("apt") else []
        # Vendors may sign RPMs with another key than debs.
        yum += [{"name": role, **key, **entry.get("yum")}] if entry.get("yum") else []
    return {**_generation(w), "repos_apt": apt, "repos_yum": yum, "repos_probe": {}}


def _generation(w: Wiring) -> Variables:
    """What the cluster says of old packages, where that is not the role's default."""
    asked = {"repos_profile": w.setting("cluster_profile", "current"), "repos_accept_eol": w.setting("cluster_accept_eol", False)}
    return {name: value for name, value in asked.items() if value != w.defaults.get(name, value)}
