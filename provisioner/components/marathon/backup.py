"""What a backup keeps of Marathon: the definitions of apps."""

from __future__ import annotations

import json

from provisioner.cluster.names import counted
from provisioner.hosts.http_api import Api
from provisioner.run.backup_parts import Part, Sources, without

#: What Marathon adds to an app's definition when it shows it (REST API reference, GET /v2/apps).
APP_STATE = ("deployments", "lastTaskFailure", "readinessCheckResults", "taskStats", "tasks", "tasksHealthy", "tasksRunning", "tasksStaged",
             "tasksUnhealthy", "version", "versionInfo", "uris")


def part(sources: Sources) -> Part:
    """By its HTTP interface."""
    return MarathonApps(sources.api)


class MarathonApps:
    """The definitions of Marathon's apps."""

    file = "marathon.json"

    def __init__(self, api: Api) -> None:
        self._api = api

    def save(self) -> bytes:
        """See Part."""
        return json.dumps([without(app, APP_STATE) for app in self._api.ask("GET", "/v2/apps")["apps"]], sort_keys=True).encode()

    def put_back(self, data: bytes) -> str:
        """See Part. An app that is there gets its old definition; Marathon starts what is missing."""
        apps = json.loads(data)
        if apps:
            self._api.ask("PUT", "/v2/apps?force=true", apps)
        return counted(len(apps), "app")
