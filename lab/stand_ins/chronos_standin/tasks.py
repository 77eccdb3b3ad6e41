"""The TaskInfo of one run of a job."""

from __future__ import annotations

import re
from typing import Any

from chronos_standin.jobs import Job, parse_task_id
from mesos_framework.offers import Pool

Json = dict[str, Any]


def sizes(job: Job) -> dict[str, float]:
    """The scalar resources of a run."""
    return {name: float(job[name]) for name in ("cpus", "mem", "disk")}


def fits(job: Job, pool: Pool) -> bool:
    """Whether a run may start on an offer."""
    return pool.fits(sizes(job), []) and all(_meets(c, pool) for c in job["constraints"])


def _meets(constraint: list[str], pool: Pool) -> bool:
    attribute, operator, wanted = constraint
    value = pool.attribute(attribute)
    if operator.upper() == "EQUALS":
        return value == wanted
    matches = value is not None and re.fullmatch(wanted, value) is not None
    return matches if operator.upper() == "LIKE" else not matches


def task_info(job: Job, task_id: str, pool: Pool) -> Json:
    """Takes the run's share out of the pool and describes its task."""
    resources, _ = pool.take(sizes(job), [])
    task: Json = {
        "name": f"ChronosTask:{job['name']}", "task_id": {"value": task_id}, "agent_id": pool.offer["agent_id"],
        "resources": resources, "command": _command(job, task_id, pool.hostname),
    }
    return {**task, "container": _container(job["container"])} if job.get("container") else task


def _command(job: Job, task_id: str, host: str) -> Json:
    _, due, attempt, extra = parse_task_id(task_id) or ("", 0.0, 0, "")
    variables = {
        "mesos_task_id": task_id, "MESOS_TASK_ID": task_id, "CHRONOS_JOB_OWNER": job["owner"], "CHRONOS_JOB_NAME": job["name"],
        "HOST": host, "CHRONOS_RESOURCE_MEM": str(job["mem"]), "CHRONOS_RESOURCE_CPU": str(job["cpus"]),
        "CHRONOS_RESOURCE_DISK": str(job["disk"]), "CHRONOS_JOB_RUN_TIME": str(int(due * 1000)),
        "CHRONOS_JOB_RUN_ATTEMPT": str(attempt),
    }
    # The job's own variables never replace these.
    variables = {**{v["name"]: str(v["value"]) for v in job["environmentVariables"]}, **variables}
    command: Json = {
        "shell": bool(job["shell"]), "environment": {"variables": [{"name": k, "value": v} for k, v in variables.items()]},
    }
    if job["command"]:
        command["value"] = f"{job['command']} {extra}".strip() if job["shell"] else job["command"]
    if not job["shell"] and job["arguments"]:
        command["arguments"] = list(job["arguments"])
    if job["runAsUser"]:
        command["user"] = job["runAsUser"]
    uris = [*job["fetch"], *({"uri": u} for u in job["uris"])]
    if uris:
        command["uris"] = [{"value": u["uri"], "extract": u.get("extract", True)} for u in uris]
    return command


def _container(container: Json) -> Json:
    volumes = [
        {"container_path": v["containerPath"], "host_path": v["hostPath"], "mode": v.get("mode", "RW").upper()}
        for v in container.get("volumes", []) if v.get("hostPath")
    ]
    docker = {
        "image": container["image"], "network": container.get("network", "HOST").upper(),
        "force_pull_image": bool(container.get("forcePullImage")),
        "parameters": [{"key": p["key"], "value": p["value"]} for p in container.get("parameters", [])],
    }
    return {"type": "DOCKER", "docker": docker, "volumes": volumes}
