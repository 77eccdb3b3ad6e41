"""The probe's facts in Ansible's words, so that no play gathers facts again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Ansible's names of distributions and of their families, by the ID of /etc/os-release.
DISTRIBUTIONS = {
    "debian": ("Debian", "Debian"), "ubuntu": ("Ubuntu", "Debian"), "rhel": ("RedHat", "RedHat"), "centos": ("CentOS", "RedHat"),
    "rocky": ("Rocky", "RedHat"), "almalinux": ("AlmaLinux", "RedHat"), "ol": ("OracleLinux", "RedHat"), "fedora": ("Fedora", "RedHat"),
}
#: What the kernel calls an architecture, and what packages do.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
#: Ansible's words for what systemd-detect-virt says; any other word is the same in both.
VIRTUALIZATION = {"none": "NA", "": "NA", "qemu": "kvm", "amazon": "kvm", "vmware": "VMware", "oracle": "virtualbox",
                  "microsoft": "VirtualPC"}


def membership(facts: Mapping[str, Any]) -> tuple[str, str]:
    """Identity and name of the cluster that a host belongs to, as role `common` wrote them; '' where it belongs to none."""
    identity, _, name = str(facts.get("cluster", "")).partition(" ")
    return identity, name


def system_name(facts: Mapping[str, Any]) -> str:
    """The system of a host by its facts in Ansible's words, as a lock names it: `debian12/amd64`, `ubuntu24.04/arm64`."""
    distribution = {"redhat": "rhel"}.get(name := str(facts["ansible_distribution"]).lower(), name)
    release = facts["ansible_distribution_version" if distribution == "ubuntu" else "ansible_distribution_major_version"]
    return f"{distribution}{release}/{ARCHITECTURES.get(machine := str(facts['ansible_architecture']), machine)}"


def to_ansible_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What Ansible's fact cache holds for a host: all facts that the roles may use, under their `ansible_` names."""
    system, route = facts["os"], facts["default_route"]
    name, family = _distribution(system)
    major, minor, micro = (*facts["python"]["version"], 0, 0, 0)[:3]
    return {
        "_ansible_facts_gathered": True,
        "ansible_architecture": facts["arch"],
        "ansible_default_ipv4": {k: route[k] for k in ("address", "gateway", "interface") if k in route},
        "ansible_all_ipv4_addresses": [a for a in facts["addresses"] if ":" not in a],
        "ansible_distribution": name,
        "ansible_distribution_major_version": system["version"].split(".")[0],
        "ansible_distribution_release": system["codename"],
        "ansible_distribution_version": system["version"],
        "ansible_fqdn": facts["fqdn"],
        "ansible_hostname": facts["hostname"].split(".")[0],
        "ansible_kernel": facts["kernel"],
        "ansible_machine_id": facts["machine_id"],
        "ansible_memtotal_mb": facts["mem_mb"],
        "ansible_nodename": facts["hostname"],
        "ansible_os_family": family,
        "ansible_pkg_mgr": facts["package_manager"],
        "ansible_processor_vcpus": facts["cpus"],
        "ansible_python": {"executable": facts["python"]["executable"], "version": {"major": major, "minor": minor, "micro": micro}},
        "ansible_python_version": f"{major}.{minor}.{micro}",
        "ansible_selinux": {"status": "disabled"} if facts["selinux"] == "disabled" else {"status": "enabled", "mode": facts["selinux"]},
        "ansible_service_mgr": facts["init"],
        "ansible_system": "Linux",
        "ansible_virtualization_type": VIRTUALIZATION.get(facts["virtualization"], facts["virtualization"]),
        "discovered_interpreter_python": facts["python"]["executable"],
    }


def _distribution(system: Mapping[str, Any]) -> tuple[str, str]:
    """Name and family; a distribution that is not in the table belongs to the first one it says it is like."""
    if system["id"] in DISTRIBUTIONS:
        return DISTRIBUTIONS[system["id"]]
    for like in system["like"]:
        if like in DISTRIBUTIONS:
            return system["name"], DISTRIBUTIONS[like][1]
    return system["name"], system["name"]
