"""mesos-agent: start, checks in the real order, detection of the master."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Sequence
from typing import Any

from mesos_standin import credentials, process, startup, zookeeper
from mesos_standin.agent import checks
from mesos_standin.agent.agent import Agent
from mesos_standin.agent.docker import Docker
from mesos_standin.agent.routes import Routes
from mesos_standin.flags import FlagError, Flags
from mesos_standin.resources import Resources, parse_attributes, parse_resources

Json = dict[str, Any]


def _master_or_end(flags: Flags) -> zookeeper.ZkUrl | Json:
    """Where the master is: ZooKeeper, or a fixed address as MasterInfo; exits with the recorded texts (item 4)."""
    text = flags.text("master").strip()
    if text.startswith("zk://"):
        try:
            return zookeeper.parse_url(text)
        except zookeeper.UrlError as error:
            process.exit_with(f"Failed to create a master detector: {error}")
    host, _, port = text.rpartition(":")
    try:
        return {"pid": f"master@{socket.gethostbyname(host)}:{int(port)}"} if host else _unparsable(text)
    except (OSError, ValueError):
        return _unparsable(text)


def _unparsable(text: str) -> Json:
    process.exit_with(f"Failed to create a master detector: Failed to parse '{text}'")


def _resources(flags: Flags) -> Resources:
    role = flags.text("default_role")
    try:
        if role.endswith("/"):
            raise FlagError(f"Role '{role}' cannot end with a slash")
        return parse_resources(flags.text("resources"), flags.text("work_dir"))
    except FlagError as error:
        process.exit_with(f"Failed to determine agent resources: {error}")


def _info(flags: Flags, ip: str, port: int) -> Json:
    """AgentInfo without an id. A bad attribute aborts, as in the real agent (item 3)."""
    resources = _resources(flags)
    attributes = parse_attributes(flags.text("attributes"))
    if attributes is None:
        pairs = [pair for pair in flags.text("attributes").split(";") if not pair.partition(":")[2]]
        process.fatal(f"Invalid attribute key:value pair '{pairs[0]}'")
    policy = flags.text("reconfiguration_policy")
    if policy not in ("equal", "additive"):
        process.exit_with(
            f"Unknown option for 'reconfiguration_policy' flag {policy}. Please run the agent with '--help' to see the valid options."
        )
    process.info(f"Agent resources: {resources.text()}")
    process.info(f"Agent attributes: {json.dumps(attributes)}")
    info = {"hostname": startup.hostname(flags, ip), "port": port, "resources": resources.v1()}
    return {**info, "attributes": attributes}


async def run(flags: Flags) -> None:
    """Runs an agent until the process ends."""
    front = startup.Front()
    ip, port = await startup.listen(flags, front)
    checks.check_systemd(flags)
    if not flags.has("launcher"):
        flags.shown["launcher"] = checks.default_launcher()
    checks.check_containerizers(flags)
    master = _master_or_end(flags)
    process.info(f"Mesos agent started on (1)@{ip}:{port}")
    process.info(startup.flags_line(flags))
    credential = credentials.load_one(flags.text("credential")) if flags.has("credential") else None
    principals: dict[str, str] = {}
    if flags.has("http_credentials"):
        principals = credentials.load_many(flags.text("http_credentials"), "http_credentials")
    docker = Docker(checks.docker_command(flags), flags.on("cgroups_enable_cfs"))
    agent = Agent(flags, _info(flags, ip, port), f"{ip}:{port}", credential, docker)
    await agent.recover()
    front.handler = Routes(agent, principals).answer
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, agent.unregister)
    if isinstance(master, zookeeper.ZkUrl):
        session = zookeeper.Session(master, flags.seconds("zk_session_timeout"))
        session.watch(master.path, zookeeper.PREFIX, lambda members: agent.detected(_lowest(members)))
        session.start()
    else:
        agent.detected(master)
    await asyncio.Event().wait()


def _lowest(members: dict[str, bytes]) -> Json | None:
    return json.loads(members[min(members)]) if members else None


def _check_flags(flags: Flags) -> None:
    checks.check_flags(flags)
    if not flags.has("master"):
        process.exit_with("Missing required option `--master` or `--master_detector`")


def main(argv: Sequence[str]) -> None:
    """The program."""
    process.default_signals()
    flags = startup.flags_or_end("agent", argv, _check_flags)
    asyncio.run(run(flags))
