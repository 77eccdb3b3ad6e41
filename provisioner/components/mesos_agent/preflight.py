"""What a host must have to run a Mesos agent: control groups and a Docker that this build of Mesos knows."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.cluster.version_range import fits
from provisioner.observe.preflight.report import Finding, Seen


def cgroups(seen: Seen) -> Iterator[Finding]:
    """A Mesos agent is built for one generation of control groups; hybrid means that the old one does the work."""
    cgroup, need = seen.facts["cgroup"], seen.variables.get("mesos_cgroup_requirement", "any")
    generation = "v2" if cgroup["layout"] == "v2" else "v1"
    if cgroup["layout"] == "none":
        yield seen.fail("cgroup", "no control groups are mounted", "boot the host with systemd")
    elif need not in ("any", generation, "v1-optional"):
        way = "boot with systemd.unified_cgroup_hierarchy=1" if need == "v2" else "boot with systemd.unified_cgroup_hierarchy=0"
        yield seen.fail("cgroup", f"it has control groups {generation}, the Mesos build needs {need}",
                        f"{way}, or choose a build for {generation} with cluster_versions")
    elif cgroup["elsewhere"] and "standin" not in str(seen.variables.get("mesos_version", "")):
        yield seen.warn("cgroup", f"cgroup2 is mounted at {', '.join(cgroup['elsewhere'])}: Mesos newer than 1.11.0 does not start so",
                        "boot with systemd.legacy_systemd_cgroup_controller=1, or with control groups v2 only")
    elif (need, generation) == ("v1-optional", "v2"):
        yield from _without_limits(seen)
    else:
        yield seen.ok("cgroup", f"control groups {cgroup['layout']}")


def _without_limits(seen: Seen) -> Iterator[Finding]:
    limits = "it has control groups v2, and this build of Mesos limits commands by v1 only"
    if seen.variables.get("mesos_agent_launcher") == "linux":
        yield seen.fail("cgroup", f"{limits}, for which mesos_agent_launcher is linux",
                        "set it to auto or posix, or boot with systemd.unified_cgroup_hierarchy=0")
    else:
        yield seen.warn("cgroup", f"{limits}: they will run without limits",
                        "boot with systemd.unified_cgroup_hierarchy=0 if that will not do; Docker limits its containers itself")


def docker_range(seen: Seen) -> Iterator[Finding]:
    """A Mesos build reads what `docker inspect` says, and newer engines say it differently."""
    need = str(seen.variables.get("mesos_docker_requirement", "") or "")
    if not need:
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


RULES = (cgroups, docker_range)
