"""The agent itself: recovery, what the master's messages do, and its planned ends."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from mesos_standin import process, startup
from mesos_standin.agent.checkpoint import Checkpoint, Incompatible, advice, check_compatible
from mesos_standin.agent.docker import Docker, DockerFailed
from mesos_standin.agent.link import Link
from mesos_standin.agent.tasks import Tasks
from mesos_standin.flags import Flags

Json = dict[str, Any]


class Agent:
    """One agent. `info` is its AgentInfo without an id; `address` is ip:port."""

    def __init__(self, flags: Flags, info: Json, address: str, credential: Json | None, docker: Docker) -> None:
        self.flags = flags
        self.info = info
        self.pid = f"slave(1)@{address}"
        self.started = time.time()
        self.recovery_seconds = 0.0
        self.drain_began = 0.0
        self.master_hostname = ""
        self._checkpoint = Checkpoint(Path(flags.text("work_dir")))
        self._ending = False
        self.link = Link(credential, self._form, self._receive)
        self.tasks = Tasks(flags, self._checkpoint, docker, address.rpartition(":")[0], self._send)

    def full_info(self) -> Json:
        """AgentInfo with the id."""
        return {**self.info, "id": {"value": self.tasks.agent_id}}

    async def recover(self) -> None:
        """Takes up id and tasks of the last run; ends the process when the configuration does not fit (item 16)."""
        work_dir = self._checkpoint.work_dir
        process.info(f"Recovering state from '{work_dir}/meta'")
        try:
            old = self._checkpoint.recover()
            if old:
                check_compatible(old, self.info, self.flags.text("reconfiguration_policy"))
                self.tasks.agent_id = old["id"]["value"]
            await self.tasks.recover()
        except Incompatible as error:
            process.exit_with(f"Failed to perform recovery: {error}{advice(work_dir)}")
        except DockerFailed as error:
            process.exit_with(f"Failed to perform recovery: Collect failed: {error}{advice(work_dir)}")
        self.recovery_seconds = time.time() - self.started
        process.info("Finished recovery")
        if self.flags.text("recover") == "cleanup":
            await self._end("Agent terminating")

    def detected(self, master: Json | None) -> None:
        """Follows the leading master (MasterInfo, None when nobody leads)."""
        self.link.detected(master["pid"] if master else None)
        if master:
            process.start(self._name_master(master["pid"]))

    async def _name_master(self, pid: str) -> None:
        ip = pid.partition("@")[2].rpartition(":")[0]
        self.master_hostname = await asyncio.to_thread(startup.reverse_name, ip)

    def _form(self) -> Json:
        form: Json = {"agent_info": self.info, "pid": self.pid, "version": process.VERSION, **self.tasks.report()}
        return {**form, "agent_id": self.tasks.agent_id} if self.tasks.agent_id else form

    def _send(self, message: Json) -> None:
        self.link.send({**message, "agent_id": self.tasks.agent_id})

    def _receive(self, message: Json) -> None:
        tasks, kind = self.tasks, message["type"]
        if kind == "REGISTERED":
            self._registered(message)
        elif kind == "RUN_TASK":
            tasks.launch(message["framework"], message["task"])
        elif kind == "KILL":
            tasks.kill(message["framework_id"], message["task_id"], message["kill_policy"])
        elif kind == "ACKNOWLEDGE":
            tasks.acknowledge(message["framework_id"], message["task_id"], message["uuid"])
        elif kind == "FRAMEWORK_SUBSCRIBED":
            tasks.framework_subscribed(message["framework"])
        elif kind == "SHUTDOWN_FRAMEWORK":
            tasks.shut_down_framework(message["framework_id"])
        elif kind == "DRAIN":
            self.drain_began = self.drain_began if tasks.drain_config else time.time()
            tasks.drain(message["config"])

    def _registered(self, message: Json) -> None:
        master = self.link.master
        if message["again"]:
            process.info(f"Re-registered with master {master}")
        else:
            process.info(f"Registered with master {master}; given agent ID {message['agent_id']}")
            self.tasks.agent_id = message["agent_id"]
            self._checkpoint.remember({**self.full_info(), "checkpoint": True})
        for executor in self.tasks.executors.values():
            executor.updates.resend()

    def asked_to_shut_down(self, master: str, reason: str) -> None:
        """The master sends this agent away: marked gone, machine down."""
        process.info(f"Agent asked to shut down by {master} because '{reason}'")
        process.start(self._end("Agent terminating"))

    def unregister(self) -> None:
        """SIGUSR1: leaves the cluster for good (item 18)."""
        process.info("Received SIGUSR1 signal from user root; unregistering and shutting down")

        async def leave() -> None:
            await self.link.unregister(self.tasks.agent_id)
            await self._end("Agent terminating")

        process.start(leave())

    async def _end(self, message: str) -> None:
        if self._ending:
            return
        self._ending = True
        process.info(message)
        await self.tasks.end_all()
        process.end(0)
