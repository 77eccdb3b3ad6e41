"""What a user may keep in a cluster: one thing each in ZooKeeper, Consul, Marathon and Chronos."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from kazoo.client import KazooClient
from kazoo.security import make_digest_acl
from marathon.models import MarathonApp

from tests.lab.support.checkout import eventually
from tests.lab.support.consul import CONSUL
from tests.lab.support.schedulers import ask_chronos, marathon_client

T = TypeVar("T")
NAME = "backup-scenario"
#: Longer than a new leader takes to load what it keeps.
LOAD_SECONDS = 10.0
NODE, DATA = f"/{NAME}", b"\x00 kept \xff"
APP = {"id": f"/{NAME}", "instances": 1, "cpus": 0.05, "mem": 16, "cmd": "sleep 10000", "labels": {"kept": "yes"}}
JOB = {"name": NAME, "command": "true", "schedule": "R/2099-01-01T00:00:00Z/P1D", "epsilon": "PT10M", "owner": "", "cpus": 0.05, "mem": 16,
       "disk": 1}


def steady(ask: Callable[[], T]) -> T:
    """What is there, or that nothing is there for LOAD_SECONDS: a leader that has just been elected lists nothing at first."""
    until = time.monotonic() + LOAD_SECONDS
    while not (found := ask()) and time.monotonic() < until:
        time.sleep(1)
    return found


class Belongings:
    """One thing of a user in each of the four places. `secrets` are the cluster's."""

    def __init__(self, zookeeper: KazooClient, on: Any, address: str, secrets: Mapping[str, Any]) -> None:
        self.nodes, self._on, self._address, self._secrets = zookeeper, on, address, secrets
        self.marathon = marathon_client(address, secrets)

    def make(self) -> None:
        """All four."""
        self.nodes.create(NODE, DATA, acl=[make_digest_acl("somebody", "secret", all=True)])
        self._on.check_output(f"{CONSUL} kv put {NAME} kept")
        self.marathon.create_app(f"/{NAME}", MarathonApp.from_json(APP))
        self._chronos("iso8601", JOB)

    def delete(self) -> None:
        """All four, as far as they are there."""
        if self.nodes.exists(NODE):
            self.nodes.delete(NODE)
        self._on.check_output(f"{CONSUL} kv delete {NAME}")
        if self.app():
            self.marathon.delete_app(f"/{NAME}", force=True)
            eventually("the app is gone", 60, lambda: self.marathon.list_deployments() == [])  # until then its name is locked
        if self.job():
            self._chronos(f"job/{NAME}", method="DELETE")

    def ensure(self) -> dict[str, Any]:
        """All four, made unless they are there; gives the job."""
        if not (self.nodes.exists(NODE) and self.key() and self.job() and self.app()):
            self.delete()
            self.make()
        return self.job()

    def key(self) -> str:
        """What Consul has."""
        return str(self._on.run(f"{CONSUL} kv get {NAME}").stdout).strip()

    def app(self) -> bool:
        """Whether Marathon has it."""
        return steady(lambda: any(app.id == f"/{NAME}" for app in self.marathon.list_apps()))

    def job(self) -> dict[str, Any]:
        """What Chronos has."""
        return steady(lambda: next((job for job in json.loads(self._chronos("jobs")) if job["name"] == NAME), {}))

    def _chronos(self, path: str, body: object = None, method: str = "") -> str:
        return ask_chronos(self._address, self._secrets, path, body, method)
