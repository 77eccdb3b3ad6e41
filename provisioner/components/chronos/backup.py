"""What a backup keeps of Chronos: the definitions of jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from provisioner.cluster.names import counted
from provisioner.hosts.http_api import Api
from provisioner.run.backup_parts import Part, Sources, without

#: What Chronos adds to a job (REST API, job configuration).
JOB_STATE = ("successCount", "errorCount", "lastSuccess", "lastError", "errorsSinceLastSuccess")


def part(sources: Sources) -> Part:
    """By its HTTP interface."""
    return ChronosJobs(sources.api)


class ChronosJobs:
    """The definitions of Chronos' jobs."""

    file = "chronos.json"

    def __init__(self, api: Api) -> None:
        self._api = api

    def save(self) -> bytes:
        """See Part."""
        return json.dumps([without(job, JOB_STATE) for job in self._api.ask("GET", "/v1/scheduler/jobs")], sort_keys=True).encode()

    def put_back(self, data: bytes) -> str:
        """See Part. Jobs that wait for others follow those."""
        jobs = json.loads(data)
        for job in _parents_first(jobs):
            kind = "dependency" if job.get("parents") else "iso8601"
            self._api.ask("POST", f"/v1/scheduler/{kind}", job)
        return counted(len(jobs), "job")


def _parents_first(jobs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each job after those it waits for; one that waits for a job that is not there comes last."""
    order: list[Mapping[str, Any]] = []
    waiting = list(jobs)
    while waiting:
        placed = {job["name"] for job in order}
        ready = [job for job in waiting if set(job.get("parents") or ()) <= placed] or waiting
        order += ready
        waiting = [job for job in waiting if job not in ready]
    return order
