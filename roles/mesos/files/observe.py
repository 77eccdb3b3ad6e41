"""Print, as JSON, what role mesos needs to know about this host.

Argument: JSON {component, address, port, masters: ["address:port"], authentication}.

cgroup       v1, hybrid (v1, and cgroup2 mounted on `cgroup2`), v2 or none
controllers  whether the cgroups an agent needs are there and writable
systemd      whether the host is booted with systemd; root_slice: whether its slices are at the root of the cgroups we see
docker_api   the newest API that the engine of an agent's host speaks, "" without one
docker       whether there is a Docker socket; running: whether our unit runs; other: whether the other component is here
unmasked     units of Mesos packages that nothing keeps from starting (a stray master of its own would be elected)
absent       the address if this host does not have it, else ""; taken: whether another program holds the port
quorums      for a master without a registry: {master: quorum} of the masters that run
agent        for an agent with a registration: {hostname, port, attributes, resources, pinned} as it runs, else as configured
open         the masters that run without credentials, where everybody is to bring some
drained      whether the leading master has this agent drained or draining
"""
import concurrent.futures
import errno
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request

WORK = "/var/lib/mesos/"
SECONDS = 3


def mounts():
    """(mount point, type, controllers, writable) of every cgroup hierarchy."""
    rows = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    return [(r[1], r[2], set(r[3].split(",")), not os.statvfs(r[1]).f_flag & os.ST_RDONLY)
            for r in rows if r[2] in ("cgroup", "cgroup2")]


def cgroups():
    found = mounts()
    second = [point for point, kind, _, _ in found if kind == "cgroup2"]
    if "/sys/fs/cgroup" in second:
        names = set(pathlib.Path("/sys/fs/cgroup/cgroup.controllers").read_text().split())
        writable = any(w for point, _, _, w in found if point == "/sys/fs/cgroup")
        return {"cgroup": "v2", "cgroup2": "/sys/fs/cgroup", "controllers": {"cpu", "memory"} <= names and writable}
    have = set().union(*(names for _, kind, names, writable in found if kind == "cgroup" and writable))
    layout = ("hybrid" if second else "v1") if have else "none"
    usable = {"cpu", "memory", "freezer"} <= have
    return {"cgroup": layout, "cgroup2": second[0] if second else "", "controllers": usable}


def root_slice():
    rows = [line.split(":", 2) for line in pathlib.Path("/proc/1/cgroup").read_text().splitlines()]
    return any(r[1] in ("", "name=systemd") and r[2] in ("/", "/init.scope") for r in rows)


def get(server, path):
    """The JSON behind a path; {} when nobody answers or may not be asked."""
    try:
        with urllib.request.urlopen("http://" + server + path, timeout=SECONDS) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return {}


def drained(masters, pid):
    body = json.dumps({"type": "GET_AGENTS"}).encode()

    def ask(server):
        request = urllib.request.Request("http://" + server + "/api/v1", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 (always http)
                return json.load(answer).get("get_agents", {}).get("agents", [])
        except (OSError, ValueError):
            return []

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        listed = [agent for agents in pool.map(ask, masters) for agent in agents]
    return any(a.get("pid", "").endswith("@" + pid) and (a.get("deactivated") or a.get("drain_info")) for a in listed)


def flags(masters):
    """What each master that answers was started with."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        told = pool.map(lambda m: get(m, "/flags").get("flags", {}), masters)
    return {server: own for server, own in zip(masters, told) if own}  # noqa: B905 (Python 3.6)


def quorums(masters, own):
    return {server: int(told["quorum"]) for server, told in flags([m for m in masters if m != own]).items() if told.get("quorum")}


def configured():
    """The agent as its environment file has it."""
    try:
        text = pathlib.Path("/etc/mesos/agent.env").read_text()
    except FileNotFoundError:
        return {}
    pairs = re.findall(r'^MESOS_(\w+)="(.*)"$', text, re.M)
    plain = {k.lower(): re.sub(r"\\(.)", r"\1", v) for k, v in pairs}
    told = dict(p.split(":", 1) for p in plain.get("attributes", "").split(";") if ":" in p)
    return {"hostname": plain.get("hostname", ""), "port": plain.get("port", ""), "attributes": told,
            "resources": [], "pinned": plain.get("resources", "")}


def registered(server):
    """The agent as it runs; as configured when it does not answer; {} when it has no id to lose."""
    if not pathlib.Path(WORK, "agent/meta/slaves/latest").exists():
        return {}
    known, state = configured(), get(server, "/state")
    if state:
        reserved = [row for rows in state.get("reserved_resources_full", {}).values() for row in rows]
        known.update(hostname=state["hostname"], port=state["pid"].rsplit(":", 1)[1], attributes=state["attributes"],
                     resources=state.get("unreserved_resources_full", []) + reserved)
    return known


def docker_api():
    """As the engine says it: "1.45"."""
    command = ["docker", "version", "--format", "{{.Server.APIVersion}}"]
    try:
        said = subprocess.check_output(command, stderr=subprocess.DEVNULL, timeout=30).decode().strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return said if re.match(r"\d+\.\d+$", said) else ""


def bind_error(address, port):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno
    return 0


def main():
    asked = json.loads(sys.argv[1])
    component, address, port = asked["component"], asked["address"], int(asked["port"])
    server = f"{address}:{port}"
    running = subprocess.call(["systemctl", "is-active", "--quiet", "mesos-" + component]) == 0
    failed = bind_error(address, port) if address else 0
    other = "agent" if component == "master" else "master"
    here = pathlib.Path(f"/etc/mesos/{other}.env").exists()
    foreign = [u for u in ("mesos-master", "mesos-slave", "mesos-agent") if u != "mesos-" + component]
    found = {
        "systemd": pathlib.Path("/run/systemd/system").is_dir(), "root_slice": root_slice(), "running": running, "other": here,
        "docker": pathlib.Path("/var/run/docker.sock").exists(), "docker_api": docker_api() if component == "agent" else "",
        "unit": pathlib.Path(f"/etc/systemd/system/mesos-{component}.service").is_file(),
        "unmasked": [u for u in foreign if not os.path.lexists(f"/etc/systemd/system/{u}.service")],
        "absent": address if failed == errno.EADDRNOTAVAIL else "", "taken": failed == errno.EADDRINUSE and not running,
        "quorums": {}, "agent": {}, "drained": False, "open": [],
    }
    found.update(cgroups())
    if component == "master" and not pathlib.Path(WORK, "master/replicated_log").exists():
        found["quorums"] = quorums(asked["masters"], server)
    if asked["authentication"] == "required":
        found["open"] = sorted(server for server, told in flags(asked["masters"]).items() if not told.get("credentials"))
    if component == "agent":
        found["agent"] = registered(server)
        found["drained"] = bool(found["agent"]) and drained(asked["masters"], server)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
