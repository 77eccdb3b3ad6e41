"""Job definitions: defaults, what is refused, and the words of the API."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

from chronos_standin.schedule import ScheduleError, parse

Job = dict[str, Any]

_NAME = re.compile(r"[\w.-]+(?:[ \w.-]*[\w.-]+)?$")
_TASK_ID = re.compile(r"ct:(\d+):(\d+):([^:]+):(.*)$")
#: Defaults of the real program.
DEFAULTS: Job = {
    "command": "", "shell": True, "executor": "", "executorFlags": "", "taskInfoData": "", "retries": 2, "owner": "",
    "ownerName": "", "description": "", "successCount": 0, "errorCount": 0, "lastSuccess": "", "lastError": "", "cpus": 0.1,
    "disk": 256.0, "mem": 128.0, "disabled": False, "softError": False, "dataProcessingJobType": False,
    "errorsSinceLastSuccess": 0, "fetch": [], "uris": [], "environmentVariables": [], "arguments": [],
    "highPriority": False, "runAsUser": "", "concurrent": False, "constraints": [],
}


class InvalidJobError(Exception):
    """A job that the API refuses with 400."""


def moment(seconds: float) -> str:
    """A time as the API writes it."""
    at = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def normalize(document: Any, defaults: Job, jobs: Mapping[str, Job]) -> Job:
    """A complete job from a document; `jobs` are those that exist (a dependent job needs its parents).

    Raises InvalidJobError.
    """
    if not isinstance(document, dict) or not _NAME.match(str(document.get("name", ""))):
        raise InvalidJobError(f"the job's name is invalid. Allowed names: '{_NAME.pattern}'")
    known = {"name", "container", "schedule", "scheduleTimeZone", "parents", *DEFAULTS}
    job = {**DEFAULTS, **defaults, **{k: v for k, v in document.items() if k in known}}
    if not job["command"] and not job.get("container"):
        raise InvalidJobError(f"the job '{job['name']}' has no command")
    if "parents" in job:
        return _dependent(job, jobs)
    try:
        schedule = parse(str(job.get("schedule", "")), str(job.get("scheduleTimeZone", "")))
    except ScheduleError as error:
        raise InvalidJobError(str(error)) from error
    return {**job, "schedule": schedule.shown(), "scheduleTimeZone": str(job.get("scheduleTimeZone", ""))}


def _dependent(job: Job, jobs: Mapping[str, Job]) -> Job:
    if not job["parents"]:
        raise InvalidJobError("Error, parent does not exist")
    for parent in job["parents"]:
        if parent not in jobs:
            raise InvalidJobError(f"Error, parent '{parent}' does not exist")
    if _descends(job["name"], job["parents"], jobs):
        raise InvalidJobError(f"the job '{job['name']}' would depend on itself")
    return job


def _descends(name: str, parents: list[str], jobs: Mapping[str, Job]) -> bool:
    return any(p == name or _descends(name, jobs.get(p, {}).get("parents", []), jobs) for p in parents)


def task_id(name: str, due: float, attempt: int, arguments: str) -> str:
    """`ct:<due in ms>:<attempt>:<job>:<arguments>`."""
    return f"ct:{int(due * 1000)}:{attempt}:{name}:{arguments.replace(';', '')}"


def parse_task_id(text: str) -> tuple[str, float, int, str] | None:
    """Job, due time in seconds, attempt and arguments; None for an id of another make."""
    match = _TASK_ID.match(text)
    return (match[3], int(match[1]) / 1000, int(match[2]), match[4]) if match else None
