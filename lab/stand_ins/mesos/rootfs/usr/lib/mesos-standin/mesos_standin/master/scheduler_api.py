"""POST /api/v1/scheduler: the v1 scheduler API (JSON only) of frameworks such as Marathon and Chronos."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mesos_standin import process, web
from mesos_standin.flags import FlagError
from mesos_standin.master.draining import Refused
from mesos_standin.master.operator_api import parse_call
from mesos_standin.master.state import Agent, Framework, Json, Offer, Task
from mesos_standin.resources import Resources, from_v1

if TYPE_CHECKING:
    from mesos_standin.master.leader import Leader

_DEFAULT_REFUSAL_SECONDS = 5.0
_ACCEPTED = web.Response(202)


class Scheduler:
    """Answers the calls of frameworks."""

    def __init__(self, leader: Leader) -> None:
        self._leader = leader
        self._calls: dict[str, Callable[[Framework, Json], None]] = {
            "ACCEPT": self._accept,
            "DECLINE": self._decline,
            "REVIVE": self._revive,
            "SUPPRESS": self._suppress,
            "ACKNOWLEDGE": lambda framework, call: leader.frameworks.acknowledge(call, framework),
            "RECONCILE": self._reconcile,
            "KILL": self._kill,
            "SHUTDOWN": self._shutdown,
            "MESSAGE": lambda framework, _: process.info(f"Dropping a message of framework {framework.label}"),
            "REQUEST": lambda framework, _: process.info(f"Ignoring a request of framework {framework.label}"),
            "TEARDOWN": lambda framework, _: leader.frameworks.remove(framework),
        }

    def answer(self, request: web.Request, principal: str | None) -> web.Answer:
        """Answers one call; `principal` is the authenticated one, None when nobody had to authenticate."""
        call = parse_call(request, ["SUBSCRIBE", *self._calls], "scheduler")
        kind = call["type"]
        if kind == "SUBSCRIBE":
            return self._subscribe(call, principal)
        framework = self._subscribed(call, request.headers.get("mesos-stream-id"))
        content = call.get(kind.lower())
        if content is None and kind in ("ACCEPT", "DECLINE", "ACKNOWLEDGE", "RECONCILE", "KILL", "SHUTDOWN"):
            raise Refused(400, f"Failed to validate scheduler::Call: Expecting '{kind.lower()}' to be present")
        process.info(f"Processing {kind} call for framework {framework.label}")
        try:
            self._calls[kind](framework, content or {})
        except (KeyError, TypeError, ValueError, FlagError) as error:
            raise Refused(400, f"Failed to convert JSON into Call protobuf: {error!r}") from None
        return _ACCEPTED

    def _subscribe(self, call: Json, principal: str | None) -> web.Answer:
        info = call.get("subscribe", {}).get("framework_info")
        if not info:
            raise Refused(400, "Failed to validate scheduler::Call: Expecting 'subscribe' to be present")
        for field in ("user", "name"):
            if field not in info:
                raise Refused(400, f"Failed to convert JSON into Call protobuf: Missing required fields: {field}")
        if call.get("framework_id") and call["framework_id"] != info.get("id"):
            raise Refused(400, "Failed to validate scheduler::Call: 'framework_id' differs from 'subscribe.framework_info.id'")
        claimed = info.get("principal")
        if principal is not None and claimed not in (None, principal):
            message = f"Authenticated principal '{principal}' does not match principal '{claimed}' set in `FrameworkInfo`"
            raise Refused(403, message)
        if principal is not None:
            info = {**info, "principal": principal}
        suppressed = call["subscribe"].get("suppressed_roles", [])
        return self._leader.frameworks.subscribe({**info, "suppressed_roles": suppressed} if suppressed else info)

    def _subscribed(self, call: Json, stream_id: str | None) -> Framework:
        framework_id = (call.get("framework_id") or {}).get("value")
        if not framework_id:
            raise Refused(400, "Failed to validate scheduler::Call: Expecting 'framework_id' to be present")
        framework = self._leader.state.frameworks.get(framework_id)
        if framework is None:
            raise Refused(400, "Framework cannot be found")
        if not framework.connected:
            raise Refused(403, "Framework is not subscribed")
        if not stream_id:
            raise Refused(400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header")
        if stream_id != framework.stream_id:
            message = f"The stream ID '{stream_id}' included in this request didn't match the stream ID currently"
            raise Refused(400, f"{message} associated with framework ID '{framework_id}'")
        return framework

    def _accept(self, framework: Framework, call: Json) -> None:
        tasks = [(op["type"], info) for op in call.get("operations", []) for info in _task_infos(op)]
        offers = self._taken(framework, call["offer_ids"])
        agent = self._leader.state.agents.get(offers[0].agent_id) if offers else None
        if not offers or agent is None or len({offer.agent_id for offer in offers}) > 1:
            for _, info in tasks:
                message = f"Task launched with invalid offers: Offer {_ids(call['offer_ids'])} is no longer valid"
                self._leader.frameworks.refuse(framework, info, "TASK_DROPPED", "REASON_INVALID_OFFERS", message)
            return
        left = sum((offer.resources for offer in offers), Resources())
        for kind, info in tasks:
            left = self._launch(framework, agent, info, left, kind)
        self._leader.allocator.refuse(framework, agent.id, left, _refusal(call))

    def _taken(self, framework: Framework, offer_ids: list[Json]) -> list[Offer]:
        offers = [framework.offers.get(offer_id["value"]) for offer_id in offer_ids]
        valid = [offer for offer in offers if offer]
        for offer in valid:
            self._leader.allocator.end(offer)
        return valid if len(valid) == len(offers) else []

    def _launch(self, framework: Framework, agent: Agent, info: Json, left: Resources, kind: str) -> Resources:
        wanted = from_v1(info.get("resources", []))
        problem = self._problem(framework, info, kind)
        if not problem and not left.contains(wanted):
            problem = f"Task uses more resources {wanted.text()} than available {left.text()}"
        if problem:
            self._leader.frameworks.refuse(framework, info, "TASK_ERROR", "REASON_TASK_INVALID", problem)
            return left
        task = Task({**info, "agent_id": {"value": agent.id}}, framework.id)
        framework.tasks[task.id] = agent.tasks[task.key] = task
        process.info(f"Launching task {task.id} of framework {framework.label} on agent {agent.label}")
        self._leader.agents.tell(agent, {"type": "RUN_TASK", "framework": framework.info, "task": task.info})
        return left - wanted

    def _problem(self, framework: Framework, info: Json, kind: str) -> str:
        task_id = info.get("task_id", {}).get("value", "")
        if not task_id or "/" in task_id or task_id in (".", ".."):
            return f"Task ID '{task_id}' is invalid"
        if task_id in framework.tasks:
            return f"Task has duplicate ID: {task_id}"
        if kind != "LAUNCH" or "executor" in info:
            return "The stand-in runs command and Docker tasks only, no custom executors and no task groups"
        if not info.get("command"):
            return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
        container = info.get("container", {})
        if container.get("type") == "MESOS" and container.get("mesos", {}).get("image"):
            return "The stand-in runs images with the Docker containerizer only"
        if container.get("type") != "DOCKER" and "value" not in info["command"]:
            return "Task's CommandInfo has no value"
        return ""

    def _decline(self, framework: Framework, call: Json) -> None:
        for offer_id in call["offer_ids"]:
            offer = framework.offers.get(offer_id["value"])
            if offer:
                self._leader.allocator.refuse(framework, offer.agent_id, offer.resources, _refusal(call))
                self._leader.allocator.end(offer)

    def _revive(self, framework: Framework, _call: Json) -> None:
        framework.suppressed = False
        framework.filters.clear()
        self._leader.allocator.soon()

    def _suppress(self, framework: Framework, _call: Json) -> None:
        framework.suppressed = True

    def _kill(self, framework: Framework, call: Json) -> None:
        task = framework.tasks.get(call["task_id"]["value"])
        if task is None:
            self._reconcile(framework, {"tasks": [{"task_id": call["task_id"], "agent_id": call.get("agent_id")}]})
            return
        agent = self._leader.state.agents.get(task.agent_id)
        message = {"type": "KILL", "framework_id": framework.id, "task_id": task.id}
        if agent:
            self._leader.agents.tell(agent, {**message, "kill_policy": call.get("kill_policy")})

    def _shutdown(self, framework: Framework, call: Json) -> None:
        self._kill(framework, {"task_id": call["executor_id"], "agent_id": call["agent_id"]})

    def _reconcile(self, framework: Framework, call: Json) -> None:
        rows = call.get("tasks", [])
        if not rows:
            for task in [*framework.tasks.values(), *framework.unreachable.values()]:
                self._reconciled(framework, task.id, task.agent_id, task.state)
        for row in rows:
            task_id, agent_id = row["task_id"]["value"], (row.get("agent_id") or {}).get("value", "")
            known = framework.tasks.get(task_id) or framework.unreachable.get(task_id)
            if known:
                self._reconciled(framework, task_id, known.agent_id, known.state)
            elif agent_id not in self._leader.state.recovered:
                self._reconciled(framework, task_id, agent_id, self._unknown(framework, agent_id))

    def _unknown(self, framework: Framework, agent_id: str) -> str:
        if not framework.has("PARTITION_AWARE"):
            return "TASK_LOST"
        registry: dict[str, Any] = self._leader.registrar.value
        if agent_id in registry["unreachable"]:
            return "TASK_UNREACHABLE"
        if agent_id in registry["gone"]:
            return "TASK_GONE_BY_OPERATOR"
        return "TASK_GONE" if agent_id in self._leader.state.agents else "TASK_UNKNOWN"

    def _reconciled(self, framework: Framework, task_id: str, agent_id: str, state: str) -> None:
        status: Json = {"task_id": {"value": task_id}, "state": state, "source": "SOURCE_MASTER"}
        status.update({"reason": "REASON_RECONCILIATION", "timestamp": time.time()})
        status["message"] = "Reconciliation: Latest task state"
        if agent_id:
            status["agent_id"] = {"value": agent_id}
        self._leader.frameworks.send(framework, "UPDATE", {"status": status})


def _task_infos(operation: Json) -> list[Json]:
    if operation["type"] == "LAUNCH":
        infos: list[Json] = operation["launch"]["task_infos"]
        return infos
    if operation["type"] == "LAUNCH_GROUP":
        group: list[Json] = operation["launch_group"]["task_group"]["tasks"]
        return group
    raise ValueError(f"the stand-in knows no offer operation {operation['type']}")


def _ids(offer_ids: list[Json]) -> str:
    return ", ".join(offer_id["value"] for offer_id in offer_ids)


def _refusal(call: Json) -> float:
    return float((call.get("filters") or {}).get("refuse_seconds", _DEFAULT_REFUSAL_SECONDS))
