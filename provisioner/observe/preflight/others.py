"""Rules about what others have on a host where our components are to be. Nothing of theirs is lost, and all of it is named before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from provisioner.components import COMPONENTS, component
from provisioner.components.model import Component
from provisioner.inventory.witness import witness
from provisioner.observe.preflight.report import Finding, Seen


def question(groups: frozenset[str], variables: Mapping[str, Any]) -> dict[str, Any]:
    """What the probe is asked: by component, where its role writes, and what else its program reads."""
    return {c.name: {"witness": witness(c, variables), "reads": [*c.reads, *_drop_ins(c)]} for c in COMPONENTS if c.name in groups}


def _drop_ins(each: Component) -> list[str]:
    return [f"/etc/systemd/system/{each.unit}.service.d/*.conf"] if each.unit else []


def foreign(seen: Seen) -> Iterator[Finding]:
    """A first run takes places over; what was there is kept beside."""
    for one in seen.found["others"]:
        whose = component(one["component"]).title if one["component"] in seen.components else one["component"]
        if one["replaced"]:
            yield seen.warn("files", f"{one['path']} is not ours, and {whose} needs its place",
                            f"it is kept as {one['path']}.before-provision-<time>; what {whose} needs of it belongs into variables")
        else:
            yield seen.warn("files", f"{one['path']} is not ours, and {whose} reads it too", "it stays as it is; move it away if it is old")
    if not seen.found["others"]:
        yield seen.ok("files", "nobody else's files are in the way")


RULES = (foreign,)
