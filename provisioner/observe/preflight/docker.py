"""Rules about Docker: versions that do not fit Mesos, and what its networks need of the kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest

from provisioner.observe.preflight.report import Finding, Seen

#: `--cluster-store` was removed in this release (docker/cli pull request 2448); dockerd refuses to start with it.
CLUSTER_STORE_REMOVED = "23.0"
REQUIREMENT = re.compile(r"(>=|<=|<|>|==)?\s*([0-9][0-9.]*)")
#: Without it containers of one overlay network on one host may not see each other; the role kernel loads the module.
SOFT = ("br_netfilter",)


def docker_range(seen: Seen) -> Iterator[Finding]:
    """A Mesos build reads what `docker inspect` says, and newer engines say it differently."""
    need = str(seen.variables.get("mesos_docker_requirement", "") or "")
    if "mesos_agent" not in seen.components or not need:
        return
    wanted, has = str(seen.variables.get("docker_version", "") or ""), seen.found["docker"]["version"]
    version = wanted or has
    if not version:
        yield seen.ok("docker", f"no version is asked for; Mesos needs {need}")
    elif fits(version, need):
        yield seen.ok("docker", f"Docker {version} fits Mesos ({need})")
    else:
        whose = "is asked for" if wanted else "is installed"
        yield seen.fail("docker", f"Docker {version} {whose}, the Mesos build needs {need}",
                        "choose versions that fit with cluster_versions: {docker: …, mesos: …}")


def fits(version: str, requirement: str) -> bool:
    """Whether a version is in a range such as `>=26, <29`; only as many parts are compared as the bound names."""
    for operator, bound in REQUIREMENT.findall(requirement):
        order = _compare(version, bound)
        if not {">=": order >= 0, "<=": order <= 0, "<": order < 0, ">": order > 0}.get(operator, order == 0):
            return False
    return True


def _compare(version: str, bound: str) -> int:
    limits = [int(part) for part in bound.strip(".").split(".")]
    parts = [int(digits) for digits in re.findall(r"\d+", version.split(":")[-1])][: len(limits)]
    for part, limit in zip_longest(parts, limits, fillvalue=0):
        if part != limit:
            return 1 if part > limit else -1
    return 0


def cluster_store(seen: Seen) -> Iterator[Finding]:
    """The old overlay network through Consul exists only in old engines."""
    version = str(seen.variables.get("docker_version") or seen.found["docker"]["version"])
    kind = seen.variables.get("docker_probe", {}).get("overlay")
    if "docker" in seen.components and kind == "cluster_store" and version and not fits(version, f"<{CLUSTER_STORE_REMOVED}"):
        yield seen.fail("overlay", f"Docker {version} has no cluster store any more (removed in {CLUSTER_STORE_REMOVED})",
                        "set docker_overlay: swarm")


def overlay(seen: Seen) -> Iterator[Finding]:
    """What the kernel was really seen to do."""
    tried = seen.found["capabilities"]
    for name, wrong in tried.items():
        if wrong and name in SOFT:
            yield seen.warn("overlay", wrong, "the role kernel tries to load it at boot")
        elif wrong:
            yield seen.fail("overlay", wrong, "use a kernel with this feature (kernel_upgrade: true), or set docker_overlay: none")
    if tried and not any(tried.values()):
        yield seen.ok("overlay", "overlayfs, VXLAN and br_netfilter work")


RULES = (docker_range, cluster_store, overlay)
