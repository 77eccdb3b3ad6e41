"""Who gets which offer: all free resources of an agent to the framework that has the least, one at a time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from mesos_standin.master.state import Agent, Framework, Json, Offer
from mesos_standin.resources import Resources

if TYPE_CHECKING:
    from mesos_standin.master.leader import Leader

_MIN_CPUS, _MIN_MEM = 0.01, 32.0  # --min_allocatable_resources, either is enough


class Allocator:
    """Makes, takes back and ends offers. Nothing runs while nothing changes, except when a refusal ends."""

    def __init__(self, leader: Leader) -> None:
        self._leader = leader
        self._numbers = 0
        self._timer: asyncio.TimerHandle | None = None

    def soon(self, seconds: float = 0.0) -> None:
        """Asks for a round of offers; an earlier request that is due sooner stands."""
        loop = asyncio.get_running_loop()
        if self._timer and not self._timer.cancelled() and self._timer.when() <= loop.time() + seconds:
            return
        if self._timer:
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._round)

    def _round(self) -> None:
        self._timer = None
        self._leader.state.count("allocator/mesos/allocation_runs")
        batches: dict[str, list[Offer]] = {}
        for agent in list(self._leader.state.agents.values()):
            free = agent.free()
            enough = free.scalars.get("cpus", 0) >= _MIN_CPUS or free.scalars.get("mem", 0) >= _MIN_MEM
            framework = self._chosen(agent, free) if agent.active and enough else None
            if framework:
                offer = self._offer(framework, agent, free)
                batches.setdefault(framework.id, []).append(offer)
        for framework_id, offers in batches.items():
            framework = self._leader.state.frameworks[framework_id]
            messages = [self._message(offer) for offer in offers]
            self._leader.frameworks.send(framework, "OFFERS", {"offers": messages})

    def _chosen(self, agent: Agent, free: Resources) -> Framework | None:
        now, next_end = time.monotonic(), float("inf")
        candidates = []
        for framework in self._leader.state.frameworks.values():
            if not framework.connected or framework.suppressed:
                continue
            valid = [row for row in framework.filters.get(agent.id, []) if row[0] > now]
            framework.filters[agent.id] = valid
            refusing = [end for end, refused in valid if refused.contains(free)]
            if refusing:
                next_end = min(next_end, max(refusing))
            else:
                candidates.append(framework)
        if not candidates and next_end < float("inf"):
            self.soon(next_end - now + 0.05)
        return min(candidates, key=self._share, default=None)

    def _share(self, framework: Framework) -> tuple[float, int]:
        total = sum((agent.total for agent in self._leader.state.agents.values()), Resources())
        held = framework.used() + framework.offered()
        shares = [held.scalars.get(name, 0) / value for name, value in total.scalars.items() if value]
        return (max(shares, default=0.0), framework.last_offer)

    def _offer(self, framework: Framework, agent: Agent, free: Resources) -> Offer:
        offer = Offer(f"{self._leader.info['id']}-O{self._numbers}", framework.id, agent.id, free)
        self._numbers += 1
        framework.last_offer = self._numbers
        for offers in (framework.offers, agent.offers, self._leader.state.offers):
            offers[offer.id] = offer
        return offer

    def _message(self, offer: Offer) -> Json:
        agent = self._leader.state.agents[offer.agent_id]
        role = self._leader.state.frameworks[offer.framework_id].role
        host, _, port = agent.address.rpartition(":")
        address = {"hostname": agent.info["hostname"], "ip": host, "port": int(port)}
        message: Json = {
            "id": {"value": offer.id},
            "framework_id": {"value": offer.framework_id},
            "agent_id": {"value": agent.id},
            "hostname": agent.info["hostname"],
            "url": {"scheme": "http", "address": address, "path": "/slave(1)"},
            "resources": offer.resources.v1(role="*", allocation_info={"role": role}),
            "attributes": agent.info.get("attributes", []),
            "allocation_info": {"role": role},
        }
        unavailability = self._leader.maintenance.unavailability(agent.machine)
        return {**message, "unavailability": unavailability} if unavailability else message

    def end(self, offer: Offer) -> None:
        """Forgets an offer: it was used, declined or taken back."""
        state = self._leader.state
        state.offers.pop(offer.id, None)
        if offer.agent_id in state.agents:
            state.agents[offer.agent_id].offers.pop(offer.id, None)
        if offer.framework_id in state.frameworks:
            state.frameworks[offer.framework_id].offers.pop(offer.id, None)
        self.soon()

    def refuse(self, framework: Framework, agent_id: str, resources: Resources, seconds: float) -> None:
        """Keeps these resources of an agent from a framework for a while (`filters.refuse_seconds`)."""
        framework.filters.setdefault(agent_id, []).append((time.monotonic() + seconds, resources))

    def rescind(self, offers: list[Offer]) -> None:
        """Takes offers back and tells their frameworks."""
        for offer in list(offers):
            framework = self._leader.state.frameworks.get(offer.framework_id)
            if framework:
                self._leader.frameworks.send(framework, "RESCIND", {"offer_id": {"value": offer.id}})
            self.end(offer)
