"""What Docker's networks need of the engine and of the kernel."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from provisioner.cluster.version_range import fits
from provisioner.observe.preflight.report import Finding, Seen

#: `--cluster-store` was removed in this release (docker/cli pull request 2448); dockerd refuses to start with it.
CLUSTER_STORE_REMOVED = "23.0"
#: Without it containers of one overlay network on one host may not see each other; the role kernel loads the module.
SOFT = ("br_netfilter",)
#: Needed by an encrypted overlay network only.
ENCRYPTION = "esp"
#: Where Docker keeps its data when it is told nothing.
ROOT = "/var/lib/docker"
#: What Docker gives its first bridge, unless a route is in its way.
BRIDGE = "172.17.0.0/16"
SETTINGS = "/etc/docker/daemon.json"
#: Where flags of the engine are set on the systems that we know.
FLAGS = ("/etc/systemd/system/docker.service.d/*.conf", "/etc/default/docker", "/etc/sysconfig/docker")
#: Flags whose key in daemon.json has another name.
PLURALS = {"insecure-registry": "insecure-registries", "registry-mirror": "registry-mirrors", "log-opt": "log-opts", "label": "labels",
           "storage-opt": "storage-opts", "default-address-pool": "default-address-pools", "host": "hosts"}
#: What Docker takes the network between the hosts to carry.
DOCKERS_MTU = 1500


def cluster_store(seen: Seen) -> Iterator[Finding]:
    """The old overlay network through Consul exists only in old engines."""
    version = str(seen.variables.get("docker_version") or seen.found["docker"]["version"])
    kind = seen.variables.get("docker_probe", {}).get("overlay")
    if kind == "cluster_store" and version and not fits(version, f"<{CLUSTER_STORE_REMOVED}"):
        yield seen.fail("overlay", f"Docker {version} has no cluster store any more (removed in {CLUSTER_STORE_REMOVED})",
                        "set docker_overlay: swarm")


def overlay(seen: Seen) -> Iterator[Finding]:
    """What the kernel was really seen to do."""
    tried = {name: wrong for name, wrong in seen.found["capabilities"].items() if name != ENCRYPTION}
    for name, wrong in tried.items():
        if wrong and name in SOFT:
            yield seen.warn("overlay", wrong, "the role kernel tries to load it at boot")
        elif wrong:
            yield seen.fail("overlay", wrong, "use a kernel with this feature (kernel_upgrade: true), or set docker_overlay: none")
    if tried and not any(tried.values()):
        yield seen.ok("overlay", "overlayfs, VXLAN and br_netfilter work")


def encryption(seen: Seen) -> Iterator[Finding]:
    """Docker makes an encrypted network on any kernel; where one can't encrypt, its containers reach nobody."""
    wrong = seen.found["capabilities"].get(ENCRYPTION, "")
    if wrong and seen.variables.get("docker_overlay_encrypted") and seen.variables.get("docker_overlay") == "swarm":
        yield seen.fail("overlay", wrong, "use a kernel with ESP and AES-GCM (modules esp4, gcm), or leave out docker_overlay_encrypted")


def networks(variables: Mapping[str, Any], running: bool) -> dict[str, ipaddress.IPv4Network]:
    """What Docker takes for itself, by what it is for: nobody out there may be in it. A bridge that is there harms nobody any more."""
    found = {}
    if variables.get("docker_overlay") != "none":
        found["docker_overlay_subnet"] = str(variables.get("docker_overlay_subnet", ""))
    if not running:
        found["bip in docker_daemon_options"] = str(variables.get("docker_daemon_options", {}).get("bip", BRIDGE))
    return {what: network for what, text in found.items() if (network := _network(text))}


def question(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What a host is asked for the rules below."""
    return {"networks": [str(network) for network in networks(variables, running=False).values()], "texts": [SETTINGS, *FLAGS],
            "root": variables["docker_data_root"]}


def settings_of_others(seen: Seen) -> Iterator[Finding]:
    """A daemon.json from before is replaced: what stands in it has to be asked for, or the engine would go on without."""
    if not any(one["path"] == SETTINGS and one["replaced"] for one in seen.found["others"]):
        return
    options = seen.variables.get("docker_daemon_options", {})
    text = next((one["text"] for one in seen.found["texts"] if one["path"] == SETTINGS), "")
    try:
        has = dict(json.loads(text or "{}"))
    except (ValueError, TypeError):
        yield seen.fail("docker", f"{SETTINGS} is not what this tool wrote, and no JSON object", "mend it, or move it away")
        return
    ours = own_keys(seen.variables)
    lost = {key: value for key, value in has.items() if key not in options and not (key in ours and _within(value, ours[key]))}
    if lost:
        where = " (data-root into docker_data_root)" if "data-root" in lost else ""
        yield seen.fail("docker", f"{SETTINGS} is not ours and sets {json.dumps(lost)}",
                        f"put these keys into docker_daemon_options{where}, with the values that they shall have, or out of the file")


def own_keys(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What role docker writes of itself into daemon.json: key to the list of which something may be lost, or None for what is decided."""
    registry = [variables["docker_registry"]] if variables.get("docker_registry") and variables.get("docker_registry_insecure") else []
    return {"log-driver": None, "live-restore": None, "insecure-registries": registry,
            **({"data-root": None} if variables.get("docker_data_root", ROOT) != ROOT else {}),
            **({"dns": None} if variables.get("docker_dns") else {}),
            **({"cluster-store": None, "cluster-advertise": None} if variables.get("docker_overlay") == "cluster_store" else {})}


def _within(value: Any, ours: list[str] | None) -> bool:
    return ours is None or (isinstance(value, list) and set(map(str, value)) <= set(ours))


def flags_of_others(seen: Seen) -> Iterator[Finding]:
    """The engine does not start when a flag says the same as daemon.json."""
    written = {key for key, ours in own_keys(seen.variables).items() if ours != []} | set(seen.variables.get("docker_daemon_options", {}))
    for one in seen.found["texts"]:
        lines = [line for line in one["text"].splitlines() if not line.lstrip().startswith(("#", ";"))]
        for flag in dict.fromkeys(re.findall(r"(?:^|[\s\"'=])--([a-z-]+)", "\n".join(lines))):
            key = PLURALS.get(flag, flag)
            if one["path"] != SETTINGS and key in written:
                yield seen.fail("docker", f"{one['path']} starts the engine with --{flag}, and {key} is in daemon.json: both is refused",
                                f"take the flag out of that file, and set docker_daemon_options: {{{key}: …}} where it shall hold")


def addresses(seen: Seen) -> Iterator[Finding]:
    """A host must not lose those whose addresses its containers would have."""
    wanted = networks(seen.variables, bool(seen.found["docker"]["version"]))
    links = seen.found["links"]
    known = [(_address(peer["address"]), f"its {peer['what']} {peer['address']}") for peer in links["peers"]]
    known += [(_address(address), f"{name} ({address})") for name, address in seen.neighbours.items()]
    told = False
    for variable, network in wanted.items():
        overlay = variable == "docker_overlay_subnet"
        taken = [(_network(route["network"]), route["interface"]) for route in links["routes"]]
        near = [(other, interface) for other, interface in taken if other and other.overlaps(network)]
        # Docker looks at the routes before it chooses a bridge's addresses, but not before it makes the overlay.
        found = [f"{other} is at {interface}" for other, interface in near] if overlay else []
        found += [who for address, who in known if address and address in network and (overlay or not near)]
        if found:
            told = True
            yield seen.fail("networks", f"containers would get addresses of {network}, but {found[0]}",
                            f"set {variable} to a network that nobody uses in the reach of the hosts")
    if not told:
        yield seen.ok("networks", "nobody is seen in the networks of the containers")


def packets(seen: Seen) -> Iterator[Finding]:
    """VXLAN adds 50 bytes and may not be cut into pieces: what Docker believes to fit has to fit."""
    if seen.variables.get("docker_overlay", "none") == "none":
        return
    mtu = int(seen.variables.get("docker_overlay_mtu") or 0)
    interface = _interface(seen)
    carries = {one["interface"]: one["mtu"] for one in seen.found["links"]["mtus"]}.get(interface, 0)
    if carries and carries < (mtu or DOCKERS_MTU):
        yield seen.fail("mtu", f"{interface} carries packets of {carries} bytes, the overlay sends some of {mtu or DOCKERS_MTU}",
                        f"set docker_overlay_mtu to the smallest MTU between the hosts ({carries} or less)")
    else:
        yield seen.ok("mtu", f"{interface or 'the network'} carries the overlay's packets")


def made_before(seen: Seen) -> Iterator[Finding]:
    """A network can't be changed."""
    name = seen.variables.get("docker_overlay_network")
    wanted = (str(seen.variables.get("docker_overlay_subnet", "")), int(seen.variables.get("docker_overlay_mtu") or 0))
    encrypted = bool(seen.variables.get("docker_overlay_encrypted"))
    for one in seen.found["docker"]["networks"]:
        if one["name"] == name and one["driver"] == "overlay" and seen.variables.get("docker_overlay") == "swarm":
            has = (", ".join(one["subnets"]), one["mtu"])
            cure = f"choose another docker_overlay_network, or end the containers in it and run 'docker network rm {name}'"
            if has != wanted:
                yield seen.fail("overlay", f"the network {name} is there with subnet {has[0]} and MTU {has[1] or DOCKERS_MTU}, wanted are "
                                f"{wanted[0]} and {wanted[1] or DOCKERS_MTU}", cure)
            if one["encrypted"] != encrypted:
                yield seen.fail("overlay", f"the network {name} was made with{'' if one['encrypted'] else 'out'} encryption, which "
                                f"docker_overlay_encrypted contradicts", cure)


def _interface(seen: Seen) -> str:
    """The one that has the host's address in the cluster: of the narrowest route to it, else of the default route."""
    own = _address(str(seen.variables.get("docker_address", "")))
    routes = [(network.prefixlen, route["interface"]) for route in seen.found["links"]["routes"]
              if own and (network := _network(route["network"])) and own in network]
    return max(routes)[1] if routes else str(seen.facts["default_route"].get("interface", ""))


def _network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return None


def _address(text: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None


RULES = (cluster_store, overlay, encryption, addresses, packets, made_before, settings_of_others, flags_of_others)
