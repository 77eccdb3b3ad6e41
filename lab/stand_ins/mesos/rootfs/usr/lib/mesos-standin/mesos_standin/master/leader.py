"""The parts of a leading master and what they share."""

from __future__ import annotations

import time
from typing import Any

from mesos_standin import process
from mesos_standin.flags import Flags
from mesos_standin.master.agents import Agents
from mesos_standin.master.allocator import Allocator
from mesos_standin.master.draining import Draining
from mesos_standin.master.frameworks import Frameworks
from mesos_standin.master.maintenance import Maintenance
from mesos_standin.master.registrar import Registrar
from mesos_standin.master.state import ClusterState, Json


class Leader:
    """A master's working state. Every master has one; only the elected one fills it.

    `credentials` maps principals to secrets; `info` is the MasterInfo that ZooKeeper shows.
    """

    def __init__(self, flags: Flags, info: Json, registrar: Registrar, credentials: dict[str, str]) -> None:
        self.flags = flags
        self.info = info
        self.registrar = registrar
        self.credentials = credentials
        self.started = time.time()
        self.elected_at = 0.0
        self.recovered = False
        self.state = ClusterState()
        self.frameworks = Frameworks(self)
        self.agents = Agents(self)
        self.allocator = Allocator(self)
        self.draining = Draining(self)
        self.maintenance = Maintenance(self)

    @property
    def elected(self) -> bool:
        """Whether this master leads; it never stops leading without ending the process."""
        return self.elected_at > 0

    def elect(self) -> None:
        """Takes over: reads the registry, then serves. Ends the process when no quorum can be read in time."""
        process.info("Elected as the leading master!")
        self.elected_at = time.time()
        process.start(self._recover())

    async def _recover(self) -> None:
        shown = self.flags.text("registry_fetch_timeout")
        await self.registrar.recover(self.info, self.flags.seconds("registry_fetch_timeout"), shown)
        self.state.recovered = dict(self.registrar.value["agents"])
        wait = self.flags.text("agent_reregister_timeout")
        process.info(
            f"Recovered {len(self.state.recovered)} agents from the registry ({self.registrar.size()[0]}B); "
            f"allowing {wait} for agents to reregister"
        )
        self.recovered = True
        self.agents.expect_recovered(self.flags.seconds("agent_reregister_timeout"))

    async def write(self, change: Any, purpose: str) -> None:
        """Changes the registry through a quorum; ends the process when there is none."""
        await self.registrar.apply(change, self.flags.seconds("registry_store_timeout"), purpose)
