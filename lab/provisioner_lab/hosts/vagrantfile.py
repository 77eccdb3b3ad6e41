"""Vagrantfiles: of a lab whose hosts Vagrant makes, and of machines for any inventory. Only text is made here."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import InventoryError, UsageError
from provisioner_lab.hosts import nodes
from provisioner_lab.model import Lab, LabNode
from provisioner_lab.paths import lab_dir

PROVIDERS = ("virtualbox", "libvirt")
_SSH_PORT = 22


@dataclass(frozen=True)
class Size:
    """What a machine gets: `memory` in MiB, `cpus` as a number of virtual processors."""

    memory: int
    cpus: int


@dataclass(frozen=True)
class Machines:
    """What an inventory does not say about machines. An `agent` is a host that runs a Mesos agent, any other is sized as a `master`."""

    provider: str
    box: str
    master: Size
    agent: Size


def of_lab(lab: Lab, members: Sequence[LabNode], mould: nodes.Mould, identities: Mapping[str, Path]) -> str:
    """The Vagrantfile of a lab: each host is the container that the engine would be asked for directly.

    `identities` are the archives of the files that only this host has, by name of the host: Vagrant's `docker run` makes and
    starts in one, so they can't be copied in between.
    """
    machines = {}
    for node in members:
        keys = ["--volume", f"{identities[node.name]}:{nodes.IDENTITY}:ro"]
        machines[node.name] = {"container": lab.container(node.name), "arguments": [*nodes.own_arguments(lab, node), *keys],
                               "first": nodes.first_arguments(lab, node)}
    return _render("lab.rb.j2", machines=machines, image=mould.image, shared=nodes.shared_arguments(mould), first=nodes.first_script(),
                   stop_seconds=nodes.STOP_SECONDS)


def of_inventory(cluster: Cluster, chosen: Machines) -> str:
    """A Vagrantfile that makes machines for an inventory, with its names, addresses and user.

    Raises UsageError for an unknown provider or an impossible size, InventoryError for a host that can't become a machine of Vagrant's.
    """
    if chosen.provider not in PROVIDERS:
        raise UsageError(f"no Vagrantfile is written for the provider {chosen.provider!r}", hint="choose one of " + ", ".join(PROVIDERS))
    for size in (chosen.master, chosen.agent):
        if size.memory < 1 or size.cpus < 1:
            raise UsageError(f"a machine can't have {size.memory} MiB and {size.cpus} processors", hint="give both as numbers above 0")
    _check_one_network(cluster)
    machines = [{"name": host.name, "address": _address(host), "user": _user(host), "key": str(_public_key(host)),
                 "size": chosen.agent if "mesos_agent" in host.groups else chosen.master} for host in cluster.hosts]
    return _render("machines.rb.j2", machines=machines, box=chosen.box, provider=chosen.provider, cluster=cluster.name)


def ruby(value: object) -> str:
    """A string or a list of strings as a literal of Ruby. Nothing is interpolated in it."""
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, list):
        return "[" + ", ".join(ruby(each) for each in value) + "]"
    raise TypeError(f"{value!r} has no literal here")


def _address(host: Host) -> str:
    try:
        address = str(ipaddress.IPv4Address(host.address))
    except ValueError:
        raise InventoryError(f"{host.name} has no IPv4 address that a machine could get ({host.address})", where=host.where,
                             hint="give it one: ansible_host: 192.168.56.11") from None
    if host.cluster_address != host.address:
        raise InventoryError(f"{host.name} has two addresses, {host.address} and {host.cluster_address}; a machine gets one",
                             where=host.where, hint="leave cluster_address out")
    if host.port != _SSH_PORT:
        raise InventoryError(f"{host.name} is reached at port {host.port}; in a box sshd listens on {_SSH_PORT}", where=host.where,
                             hint="leave ansible_port out")
    return address


def _check_one_network(cluster: Cluster) -> None:
    """Vagrant gives each /24 a network of its own, and VirtualBox lets nothing pass from one to another."""
    networks = {str(ipaddress.IPv4Interface(f"{_address(host)}/24").network): host for host in cluster.hosts}
    if len(networks) > 1:
        raise InventoryError(f"the hosts are in several networks: {', '.join(networks)}", where=str(cluster.path),
                             hint="give all of them addresses that differ in the last number only")


def _user(host: Host) -> str:
    if not host.user:
        raise InventoryError(f"nothing says whom {host.name} is to let in", where=host.where, hint="write ansible_user")
    return host.user


def _public_key(host: Host) -> Path:
    key = host.variables.get("ansible_ssh_private_key_file")
    if not key:
        raise InventoryError(f"nothing says which key opens {host.name}", where=host.where,
                             hint="write ansible_ssh_private_key_file; its public half must lie beside it with the ending .pub")
    path = Path(str(key))
    return path.with_name(path.name + ".pub")


def _render(template: str, **values: object) -> str:
    # What is made is Ruby: every value goes through the filter `ruby`, HTML's quoting would break it.
    environment = Environment(loader=FileSystemLoader(lab_dir() / "vagrant"), undefined=StrictUndefined, autoescape=False,  # noqa: S701
                              trim_blocks=True, keep_trailing_newline=True)
    environment.filters["ruby"] = ruby
    return environment.get_template(template).render(values)
