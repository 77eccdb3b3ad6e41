"""Agents as the master sees them: registration, links, pings and removal.

The protocol between this master and the stand-in's agent is private: POST /standin/agent registers and its answer
stays open as the link that carries the master's messages, one JSON object per chunk; POST /standin/agent/message
carries the agent's. Pings and shutdowns go to the agent's address (POST /standin/{ping,shutdown}), as the real ones.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from mesos_standin import credentials, process, web, web_client
from mesos_standin.master.state import Agent, Json, Task

if TYPE_CHECKING:
    from mesos_standin.master.leader import Leader

_REFUSED = web.text(403, "refused authentication")
_NO_ANSWER = web.text(503, "no answer")


class Agents:
    """All agents of the leader."""

    def __init__(self, leader: Leader) -> None:
        self._leader = leader
        self._numbers = 0
        self._observers: dict[str, asyncio.Future[Any]] = {}

    def tell(self, agent: Agent, message: Json) -> None:
        """Sends a message over the agent's link; without a link it is lost, as with the real master."""
        if agent.stream:
            agent.stream.send(json.dumps(message).encode())

    async def register(self, form: Json) -> web.Answer:
        """Registers or re-registers an agent: the link, or a refusal."""
        pid, agent_id = form["pid"], form.get("agent_id", "")
        if not self._authenticated(form):
            return _REFUSED
        if self._leader.flags.on("authenticate_agents") and "principal" not in form:
            process.info(f"Refusing registration of agent at {pid} because it is not authenticated")
            return _NO_ANSWER
        reason = self._unwelcome(agent_id, form)
        if reason:
            process.info(f"Refusing registration of agent at {pid}: {reason}")
            self.shut_down(pid, reason)
            return _NO_ANSWER
        return await self._admit(form, pid, agent_id)

    def _authenticated(self, form: Json) -> bool:
        if "principal" not in form:
            return True
        process.info(f"Authenticating {form['pid']}")
        secret = self._leader.credentials.get(form["principal"])
        if secret is not None and credentials.proof(secret, form["nonce"]) == form["proof"]:
            process.info(f"Successfully authenticated principal '{form['principal']}' at {form['pid']}")
            return True
        process.warning(f"Authentication of {form['pid']} was unsuccessful: Invalid credentials")
        return False

    def _unwelcome(self, agent_id: str, form: Json) -> str:
        machine = {"hostname": form["agent_info"]["hostname"], "ip": form["pid"].partition("@")[2].rpartition(":")[0]}
        if agent_id in self._leader.registrar.value["gone"]:
            return "Agent has been marked gone"
        return "Machine is `DOWN`" if self._leader.maintenance.is_down(machine) else ""

    async def _admit(self, form: Json, pid: str, agent_id: str) -> web.Stream:
        state = self._leader.state
        again = bool(agent_id)
        if not again:
            agent_id = f"{self._leader.info['id']}-S{self._numbers}"
            self._numbers += 1
            await self._replace(pid)
        info = {**form["agent_info"], "id": {"value": agent_id}, "checkpoint": True}
        await self._write_entry(agent_id, info)
        state.recovered.pop(agent_id, None)
        agent = state.agents.get(agent_id) or Agent(agent_id, info, pid, form["version"], time.time())
        if agent.stream:
            agent.stream.close()
        agent.info, agent.pid, agent.version = info, pid, form["version"]
        agent.reregistered = time.time() if again else None
        stream = web.Stream({}, lambda: self._disconnected(agent, stream))
        agent.stream = stream
        state.agents[agent_id] = agent
        state.count("master/slave_reregistrations" if again else "master/slave_registrations")
        self.tell(agent, {"type": "REGISTERED", "agent_id": agent_id, "again": again})
        process.info(f"{'Re-registered' if again else 'Registered'} agent {agent.label} with {agent.total.text()}")
        self._reconcile(agent, form)
        self._leader.draining.resume(agent)
        if agent_id not in self._observers:
            self._observers[agent_id] = process.start(self._observe(agent))
        self._leader.allocator.soon()
        return stream

    async def _write_entry(self, agent_id: str, info: Json) -> None:
        known = self._leader.registrar.value["agents"].get(agent_id)
        if known and known["info"] == info:
            return

        def admit(registry: Json) -> None:
            entry = registry["unreachable"].pop(agent_id, None) or registry["agents"].get(agent_id, {})
            registry["agents"][agent_id] = {**entry, "info": info}

        await self._leader.write(admit, "Failed to admit the agent")

    async def _replace(self, pid: str) -> None:
        """A new agent at the address of a disconnected one takes its place (contract item 19)."""
        for old in list(self._leader.state.agents.values()):
            if old.pid == pid and not old.connected:
                await self.remove(old, "a new agent registered at the same address", "TASK_GONE")

    def _reconcile(self, agent: Agent, form: Json) -> None:
        """Takes over the tasks the agent reports; those it should have and does not know are lost."""
        frameworks = {info["id"]["value"]: info for info in form.get("frameworks", [])}
        reported: dict[Any, Task] = {}
        for row in form.get("tasks", []):
            task = Task(row["info"], row["framework_id"], row["state"], row["statuses"])
            if any(done.id == task.framework_id for done in self._leader.state.completed):
                self.tell(agent, {"type": "SHUTDOWN_FRAMEWORK", "framework_id": task.framework_id})
                continue
            framework = self._leader.frameworks.recover(frameworks[task.framework_id])
            reported[task.key] = framework.tasks[task.id] = agent.tasks[task.key] = task
            was_lost = framework.unreachable.pop(task.id, None)
            if was_lost and task.statuses:
                status = {**task.statuses[-1], "source": "SOURCE_MASTER", "reason": "REASON_AGENT_REREGISTERED"}
                self._leader.frameworks.send(framework, "UPDATE", {"status": {**status, "uuid": ""}})
        for task in [task for key, task in agent.tasks.items() if key not in reported]:
            message = "Reconciliation: task unknown to the agent"
            self._leader.frameworks.lose(task, "TASK_GONE", "REASON_RECONCILIATION", message)

    def _disconnected(self, agent: Agent, stream: web.Stream) -> None:
        if agent.stream is not stream or agent.id not in self._leader.state.agents:
            return
        agent.stream = None
        process.info(f"Agent {agent.label} disconnected")
        self._leader.allocator.rescind(list(agent.offers.values()))
        for task in list(agent.tasks.values()):
            framework = self._leader.state.frameworks.get(task.framework_id)
            if framework and not framework.info.get("checkpoint"):
                message = f"Agent {agent.info['hostname']} disconnected"
                self._leader.frameworks.lose(task, "TASK_LOST", "REASON_AGENT_DISCONNECTED", message)

    async def _observe(self, agent: Agent) -> None:
        """Pings for as long as the agent is listed; any agent at its address answers (contract item 19)."""
        seconds = self._leader.flags.seconds("agent_ping_timeout")
        while agent.id in self._leader.state.agents:
            began = time.monotonic()
            content = {"from": self._leader.info["pid"], "agent_id": agent.id, "connected": agent.connected}
            answered = await self._ask(agent.address, "/standin/ping", content, seconds)
            await asyncio.sleep(max(0.0, seconds - (time.monotonic() - began)))
            agent.missed_pings = 0 if answered else agent.missed_pings + 1
            if agent.missed_pings >= self._leader.flags.number("max_agent_ping_timeouts"):
                await self.mark_unreachable(agent, "health check timed out")

    async def _ask(self, address: str, path: str, content: Json, seconds: float) -> bool:
        try:
            return (await web_client.post(address, path, content, seconds)).status == 200
        except web_client.Unreachable:
            return False

    async def mark_unreachable(self, agent: Agent, why: str) -> None:
        """Removes an agent that does not answer; it may come back."""
        process.info(f"Marking agent {agent.id} ({agent.info['hostname']}) unreachable: {why}")
        for metric in ("slave_unreachable_scheduled", "slave_unreachable_completed", "slave_removals/reason_unhealthy"):
            self._leader.state.count(f"master/{metric}")
        await self.remove(agent, f"is unreachable: {why}", "TASK_UNREACHABLE", keep="unreachable")

    async def remove(self, agent: Agent, why: str, task_state: str, keep: str = "") -> None:
        """Takes an agent off the list; `keep` names the registry's list that remembers it (unreachable, gone)."""

        def forget(registry: Json) -> None:
            entry = registry["agents"].pop(agent.id, {"info": agent.info})
            registry["unreachable"].pop(agent.id, None)
            if keep:
                registry[keep][agent.id] = {**entry, "timestamp": time.time()}

        await self._leader.write(forget, "Failed to remove the agent")
        if self._leader.state.agents.pop(agent.id, None) is None:
            return
        process.info(f"Removed agent {agent.label}: {why}")
        self._leader.state.count("master/slave_removals")
        observer = self._observers.pop(agent.id, None)
        if observer and observer is not asyncio.current_task():
            observer.cancel()
        self._leader.allocator.rescind(list(agent.offers.values()))
        for task in list(agent.tasks.values()):
            message = f"Agent {agent.info['hostname']} {why}"
            self._leader.frameworks.lose(task, task_state, "REASON_AGENT_REMOVED", message)
        for framework in self._leader.state.frameworks.values():
            self._leader.frameworks.send(framework, "FAILURE", {"agent_id": {"value": agent.id}})
        stream, agent.stream = agent.stream, None
        if stream:
            stream.close()

    def shut_down(self, pid: str, reason: str) -> None:
        """Tells whatever agent is at this address to end, as the real master does (contract items 19, 20, 23)."""
        content = {"from": self._leader.info["pid"], "message": reason}
        process.start(self._ask(pid.partition("@")[2], "/standin/shutdown", content, 5.0))

    async def message(self, form: Json) -> web.Response:
        """A message from an agent: a status update, or that it unregisters or has drained."""
        agent = self._leader.state.agents.get(form["agent_id"])
        if agent is None:
            return web.text(404, "unknown agent")
        if form["type"] == "UPDATE":
            self._leader.frameworks.update(agent, form)
        elif form["type"] == "UNREGISTER":
            self._leader.state.count("master/slave_removals/reason_unregistered")
            await self.remove(agent, "the agent unregistered", "TASK_GONE")
        return web.Response()

    def expect_recovered(self, seconds: float) -> None:
        """Agents of the registry that do not come back in this time become unreachable."""
        asyncio.get_running_loop().call_later(seconds, lambda: process.start(self._give_up_recovered()))

    async def _give_up_recovered(self) -> None:
        for agent_id, entry in list(self._leader.state.recovered.items()):
            agent = Agent(agent_id, entry["info"], f"slave(1)@:{entry['info']['port']}", "", 0.0)
            self._leader.state.agents[agent_id] = agent
            self._leader.state.recovered.pop(agent_id, None)
            await self.mark_unreachable(agent, "did not re-register in time after a failover")

    def find(self, agent_id: str) -> Json | None:
        """An agent's registry entry: registered, recovered or unreachable."""
        registry = self._leader.registrar.value
        entry: Json | None = registry["agents"].get(agent_id) or registry["unreachable"].get(agent_id)
        return entry
