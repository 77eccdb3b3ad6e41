"""Whether an app may run on an offer, and the TaskInfo that starts it there."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from marathon_standin.apps import App, mappings, mode, requested_ports
from marathon_standin.instances import Instance, new_task_id
from mesos_framework.offers import Pool

Json = dict[str, Any]


def sizes(app: App) -> dict[str, float]:
    """The scalar resources of one instance."""
    return {name: float(app[name]) for name in ("cpus", "mem", "disk")}


def allowed(app: App, pool: Pool, hosts: Sequence[str]) -> bool:
    """Whether the app's constraints let it run on the agent; `hosts` are the agents of its live instances."""
    return all(_meets(constraint, pool, hosts) for constraint in app["constraints"])


def _meets(constraint: Sequence[str], pool: Pool, hosts: Sequence[str]) -> bool:
    field, operator, *rest = constraint
    value = pool.attribute(field)
    if operator == "UNIQUE":
        return value is not None and (field not in ("hostname", "@hostname") or value not in hosts)
    if operator in ("CLUSTER", "IS"):
        return value == rest[0]
    if operator == "LIKE":
        return value is not None and re.fullmatch(rest[0], value) is not None
    if operator == "UNLIKE":
        return value is None or re.fullmatch(rest[0], value) is None
    if operator == "MAX_PER":
        return value is not None and hosts.count(value) < int(rest[0])
    # GROUP_BY spreads; on a lab's few agents any of them will do.
    return value is not None


def place(app: App, pool: Pool, hosts: Sequence[str]) -> tuple[Instance, Json] | None:
    """Takes the app's share out of the pool: a new instance with its TaskInfo, or None when it does not fit."""
    ports = requested_ports(app)
    if not allowed(app, pool, hosts) or not pool.fits(sizes(app), ports):
        return None
    resources, chosen = pool.take(sizes(app), ports)
    agent = pool.offer["agent_id"]
    instance = Instance(
        task_id=new_task_id(app["id"]), app_id=app["id"], version=app["version"], agent_id=agent["value"],
        host=pool.hostname, address=pool.address, ports=chosen, staged_at=time.time(),
    )
    task: Json = {
        "name": ".".join(reversed(app["id"].strip("/").split("/"))), "task_id": {"value": instance.task_id},
        "agent_id": agent, "resources": resources, "command": _command(app, instance),
        "labels": {"labels": [{"key": k, "value": str(v)} for k, v in app["labels"].items()]},
        "kill_policy": {"grace_period": {"nanoseconds": int(app["taskKillGracePeriodSeconds"] * 1_000_000_000)}},
    }
    container = _container(app, chosen)
    return instance, ({**task, "container": container} if container else task)


def _command(app: App, instance: Instance) -> Json:
    variables = [{"name": k, "type": "VALUE", "value": v} for k, v in sorted(environment(app, instance).items())]
    command: Json = {"environment": {"variables": variables}, "shell": bool(app["cmd"])}
    if app["cmd"]:
        command["value"] = app["cmd"]
    elif app["args"] and not app["container"]:
        command |= {"value": app["args"][0], "arguments": list(app["args"])}
    elif app["args"]:
        command["arguments"] = list(app["args"])
    if app["user"]:
        command["user"] = app["user"]
    if app["fetch"]:
        command["uris"] = [{"value": f["uri"], "extract": f.get("extract", True)} for f in app["fetch"]]
    return command


def environment(app: App, instance: Instance) -> dict[str, str]:
    """The variables a task gets; the app's own ones win, as in the real program."""
    told = {
        "MESOS_TASK_ID": instance.task_id, "MARATHON_APP_ID": app["id"], "MARATHON_APP_VERSION": app["version"],
        "MARATHON_APP_RESOURCE_CPUS": str(app["cpus"]), "MARATHON_APP_RESOURCE_MEM": str(app["mem"]),
        "MARATHON_APP_RESOURCE_DISK": str(app["disk"]), "MARATHON_APP_RESOURCE_GPUS": str(app["gpus"]),
        "MARATHON_APP_LABELS": " ".join(_upper(k) for k in app["labels"]), "HOST": instance.host,
    }
    told |= {f"MARATHON_APP_LABEL_{_upper(k)}": str(v) for k, v in app["labels"].items()}
    image = (app["container"] or {}).get("docker", {}).get("image")
    if image:
        told["MARATHON_APP_DOCKER_IMAGE"] = image
    return {**told, **_port_variables(app, instance.ports), **{k: str(v) for k, v in app["env"].items()}}


def _upper(key: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]+", "_", key).upper()


def _port_variables(app: App, host_ports: Sequence[int]) -> dict[str, str]:
    """PORT0.. by position, PORT_<container or requested port>, PORT_<NAME>, PORT and PORTS."""
    free = iter(host_ports)
    if mode(app) == "host":
        asked = [(int(d.get("port", 0)), d.get("name"), next(free)) for d in app["portDefinitions"]]
    else:
        asked = [
            (int(m["containerPort"]), m["name"], int(m["containerPort"]) if m["hostPort"] is None else next(free))
            for m in mappings(app)
        ]
    told: dict[str, str] = {}
    for number, (port, name, effective) in enumerate(asked):
        told[f"PORT{number}"] = told[f"PORT_{port or effective}"] = str(effective)
        if name:
            told[f"PORT_{name.upper()}"] = str(effective)
    if asked:
        told["PORT"] = str(asked[0][2])
        told["PORTS"] = ",".join(str(effective) for _, _, effective in asked)
    return told


def _container(app: App, host_ports: Sequence[int]) -> Json | None:
    definition = app["container"]
    if not definition:
        return None
    volumes = [
        {"container_path": v["containerPath"], "host_path": v["hostPath"], "mode": v.get("mode", "RW")}
        for v in definition.get("volumes") or [] if v.get("hostPath")
    ]
    if definition.get("type") != "DOCKER":
        return {"type": "MESOS", "volumes": volumes}
    docker = definition["docker"]
    network = {"host": "HOST", "container/bridge": "BRIDGE"}.get(mode(app), "USER")
    parameters = [{"key": p["key"], "value": p["value"]} for p in docker.get("parameters") or []]
    free = iter(host_ports)
    published = [
        {"host_port": next(free), "container_port": int(m["containerPort"]), "protocol": m["protocol"]}
        for m in mappings(app) if m["hostPort"] is not None
    ]
    for mapping in published:
        # A container port of 0 means "the same as on the host".
        mapping["container_port"] = mapping["container_port"] or mapping["host_port"]
    info: Json = {
        "image": docker["image"], "network": network, "privileged": bool(docker.get("privileged")),
        "force_pull_image": bool(docker.get("forcePullImage")), "parameters": parameters,
        **({"port_mappings": published} if published else {}),
    }
    named = {"network_infos": [{"name": app["networks"][0]["name"]}]} if network == "USER" else {}
    return {"type": "DOCKER", "docker": info, "volumes": volumes, **named}
