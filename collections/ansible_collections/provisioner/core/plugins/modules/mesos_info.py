#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.host import Listener, left_behind, service, text_of
from ansible_collections.provisioner.core.plugins.module_utils.mesos import call, get, viewer

DOCUMENTATION = r"""
module: mesos_info
short_description: What there is of a Mesos master or agent on this host
description: Looks at the host, and asks the masters what decides whether this one may start. Changes nothing.
options:
  component: {description: Which part of Mesos., type: str, choices: [master, agent], required: true}
  address: {description: Address that it binds. Empty leaves the port out., type: str, default: ""}
  port: {description: Port that it binds., type: int, required: true}
  masters: {description: "All masters, as address:port.", type: list, elements: str, default: []}
  authentication: {description: What the masters demand., type: str, choices: [none, known, required], default: none}
  work: {description: The work folder of this component., type: path, required: true}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Look at the agent
  provisioner.core.mesos_info:
    component: agent
    address: 10.0.0.21
    port: 5051
    masters: ["10.0.0.11:5050"]
    work: /var/lib/mesos/agent
"""
RETURN = r"""
unit: {description: Whether our unit file is there., returned: always, type: bool}
running: {description: Whether the unit runs., returned: always, type: bool}
absent: {description: The address if this host does not have it., returned: always, type: list}
taken: {description: "{address, port} that another program holds.", returned: always, type: list}
other: {description: Whether the other component is here., returned: always, type: bool}
cgroup: {description: "V(v1), V(hybrid) (v1, and cgroup2 mounted elsewhere), V(v2) or V(none).", returned: always, type: str}
cgroup2: {description: Where cgroup2 is mounted., returned: always, type: str}
controllers: {description: Whether the cgroups that an agent needs are there and writable., returned: always, type: bool}
systemd: {description: Whether the host is booted with systemd., returned: always, type: bool}
root_slice: {description: Whether its slices are at the root of the cgroups that we see., returned: always, type: bool}
docker: {description: Whether there is a Docker socket., returned: always, type: bool}
docker_api: {description: "The newest API that the engine of an agent's host speaks, empty without one.", returned: always, type: str}
unmasked:
  description: Units of Mesos packages that nothing keeps from starting (a stray master of its own would be elected).
  returned: always
  type: list
quorums: {description: "For a master without a registry, {master: quorum} of the masters that run.", returned: always, type: dict}
agent:
  description: "For an agent with a registration, {hostname, port, attributes, resources, pinned} as it runs, else as configured."
  returned: always
  type: dict
open: {description: "The masters that run without credentials, where everybody is to bring some.", returned: always, type: list}
strangers:
  description: Names of the running executors that an agent which demands tokens would refuse, as they were started without one.
  returned: always
  type: list
pods:
  description: Those of them that a closed agent would refuse at once, because they ask it for the containers of a pod.
  returned: always
  type: list
source: {description: "The address from which this host reaches the masters, empty where it can't be told.", returned: always, type: str}
left: {description: "{from, to} of data that is where the flags said before.", returned: always, type: list}
drained: {description: Whether the leading master has this agent drained or draining., returned: always, type: bool}
"""
ARGUMENTS: dict[str, Any] = {
    "component": {"type": "str", "choices": ["master", "agent"], "required": True},
    "address": {"type": "str", "default": ""},
    "port": {"type": "int", "required": True},
    "masters": {"type": "list", "elements": "str", "default": []},
    "authentication": {"type": "str", "choices": ["none", "known", "required"], "default": "none"},
    "work": {"type": "path", "required": True},
}
SECONDS = 3
#: Made when the agent has begun to give its executors tokens.
SINCE = "/etc/mesos/executors.since"


def mounts() -> list[tuple[str, str, set[str], bool]]:
    """(mount point, type, controllers, writable) of every cgroup hierarchy."""
    rows = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [(r[1], r[2], set(r[3].split(",")), not os.statvfs(r[1]).f_flag & os.ST_RDONLY)
            for r in rows if r[2] in ("cgroup", "cgroup2")]


def cgroups() -> dict[str, Any]:
    """The layout, and whether it has what an agent needs."""
    found = mounts()
    second = [point for point, kind, _, _ in found if kind == "cgroup2"]
    if "/sys/fs/cgroup" in second:
        names = set(Path("/sys/fs/cgroup/cgroup.controllers").read_text().split())
        writable = any(w for point, _, _, w in found if point == "/sys/fs/cgroup")
        return {"cgroup": "v2", "cgroup2": "/sys/fs/cgroup", "controllers": {"cpu", "memory"} <= names and writable}
    have: set[str] = set().union(*(names for _, kind, names, writable in found if kind == "cgroup" and writable))
    layout = ("hybrid" if second else "v1") if have else "none"
    usable = {"cpu", "memory", "freezer"} <= have
    return {"cgroup": layout, "cgroup2": second[0] if second else "", "controllers": usable}


def root_slice() -> bool:
    """Whether the slices of systemd are at the root of the groups that we see."""
    rows = [line.split(":", 2) for line in Path("/proc/1/cgroup").read_text().splitlines()]
    return any(r[1] in ("", "name=systemd") and r[2] in ("/", "/init.scope") for r in rows)


def drained(masters: list[str], pid: str) -> bool:
    """Whether the leading master lists the agent as drained, draining or deactivated."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda master: call(master, "GET_AGENTS", SECONDS, viewer()), masters))
    listed = [row for status, answer in answers if status == 200 for row in answer.get("get_agents", {}).get("agents", [])]
    return any(row.get("pid", "").endswith(f"@{pid}") and (row.get("deactivated") or row.get("drain_info")) for row in listed)


def flags(masters: list[str]) -> dict[str, dict[str, str]]:
    """What each master that answers was started with."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda master: get(master, "/flags", SECONDS).get("flags", {}), masters))
    return {server: own for server, own in zip(masters, told) if own}


def quorums(masters: list[str], own: str) -> dict[str, int]:
    """With what the other masters run."""
    return {server: int(told["quorum"]) for server, told in flags([m for m in masters if m != own]).items() if told.get("quorum")}


def told(component: str) -> dict[str, str]:
    """The flags in a component's environment file; {} without one."""
    pairs = re.findall(r'^MESOS_(\w+)="(.*)"$', text_of(f"/etc/mesos/{component}.env"), re.M)
    return {k.lower(): re.sub(r"\\(.)", r"\1", v) for k, v in pairs}


def configured() -> dict[str, Any]:
    """The agent as its environment file has it."""
    plain = told("agent")
    if not plain:
        return {}
    attributes = dict(p.split(":", 1) for p in plain.get("attributes", "").split(";") if ":" in p)
    return {"hostname": plain.get("hostname", ""), "port": plain.get("port", ""), "attributes": attributes,
            "resources": [], "pinned": plain.get("resources", "")}


def registered(server: str, work: Path) -> dict[str, Any]:
    """The agent as it runs; as configured when it does not answer; {} when it has no id to lose."""
    if not Path(work, "meta/slaves/latest").exists():
        return {}
    known, state = configured(), get(server, "/state", SECONDS)
    if state:
        reserved = [row for rows in state.get("reserved_resources_full", {}).values() for row in rows]
        known.update(hostname=state["hostname"], port=state["pid"].rsplit(":", 1)[1], attributes=state["attributes"],
                     resources=state.get("unreserved_resources_full", []) + reserved)
    return known


def strangers(work: Path) -> list[Path]:
    """The runs of executors that speak HTTP and were started before this agent gave tokens."""
    given = Path(SINCE).stat().st_mtime if Path(SINCE).exists() else float("inf")
    runs = [run for run in work.glob("meta/slaves/latest/frameworks/*/executors/*/runs/latest")
            if (run / "http.marker").exists() and not (run / "executor.sentinel").exists()]
    # The marker is made anew whenever the executor comes back to the agent; its process is what it was.
    return sorted(run for run in runs if not (run / "pids/forked.pid").exists() or (run / "pids/forked.pid").stat().st_mtime < given)


def of_pod(run: Path) -> bool:
    """Whether this is Mesos' own executor of pods, which asks the agent for each of its containers."""
    info = run.parent.parent / "executor.info"
    return info.exists() and b"mesos-default-executor" in info.read_bytes()


def source(masters: list[str], own: str) -> str:
    """The address from which this host reaches the masters; "" where there is no way to one, or no other."""
    for host, _, port in (server.rpartition(":") for server in masters if server != own):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way, contextlib.suppress(OSError):
            way.connect((host, int(port)))  # sends nothing
            return str(way.getsockname()[0])
    return ""


def docker_api() -> str:
    """As the engine says it: "1.45"."""
    command = ["docker", "version", "--format", "{{.Server.APIVersion}}"]
    try:
        said = subprocess.check_output(command, stderr=subprocess.DEVNULL, timeout=30).decode().strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return said if re.match(r"\d+\.\d+$", said) else ""


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """See RETURN."""
    component, masters = asked["component"], asked["masters"]
    server, unit = f"{asked['address']}:{asked['port']}", f"mesos-{component}"
    other = "agent" if component == "master" else "master"
    foreign = [name for name in ("mesos-master", "mesos-slave", "mesos-agent") if name != unit]
    found: dict[str, Any] = {
        **service(unit, [Listener(asked["address"], asked["port"])]),
        **cgroups(),
        "other": Path(f"/etc/mesos/{other}.env").exists(),
        "systemd": Path("/run/systemd/system").is_dir(),
        "root_slice": root_slice(),
        "docker": Path("/var/run/docker.sock").exists(),
        "docker_api": docker_api() if component == "agent" else "",
        "unmasked": [name for name in foreign if not os.path.lexists(f"/etc/systemd/system/{name}.service")],
        "quorums": {}, "agent": {}, "drained": False, "open": [], "strangers": [], "pods": [],
        "source": source(masters, server),
        "left": left_behind(told(component).get("work_dir", ""), asked["work"]),
    }
    if component == "master" and not Path(asked["work"], "replicated_log").exists():
        found["quorums"] = quorums(masters, server)
    if asked["authentication"] == "required":
        found["open"] = sorted(master for master, told in flags(masters).items() if not told.get("credentials"))
    if component == "agent":
        unknown = strangers(Path(asked["work"]))
        found["strangers"], found["pods"] = [run.parts[-3] for run in unknown], [run.parts[-3] for run in unknown if of_pod(run)]
        found["agent"] = registered(server, Path(asked["work"]))
        found["drained"] = bool(found["agent"]) and drained(masters, server)
    return found


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
