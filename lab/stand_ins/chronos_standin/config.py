"""Flags of the stand-in: the recorded list of the real program, and what this one makes of it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chronos_standin.scheduler import Settings
from mesos_framework.doors import Doors, doors, with_defaults
from mesos_framework.flags import Flag, FlagError, Value, expand, load, parse
from mesos_framework.mesos_client import Credential
from mesos_framework.urls import UrlError, ZkUrl, parse_zk

#: Real flags that would change what a client sees and that this stand-in cannot honour.
UNSUPPORTED = ("cassandra_contact_points",)


def flags() -> tuple[Flag, ...]:
    """The flags recorded from 3.0.2."""
    return load(Path(__file__).with_name("flags.json"))


@dataclass(frozen=True)
class Config:
    """A parsed command line; `values` holds every flag that has a value."""

    values: Mapping[str, Value]
    zk: ZkUrl
    hostname: str
    credential: Credential
    doors: Doors

    @property
    def own(self) -> str:
        """This member as the others reach it: by HTTP, whether it listens there or not."""
        return f"{self.hostname}:{self.values['http_port']}"

    @property
    def url(self) -> str:
        """Of its own pages: by HTTPS where there is a key store."""
        return f"https://{self.hostname}:{self.values['https_port']}" if self.doors.store else f"http://{self.own}"

    def settings(self) -> Settings:
        """The flags that the scheduler follows."""
        return Settings(
            retry_seconds=float(self.values["failure_retry"]) / 1000,
            decline_seconds=float(self.values.get("decline_offer_duration", 5000)) / 1000,
            revive_interval=float(self.values["min_revive_offers_interval"]) / 1000,
            reconcile_interval=float(self.values["reconciliation_interval"]),
            disable_after=int(self.values["disable_after_failures"]),
        )

    def job_defaults(self) -> dict[str, Any]:
        """Sizes of a job that names none."""
        return {name: float(self.values[f"mesos_task_{flag}"]) for name, flag in
                (("cpus", "cpu"), ("mem", "mem"), ("disk", "disk"))}

    def framework_info(self, framework_id: str) -> dict[str, Any]:
        """What is registered with Mesos."""
        info: dict[str, Any] = {
            "name": self.values["mesos_framework_name"], "user": self.values["user"], "checkpoint": True,
            "failover_timeout": float(self.values["failover_timeout"]), "hostname": self.hostname,
            "webui_url": self.values.get("webui_url", self.url), "roles": [self.values["mesos_role"]],
            "capabilities": [{"type": "MULTI_ROLE"}],
        }
        if "mesos_authentication_principal" in self.values:
            info["principal"] = self.values["mesos_authentication_principal"]
        return {**info, **({"id": {"value": framework_id}} if framework_id else {})}


def configure(arguments: Sequence[str]) -> Config:
    """The configuration of a start; raises FlagError with the text that the program prints."""
    values = with_defaults(parse(flags(), expand(arguments)), os.environ)
    for name in UNSUPPORTED:
        if values.get(name):
            raise FlagError(f"The stand-in of Chronos has no '{name}'")
    if values["master"] == "local":
        raise FlagError("The stand-in of Chronos runs no master of its own: set 'master'")
    # zk://.../ around the list is accepted and taken off.
    hosts = str(values["zk_hosts"]).removeprefix("zk://").split("/")[0]
    try:
        parse_zk(f"zk://{hosts}/")
        if str(values["master"]).startswith("zk://"):
            parse_zk(str(values["master"]))
    except UrlError as error:
        raise FlagError(f"Bad arguments for option: {error}") from error
    zk = ZkUrl(hosts, str(values["zk_path"]).rstrip("/"), str(values.get("zk_auth", "")))
    return Config(values, zk, str(values.get("hostname") or socket.gethostname()), _credential(values), doors(values))


def _credential(values: Mapping[str, Value]) -> Credential:
    """The secret file is taken byte for byte: a trailing newline makes it another secret."""
    if "mesos_authentication_principal" not in values or "mesos_authentication_secret_file" not in values:
        return Credential()
    try:
        secret = Path(str(values["mesos_authentication_secret_file"])).read_text()
    except OSError as error:
        raise FlagError(f"Error reading authentication secret from file [{error.filename}]: {error.strerror}") from error
    return Credential(str(values["mesos_authentication_principal"]), secret)
