"""Frameworks as the master sees them: subscription, events, the life of their tasks, failover and removal."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import TYPE_CHECKING

from mesos_standin import process, web
from mesos_standin.master.state import Agent, Framework, Json, Task, master_status

if TYPE_CHECKING:
    from mesos_standin.master.leader import Leader

HEARTBEAT_SECONDS = 15.0


class Frameworks:
    """All frameworks of the leader."""

    def __init__(self, leader: Leader) -> None:
        self._leader = leader
        self._numbers = 0
        self._failovers: dict[str, asyncio.TimerHandle] = {}

    def send(self, framework: Framework, kind: str, content: Json | None = None) -> None:
        """Sends an event to a subscribed framework (RecordIO); others miss it, as with the real master."""
        if framework.stream:
            _send(framework.stream, kind, content)

    def subscribe(self, info: Json) -> web.Stream:
        """Subscribes a new, returning or failed-over framework and returns its event stream."""
        stream_id = str(uuid.uuid4())
        refusal = self._refusal(info)
        if refusal:
            stream = web.Stream({"Mesos-Stream-Id": stream_id}, lambda: None)
            _send(stream, "ERROR", {"message": refusal})
            stream.close()
            return stream
        framework = self._known(info)
        if framework.stream:
            process.info(f"Framework {framework.label} failed over")
            self.send(framework, "ERROR", {"message": "Framework failed over"})
            framework.stream.close()
        stream = web.Stream({"Mesos-Stream-Id": stream_id}, lambda: self._closed(framework, stream))
        framework.stream, framework.stream_id = stream, stream_id
        framework.suppressed, framework.recovered = bool(info.get("suppressed_roles")), False
        if framework.id in self._failovers:
            self._failovers.pop(framework.id).cancel()
        self._leader.allocator.rescind(list(framework.offers.values()))
        subscribed = {"framework_id": {"value": framework.id}, "heartbeat_interval_seconds": HEARTBEAT_SECONDS}
        self.send(framework, "SUBSCRIBED", {**subscribed, "master_info": self._leader.info})
        self._beat(framework, stream)
        for agent in self._leader.state.agents.values():
            self._leader.agents.tell(agent, {"type": "FRAMEWORK_SUBSCRIBED", "framework": framework.info})
        process.info(f"Subscribed framework {framework.label}")
        self._leader.allocator.soon()
        return stream

    def _refusal(self, info: Json) -> str:
        """Why this framework is sent away, "" when it is not (src/master/validation.cpp, validateUpdate: the principal)."""
        state = self._leader.state
        framework_id = info.get("id", {}).get("value", "")
        if any(framework_id == gone.id for gone in state.completed):
            return "Framework has been removed"
        known = state.frameworks.get(framework_id)
        if known and known.info.get("principal") != info.get("principal"):
            return "Changing framework's principal is not allowed."
        return ""

    def _known(self, info: Json) -> Framework:
        state = self._leader.state
        framework_id = info.get("id", {}).get("value", "")
        if framework_id in state.frameworks:
            framework = state.frameworks[framework_id]
            framework.info, framework.reregistered = info, time.time()
            return framework
        reregistered = time.time() if framework_id else None
        if not framework_id:
            framework_id = f"{self._leader.info['id']}-{self._numbers:04d}"
            self._numbers += 1
        framework = Framework(framework_id, {**info, "id": {"value": framework_id}}, reregistered=reregistered)
        state.frameworks[framework_id] = framework
        return framework

    def recover(self, info: Json) -> Framework:
        """The framework of tasks that an agent reports, known or not."""
        framework_id = info["id"]["value"]
        if framework_id not in self._leader.state.frameworks:
            process.info(f"Recovered framework {framework_id} from the tasks of an agent")
            self._leader.state.frameworks[framework_id] = Framework(framework_id, info, recovered=True)
        return self._leader.state.frameworks[framework_id]

    def _beat(self, framework: Framework, stream: web.Stream) -> None:
        if framework.stream is stream:
            self.send(framework, "HEARTBEAT")
            asyncio.get_running_loop().call_later(HEARTBEAT_SECONDS, self._beat, framework, stream)

    def _closed(self, framework: Framework, stream: web.Stream) -> None:
        if framework.stream is not stream:
            return
        framework.stream = None
        seconds = float(framework.info.get("failover_timeout", 0.0))
        process.info(f"Framework {framework.label} disconnected; giving it {seconds:g}secs to failover")
        for offer in list(framework.offers.values()):
            self._leader.allocator.end(offer)
        timer = asyncio.get_running_loop().call_later(min(seconds, 1e8), self._failover_ended, framework)
        self._failovers[framework.id] = timer

    def _failover_ended(self, framework: Framework) -> None:
        if not framework.connected:
            process.info(f"Framework failover timeout, removing framework {framework.label}")
            self.remove(framework)

    def remove(self, framework: Framework) -> None:
        """Ends a framework: its tasks on every agent are killed and it becomes a completed one."""
        process.info(f"Removing framework {framework.label}")
        state = self._leader.state
        for offer in list(framework.offers.values()):
            self._leader.allocator.end(offer)
        for task in list(framework.tasks.values()):
            if not task.ended:
                task.state = "TASK_KILLED"
                task.statuses.append({"state": "TASK_KILLED", "timestamp": time.time()})
            self.forget(task)
        for agent in state.agents.values():
            self._leader.agents.tell(agent, {"type": "SHUTDOWN_FRAMEWORK", "framework_id": framework.id})
        framework.unregistered = time.time()
        state.frameworks.pop(framework.id, None)
        state.completed.append(framework)
        if framework.stream:
            framework.stream.close()
            framework.stream = None
        self._leader.allocator.soon()

    def forget(self, task: Task) -> None:
        """Moves a task from the living to its framework's completed ones."""
        framework = self._leader.state.frameworks.get(task.framework_id)
        agent = self._leader.state.agents.get(task.agent_id)
        if agent:
            agent.tasks.pop(task.key, None)
        if framework and framework.tasks.pop(task.id, None):
            framework.completed.append(task)

    def update(self, agent: Agent, message: Json) -> None:
        """A status update from an agent: recorded, then forwarded to the framework, which must acknowledge it."""
        status, framework_id = message["status"], message["framework_id"]
        task_id, state = status["task_id"]["value"], status["state"]
        process.info(f"Status update {state} for task {task_id} of framework {framework_id} from agent {agent.label}")
        self._leader.state.count("master/messages_status_update")
        framework = self._leader.state.frameworks.get(framework_id)
        task = self._leader.state.task(framework_id, task_id)
        if task and not (task.ended and task.status_update_uuid == status["uuid"]):
            self._record(task, status, message.get("latest_state", state))
        if framework:
            self.send(framework, "UPDATE", {"status": status})

    def _record(self, task: Task, status: Json, latest: str) -> None:
        ended = task.ended
        task.state = task.state if ended else latest
        task.status_update_state, task.status_update_uuid = status["state"], status["uuid"]
        if not any(known.get("uuid") == status["uuid"] for known in task.statuses):
            task.statuses.append(status)
        if task.ended and not ended:
            self._leader.state.count(f"master/tasks_{task.state[5:].lower()}")
            self._leader.allocator.soon()

    def acknowledge(self, call: Json, framework: Framework) -> None:
        """Passes an acknowledgement on; an ended task whose last update is acknowledged is done with."""
        task = framework.tasks.get(call["task_id"]["value"])
        agent = self._leader.state.agents.get(call["agent_id"]["value"])
        if agent:
            content = {"task_id": call["task_id"]["value"], "uuid": call["uuid"], "framework_id": framework.id}
            self._leader.agents.tell(agent, {"type": "ACKNOWLEDGE", **content})
        if task and task.ended and task.status_update_uuid == call["uuid"]:
            self.forget(task)
            if agent:
                self._leader.draining.check(agent)

    def lose(self, task: Task, state: str, reason: str, message: str) -> None:
        """Ends a task by the master's own update (its agent is gone, or never had it)."""
        framework = self._leader.state.frameworks.get(task.framework_id)
        if framework and not task.ended:
            if not framework.has("PARTITION_AWARE"):
                state = "TASK_LOST"
            status = master_status(task.id, task.agent_id, state, reason, message)
            task.state = state
            task.statuses.append(status)
            self._leader.state.count(f"master/tasks_{state[5:].lower()}")
            self.send(framework, "UPDATE", {"status": status})
        self.forget(task)
        if framework and state == "TASK_UNREACHABLE":
            framework.unreachable[task.id] = task
            if framework.completed and framework.completed[-1] is task:
                framework.completed.pop()

    def refuse(self, framework: Framework, info: Json, state: str, reason: str, message: str) -> None:
        """Answers a launch that cannot be: the task never existed on an agent."""
        if state == "TASK_DROPPED" and not framework.has("PARTITION_AWARE"):
            state = "TASK_LOST"
        agent_id = info.get("agent_id", {}).get("value", "")
        status = master_status(info.get("task_id", {}).get("value", ""), agent_id, state, reason, message)
        self.send(framework, "UPDATE", {"status": status})


def _send(stream: web.Stream, kind: str, content: Json | None = None) -> None:
    event: Json = {"type": kind}
    if content is not None:
        event[kind.lower()] = content
    body = json.dumps(event, separators=(",", ":")).encode()
    stream.send(b"%d\n%s" % (len(body), body))
