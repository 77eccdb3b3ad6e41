"""Changes under way: one per write, until its app is as the write wanted it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from mesos_framework.state_store import StateStore

KIND = "deployment"


class LockedError(Exception):
    """Another deployment works on the app; `deployments` are the ids."""

    def __init__(self, deployments: list[str]) -> None:
        super().__init__(
            "App is locked by one or more deployments. Override with the option '?force=true'. "
            "View details at '/v2/deployments/<DEPLOYMENT_ID>'."
        )
        self.deployments = deployments


@dataclass(frozen=True)
class Deployment:
    """One change; `action` is the real program's word."""

    id: str
    version: str
    app_id: str
    action: str

    def shown(self) -> dict[str, Any]:
        """The API's form, with its single step."""
        step = {"action": self.action, "app": self.app_id, "pod": None}
        return {
            "id": self.id, "version": self.version, "affectedApps": [self.app_id], "affectedPods": [],
            "steps": [{"actions": [step]}], "currentActions": [step], "currentStep": 1, "totalSteps": 1,
        }


class Deployments:
    """The open deployments, kept in the store so that the next leader knows them."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self.open: dict[str, Deployment] = {}

    def load(self) -> None:
        """Takes over what the last leader left."""
        self.open = {name: Deployment(**document) for name, document in self._store.load(KIND).items()}

    def of(self, app_id: str) -> list[str]:
        """Ids of the deployments that work on an app."""
        return [d.id for d in self.open.values() if d.app_id == app_id]

    def begin(self, app_id: str, version: str, action: str, *, force: bool) -> Deployment:
        """Opens one; with `force` those under way for the app are dropped. Raises LockedError."""
        busy = self.of(app_id)
        if busy and not force:
            raise LockedError(busy)
        self.finish(app_id)
        deployment = Deployment(str(uuid.uuid4()), version, app_id, action)
        self.open[deployment.id] = deployment
        self._store.put(KIND, deployment.id, vars(deployment))
        return deployment

    def finish(self, app_id: str) -> None:
        """Closes the deployments of an app."""
        for deployment_id in self.of(app_id):
            self.open.pop(deployment_id, None)
            self._store.drop(KIND, deployment_id)
