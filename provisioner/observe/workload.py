"""What runs on an agent, what the others have to spare, and the Marathon apps that would be gone with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import StepFailed
from provisioner.hosts.http_api import Api, from_host
from provisioner.hosts.remote_calls import RemoteCalls
from provisioner.inventory.render import host_variables
from provisioner.observe.wait import wait_until

#: How long Marathon may take until a moved or an additional instance is healthy.
HEALTHY_SECONDS = 300.0
POLL_SECONDS = 2.0
#: States in which a task still holds resources of its agent.
LIVE = ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", "TASK_UNREACHABLE")
RESOURCES = ("cpus", "mem", "disk")


@dataclass(frozen=True)
class App:
    """A Marathon app: how many instances it is to have, and the agent of each that it has."""

    name: str
    instances: int
    hosts: tuple[str, ...]


class Workload:
    """Asks Mesos and Marathon through a host that runs a master: their ports need not be open to us."""

    def __init__(self, cluster: Cluster, rendered: Mapping[str, Any], calls: RemoteCalls) -> None:
        self._rendered = rendered
        self._calls = calls
        self._masters = cluster.members("mesos_master")
        self._marathons = [(h, f"{h.cluster_address}:{host_variables(rendered, h.name).get('marathon_port', 8080)}")
                           for h in cluster.members("marathon")]
        self._marathon = Api(calls, "Marathon", self._marathons, "marathon")
        self._leader = cluster.hosts[0]

    def tasks(self, *agents: str) -> dict[str, list[str]]:
        """By agent, which is given by its host's name: the names of the tasks that run there."""
        state = self._mesos()
        host = {str(a.get("id")): str(a.get("hostname")) for a in state.get("slaves", [])}
        live = [t for f in state.get("frameworks", []) for t in f.get("tasks", []) if t.get("state") in LIVE]
        return {agent: sorted(str(t.get("name") or t.get("id")) for t in live if host.get(str(t.get("slave_id"))) == agent)
                for agent in agents}

    def without_principal(self) -> list[str]:
        """The frameworks that are connected and told Mesos no principal, by name."""
        found = self._mesos().get("frameworks", [])
        return sorted(str(f.get("name") or f.get("id")) for f in found if f.get("connected") and not f.get("principal"))

    def denied(self, rights: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
        """What connected frameworks do and may not, with these rights by principal: a clause for each. Without roles any is right."""
        said = []
        for one in self._mesos().get("frameworks", []):
            name, principal = str(one.get("name") or one.get("id")), str(one.get("principal", ""))
            if one.get("connected") and principal not in rights:
                said.append(f"{name} registered as {principal or 'nobody'}")
            elif one.get("connected"):
                may = rights[principal]
                said += [f"{name} runs tasks as {one['user']}"] if one.get("user") not in may["users"] else []
                said += [f"{name} wants offers for {role}" for role in one.get("roles", []) if may["roles"] and role not in may["roles"]]
        return said

    def missing(self, agent: str) -> dict[str, float]:
        """By how much the free resources of all other agents fall short of what is used on this one; empty when they suffice.

        A sum: whether each single task fits into one agent's gap only Mesos' offers will tell.
        """
        agents = self._mesos().get("slaves", [])
        used = {r: sum(_amount(a, "used_resources", r) for a in agents if a.get("hostname") == agent) for r in RESOURCES}
        free = {r: sum(_amount(a, "resources", r) - _amount(a, "used_resources", r) for a in agents
                       if a.get("hostname") != agent and a.get("active") and not a.get("deactivated")) for r in RESOURCES}
        return {r: round(used[r] - free[r], 2) for r in RESOURCES if used[r] > free[r] + 0.001}

    def deactivate(self, agent: str) -> None:
        """Offer nothing of this agent to anybody; what runs there goes on. Raises StepFailed when the master refuses."""
        self._tell(agent, "DEACTIVATE_AGENT", "agents can be drained from Mesos 1.9 on")

    def gone(self, agent: str) -> None:
        """It never comes back: its tasks are started elsewhere at once. Raises StepFailed when the master refuses.

        Not while another agent runs at its address: Mesos would send that one away.
        """
        self._tell(agent, "MARK_AGENT_GONE", "agents can be given up from Mesos 1.5 on; older ones are forgotten after ten minutes")

    def _tell(self, agent: str, call: str, hint: str) -> None:
        for row in self._mesos().get("slaves", []):
            if row.get("hostname") == agent:
                body = {"type": call, call.lower(): {"agent_id": {"value": row["id"]}}}
                reply = from_host(self._calls, self._leader, "POST", self._server(self._leader), "/api/v1", body,
                                  credentials="mesos_operator")
                if not reply.ok:
                    raise StepFailed(f"the Mesos master on {self._leader.name} answers {reply} to {call}", where=agent, hint=hint)

    def apps(self, agent: str) -> list[App]:
        """The Marathon apps that have an instance on an agent; none where there is no Marathon."""
        if not self._marathons:
            return []
        where: dict[str, list[str]] = {}
        for task in self._marathon.ask("GET", "/v2/tasks").get("tasks", []):
            where.setdefault(str(task.get("appId")), []).append(str(task.get("host")))
        found = self._marathon.ask("GET", "/v2/apps").get("apps", [])
        apps = [App(str(each["id"]), int(each["instances"]), tuple(where.get(str(each["id"]), []))) for each in found]
        return [a for a in apps if agent in a.hosts]

    def scale(self, app: str, instances: int, *, force: bool = False) -> None:
        """Tell Marathon how many instances an app is to have; with `force` also while it is at work on the app. Raises StepFailed."""
        self._marathon.ask("PUT", f"/v2/apps{quote(app)}{'?force=true' if force else ''}", {"instances": instances})

    def await_elsewhere(self, apps: Sequence[str], agent: str, *, at_least: int | None = None) -> None:
        """Wait until each app has its instances, or `at_least` so many, in order on other agents. Raises StepFailed when time is up."""
        waiting = wait_until(lambda: [text for text in (self._short(app, agent, at_least) for app in apps) if text],
                             lambda texts: not texts, HEALTHY_SECONDS, pause=POLL_SECONDS)
        if waiting:
            raise StepFailed(f"after {HEALTHY_SECONDS:.0f} s these are not yet in order on other agents: {'; '.join(waiting)}",
                             hint="look at Marathon's queue: does an offer fit their constraints, ports and resources?")

    def _short(self, name: str, agent: str, at_least: int | None) -> str:
        """What an app lacks elsewhere; '' when nothing, or when it was deleted meanwhile."""
        reply = self._marathon.reply("GET", f"/v2/apps{quote(name)}")
        if reply.status == 404:
            return ""
        said = reply.json() if reply.ok else None
        if not isinstance(said, dict) or not isinstance(said.get("app"), dict):
            return f"{name}: Marathon answers {reply}"
        tasks = said["app"].get("tasks", [])
        wanted = at_least or int(said["app"].get("instances", 0))
        good = sum(1 for t in tasks if t.get("host") != agent and _in_order(t, bool(said["app"].get("healthChecks"))))
        return "" if good >= wanted else f"{name}: {good} of {wanted}"

    def _mesos(self) -> dict[str, Any]:
        said = []
        for host in self._masters:
            reply = from_host(self._calls, host, "GET", self._server(host), "/state", credentials="mesos")
            state = reply.json() if reply.ok else None
            if isinstance(state, dict) and "slaves" in state:  # a master that does not lead redirects
                self._leader = host
                return state
            said.append(f"{host.name} answers {reply.status or reply}")
        raise StepFailed(f"no Mesos master leads: {'; '.join(said)}", hint="'provision status' says what is wrong")

    def _server(self, host: Host) -> str:
        return f"{host.cluster_address}:{host_variables(self._rendered, host.name).get('mesos_master_port', 5050)}"


def _amount(agent: Mapping[str, Any], kind: str, resource: str) -> float:
    value = (agent.get(kind) or {}).get(resource, 0)
    return float(value) if isinstance(value, int | float) else 0.0


def _in_order(task: Mapping[str, Any], checked: bool) -> bool:
    """Running, and alive by all its health checks where it has some."""
    results = task.get("healthCheckResults") or []
    return task.get("state") == "TASK_RUNNING" and (not checked or (bool(results) and all(r.get("alive") for r in results)))
