"""The parts of a backup: how each is taken from a living cluster, and how it is put back into one."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from provisioner.cluster.model import Host
from provisioner.errors import StepFailed
from provisioner.hosts.http_api import Api
from provisioner.hosts.openssh import Transport
from provisioner.hosts.zookeeper import Node, Tree

#: What belongs to ZooKeeper itself and to services that are saved through their own interface or keep nothing that outlives them.
OWN_TREES = ("/zookeeper", "/mesos", "/marathon", "/chronos")
#: What Marathon adds to an app's definition when it shows it (REST API reference, GET /v2/apps).
APP_STATE = ("deployments", "lastTaskFailure", "readinessCheckResults", "taskStats", "tasks", "tasksHealthy", "tasksRunning", "tasksStaged",
             "tasksUnhealthy", "version", "versionInfo", "uris")
#: What Chronos adds to a job (REST API, job configuration).
JOB_STATE = ("successCount", "errorCount", "lastSuccess", "lastError", "errorsSinceLastSuccess")
CHUNK = 4 * 1024 * 1024
SNAPSHOT_SECONDS = 300.0


class Part(Protocol):
    """One part; `file` is its name in the archive."""

    file: str

    def save(self) -> bytes:
        """What is to be kept. Raises StepFailed, UnreachableError."""

    def put_back(self, data: bytes) -> str:
        """Put it into the cluster; says how much in a few words. What is there beside it stays. Raises StepFailed, UnreachableError."""


class ZooKeeperNodes:
    """What applications keep in ZooKeeper."""

    file = "zookeeper.json"

    def __init__(self, tree: Callable[[], AbstractContextManager[Tree]]) -> None:
        self._tree = tree

    def save(self) -> bytes:
        """See Part."""
        with self._tree() as tree:
            nodes = [{"path": n.path, "data": base64.b64encode(n.data).decode(), "acl": n.acl} for n in tree.walk(OWN_TREES)]
        return json.dumps(nodes).encode()

    def put_back(self, data: bytes) -> str:
        """See Part. The rules who may read and write a node come back with it."""
        nodes = [Node(str(n["path"]), base64.b64decode(n["data"]), tuple((int(p), str(s), str(i)) for p, s, i in n["acl"]))
                 for n in json.loads(data)]
        with self._tree() as tree:
            for node in nodes:
                tree.put(node)
        return f"{len(nodes)} nodes"


class ConsulSnapshot:
    """Consul's own snapshot: keys and values, sessions, prepared queries, the catalogue."""

    file = "consul.snap"

    def __init__(self, transport: Transport, server: Host) -> None:
        self._transport, self._server = transport, server

    def save(self) -> bytes:
        """See Part."""
        folder = self._run("umask 077 && mktemp -d /run/provision-backup.XXXXXX").decode().strip()
        file = shlex.quote(f"{folder}/consul.snap")
        try:
            self._run(f"/usr/local/bin/consul snapshot save {file}")
            size = int(self._run(f"stat -c %s {file}"))
            return b"".join(self._run(f"dd if={file} bs={CHUNK} skip={n} count=1 status=none") for n in range(-(-size // CHUNK)))
        finally:
            self._run(f"rm -rf {shlex.quote(folder)}")

    def put_back(self, data: bytes) -> str:
        """See Part. Consul takes a snapshot as a whole: its keys become what they were."""
        self._run("set -e; umask 077; folder=$(mktemp -d /run/provision-backup.XXXXXX); trap 'rm -rf \"$folder\"' EXIT; "
                  'cat >"$folder/consul.snap"; /usr/local/bin/consul snapshot restore "$folder/consul.snap"', data)
        return f"a snapshot of {len(data)} bytes"

    def _run(self, script: str, stdin: bytes = b"") -> bytes:
        done = self._transport.run(self._server, script, stdin, become=True, timeout=SNAPSHOT_SECONDS)
        if done.code:
            said = " ".join((done.stdout + done.stderr).decode(errors="replace").split())[-300:]
            raise StepFailed(f"Consul's snapshot: {said}", where=self._server.name, hint="'provision status' says what is wrong")
        return done.stdout


class MarathonApps:
    """The definitions of Marathon's apps."""

    file = "marathon.json"

    def __init__(self, api: Api) -> None:
        self._api = api

    def save(self) -> bytes:
        """See Part."""
        return json.dumps([_without(app, APP_STATE) for app in self._api.ask("GET", "/v2/apps")["apps"]], sort_keys=True).encode()

    def put_back(self, data: bytes) -> str:
        """See Part. An app that is there gets its old definition; Marathon starts what is missing."""
        apps = json.loads(data)
        if apps:
            self._api.ask("PUT", "/v2/apps?force=true", apps)
        return f"{len(apps)} apps"


class ChronosJobs:
    """The definitions of Chronos' jobs."""

    file = "chronos.json"

    def __init__(self, api: Api) -> None:
        self._api = api

    def save(self) -> bytes:
        """See Part."""
        return json.dumps([_without(job, JOB_STATE) for job in self._api.ask("GET", "/v1/scheduler/jobs")], sort_keys=True).encode()

    def put_back(self, data: bytes) -> str:
        """See Part. Jobs that wait for others follow those."""
        jobs = json.loads(data)
        for job in _parents_first(jobs):
            kind = "dependency" if job.get("parents") else "iso8601"
            self._api.ask("POST", f"/v1/scheduler/{kind}", job)
        return f"{len(jobs)} jobs"


def _without(definition: Mapping[str, Any], state: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in definition.items() if key not in state}


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
