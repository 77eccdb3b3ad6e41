"""What Docker's networks need of the engine and of the kernel."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.cluster.version_range import fits
from provisioner.observe.preflight.report import Finding, Seen

#: `--cluster-store` was removed in this release (docker/cli pull request 2448); dockerd refuses to start with it.
CLUSTER_STORE_REMOVED = "23.0"
#: Without it containers of one overlay network on one host may not see each other; the role kernel loads the module.
SOFT = ("br_netfilter",)


def cluster_store(seen: Seen) -> Iterator[Finding]:
    """The old overlay network through Consul exists only in old engines."""
    version = str(seen.variables.get("docker_version") or seen.found["docker"]["version"])
    kind = seen.variables.get("docker_probe", {}).get("overlay")
    if kind == "cluster_store" and version and not fits(version, f"<{CLUSTER_STORE_REMOVED}"):
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


RULES = (cluster_store, overlay)
