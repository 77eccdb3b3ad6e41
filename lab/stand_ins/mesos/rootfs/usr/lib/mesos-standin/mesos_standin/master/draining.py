"""Draining, deactivating and giving up agents (contract items 19, 20 and 22)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mesos_standin import process
from mesos_standin.master.state import Agent, Json

if TYPE_CHECKING:
    from mesos_standin.master.leader import Leader


class Refused(Exception):
    """An operator's request that Mesos refuses: HTTP status and text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Draining:
    """The states of an agent that the registry keeps: deactivated, DRAINING, DRAINED, gone."""

    def __init__(self, leader: Leader) -> None:
        self._leader = leader

    async def drain(self, agent_id: str, config: Json) -> None:
        """Starts a drain, or looks again whether a running one is complete."""
        drain = {"state": "DRAINING", "config": {"mark_gone": False, **config}}
        await self._set(agent_id, {"deactivated": True, "drain_info": drain}, "Failed to drain the agent")
        agent = self._leader.state.agents.get(agent_id)
        if agent:
            agent.drain_began = time.time()
            self._leader.agents.tell(agent, {"type": "DRAIN", "config": drain["config"]})
            self.check(agent)

    async def deactivate(self, agent_id: str) -> None:
        """Stops offers of the agent; its tasks go on."""
        await self._set(agent_id, {"deactivated": True}, "Failed to deactivate the agent")

    async def reactivate(self, agent_id: str) -> None:
        """Ends a deactivation or a completed drain."""
        entry = self._leader.agents.find(agent_id)
        if not entry or not entry.get("deactivated"):
            raise Refused(400, "Agent is not deactivated")
        if (entry.get("drain_info") or {}).get("state") == "DRAINING":
            raise Refused(400, "Agent is still in the DRAINING state")
        await self._set(agent_id, {"deactivated": False, "drain_info": None}, "Failed to reactivate the agent")

    async def _set(self, agent_id: str, values: Json, purpose: str) -> None:
        if not self._leader.agents.find(agent_id):
            raise Refused(400, "Unknown agent")

        def change(registry: Json) -> None:
            place = "agents" if agent_id in registry["agents"] else "unreachable"
            registry[place][agent_id].update(values)

        await self._leader.write(change, purpose)
        agent = self._leader.state.agents.get(agent_id)
        if agent:
            self._mirror(agent)

    def _mirror(self, agent: Agent) -> None:
        entry = self._leader.agents.find(agent.id) or {}
        agent.deactivated = bool(entry.get("deactivated"))
        agent.drain = entry.get("drain_info")
        if agent.deactivated:
            process.info(f"Deactivating agent {agent.label}")
            self._leader.allocator.rescind(list(agent.offers.values()))
        self._leader.allocator.soon()

    def resume(self, agent: Agent) -> None:
        """Restores what the registry says of an agent that has just registered, and goes on draining it."""
        self._mirror(agent)
        if agent.drain and agent.drain["state"] == "DRAINING":
            agent.drain_began = agent.drain_began or time.time()
            self._leader.agents.tell(agent, {"type": "DRAIN", "config": agent.drain["config"]})
            self.check(agent)

    def check(self, agent: Agent | None) -> None:
        """Completes a drain when the agent has no task left. Nobody looks when a framework merely goes away (item 22)."""
        if agent and agent.connected and not agent.tasks and agent.drain and agent.drain["state"] == "DRAINING":
            process.start(self._drained(agent, agent.drain))

    async def _drained(self, agent: Agent, drain: Json) -> None:
        process.info(f"Transitioning agent {agent.id} to the DRAINED state")
        try:
            await self._set(agent.id, {"drain_info": {**drain, "state": "DRAINED"}}, "Failed to mark the agent drained")
        except Refused:
            return  # it was removed in the meantime
        process.info(f"Agent {agent.id} successfully marked as DRAINED")
        if drain["config"].get("mark_gone"):
            await self.mark_gone(agent.id)

    async def mark_gone(self, agent_id: str) -> None:
        """Gives an agent up for ever; whatever agent is at its address is told to shut down."""
        registry = self._leader.registrar.value
        if agent_id in registry["gone"]:
            return
        entry = self._leader.agents.find(agent_id)
        if not entry:
            raise Refused(404, f"Agent '{agent_id}' not found")
        agent = self._leader.state.agents.get(agent_id)
        if agent:
            pid = agent.pid
            await self._leader.agents.remove(agent, "has been marked gone", "TASK_GONE_BY_OPERATOR", keep="gone")
            self._leader.agents.shut_down(pid, "Agent has been marked gone")
            return

        def give_up(value: Json) -> None:
            for place in ("agents", "unreachable"):
                value[place].pop(agent_id, None)
            value["gone"][agent_id] = {**entry, "timestamp": time.time()}

        await self._leader.write(give_up, "Failed to mark the agent gone")
        self._leader.state.recovered.pop(agent_id, None)
