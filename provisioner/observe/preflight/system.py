"""Rules about the operating system of one host. Pure: what was seen in, findings out."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from provisioner.cluster.facts import ARCHITECTURES, membership
from provisioner.observe.preflight.report import Finding, Seen

#: What the roles are written for (Debian, Ubuntu LTS and the family of Red Hat Enterprise Linux).
SYSTEMS = {
    "debian": ("11", "12", "13"), "ubuntu": ("22.04", "24.04"),
    "rhel": ("8", "9", "10"), "rocky": ("8", "9", "10"), "almalinux": ("8", "9", "10"), "centos": ("8", "9", "10"),
}
#: ansible-core 2.19 refuses older ones on managed hosts (ansible/module_utils/basic.py).
PYTHON_MIN = (3, 8)


def supported_system(seen: Seen) -> Iterator[Finding]:
    """Distribution and release; an old one only where the owner accepted packages that nobody maintains."""
    system = seen.facts["os"]
    release = system["version"] if system["id"] == "ubuntu" else system["version"].split(".")[0]
    name = system["pretty"] or system["id"] or "an unknown system"
    if release in SYSTEMS.get(system["id"], ()):
        yield seen.ok("system", name)
    elif seen.variables.get("repos_profile") == "legacy-mirror" and seen.variables.get("repos_accept_eol"):
        yield seen.warn("system", f"{name} is not supported; legacy-mirror was asked for")
    else:
        known = "; ".join(f"{k} {', '.join(v)}" for k, v in SYSTEMS.items())
        yield seen.fail("system", f"{name} is not supported", f"install one of: {known}")


def python(seen: Seen) -> Iterator[Finding]:
    """Ansible's modules need a newer Python than the probe does."""
    version = tuple(seen.facts["python"]["version"])
    text, where = ".".join(map(str, version)), seen.facts["python"]["executable"]
    if version >= PYTHON_MIN:
        yield seen.ok("python", f"Python {text} ({where})")
    else:
        yield seen.fail("python", f"Python {text} ({where}) is too old for Ansible's modules",
                        f"install Python {'.'.join(map(str, PYTHON_MIN))} or newer and name it with ansible_python_interpreter")


def architecture(seen: Seen) -> Iterator[Finding]:
    """Packages and images exist for two processor families."""
    arch = seen.facts["arch"]
    if arch in ARCHITECTURES:
        yield seen.ok("architecture", ARCHITECTURES[arch])
    else:
        yield seen.fail("architecture", f"the processor is {arch or 'unknown'}", f"use {' or '.join(ARCHITECTURES)}")


def init(seen: Seen) -> Iterator[Finding]:
    """Every service is a systemd unit."""
    if seen.facts["init"] == "systemd":
        yield seen.ok("init", "systemd")
    else:
        yield seen.fail("init", f"process 1 is {seen.facts['init'] or 'unknown'}, not systemd", "boot the host with systemd")


def address(seen: Seen) -> Iterator[Finding]:
    """Services bind to the address that the other hosts use, so it must be one of the host's own."""
    wanted = str(seen.variables.get("common_address", ""))
    try:
        ipaddress.ip_address(wanted)
    except ValueError:
        return  # a name: what it resolves to elsewhere says nothing about this host
    if wanted in seen.facts["addresses"]:
        yield seen.ok("address", f"{wanted} is its own")
    else:
        has = ", ".join(seen.facts["addresses"]) or "none"
        yield seen.fail("address", f"{wanted} is not an address of this host (it has {has})",
                        "set cluster_address to the one that the other hosts reach; ansible_host is only for SSH then")


def own_name(seen: Seen) -> Iterator[Finding]:
    """Java programs and Docker look their own host name up; Debian's installer points it at 127.0.1.1."""
    name = seen.found["name"]
    loopback = [a for a in name["addresses"] if a.startswith("127.")]
    if name["error"]:
        yield seen.warn("hostname", f"its own name {name['name']} can't be resolved: {name['error']}",
                        "the role common writes it to /etc/hosts")
    elif loopback:
        yield seen.warn("hostname", f"its own name {name['name']} is {loopback[0]}, which no other host can reach",
                        "the role common writes the right address to /etc/hosts; a cloud-init that rewrites it must be told so")
    else:
        yield seen.ok("hostname", f"{name['name']} is {', '.join(name['addresses'])}")


def one_cluster(seen: Seen) -> Iterator[Finding]:
    """A host belongs to one cluster: another one would take its data and its ports."""
    identity, name = membership(seen.facts)
    if not identity or identity == seen.variables.get("common_cluster_id"):
        yield seen.ok("cluster", "it belongs to no other cluster")
    else:
        yield seen.fail("cluster", f"it belongs to another cluster: {name} ({identity})",
                        "take it out there ('provision remove' or 'provision reset'); if this is the same cluster, put its ledger back; if "
                        "that one is gone, delete /etc/provisioner-cluster on the host")


def package_work(seen: Seen) -> Iterator[Finding]:
    """Somebody else who installs packages now makes us wait; what was cut off is finished by us on hosts that are ours already."""
    state = seen.found["packages"]
    for lock in state["locks"]:
        yield seen.warn("packages", f"{lock['command'] or 'a process'} (process {lock['pid']}) holds {lock['path']}",
                        "wait until it has ended; unattended-upgrades can be stopped with: systemctl stop unattended-upgrades")
    if state["locks"]:
        return  # what dpkg has not finished is being worked on
    identity, _ = membership(seen.facts)
    unfinished = f"dpkg has unfinished work: {state['interrupted']}"
    if not state["interrupted"]:
        yield seen.ok("packages", "nobody else installs packages")
    elif identity and identity == seen.variables.get("common_cluster_id"):
        yield seen.warn("packages", unfinished, "it is finished before anything else is changed there")
    else:
        yield seen.fail("packages", unfinished, "run 'dpkg --configure -a' on the host")


def selinux(seen: Seen) -> Iterator[Finding]:
    """Nobody ran the roles under an enforcing policy of a real Red Hat; with `permissive` it only writes what it would refuse."""
    if seen.facts["selinux"] == "enforcing":
        yield seen.warn("selinux", "SELinux is enforcing, which the roles were never run under",
                        "if a unit is refused something, see 'ausearch -m avc -ts recent' there; try with 'setenforce 0' first")
    else:
        yield seen.ok("selinux", f"SELinux is {seen.facts['selinux']}")


RULES = (supported_system, python, architecture, init, address, own_name, one_cluster, package_work, selinux)
