"""Flags of the stand-in: the recorded list of the real program, and what this one makes of it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marathon_standin import VERSION
from marathon_standin.scheduler import Settings
from mesos_framework.doors import Doors, doors, with_defaults
from mesos_framework.flags import Flag, FlagError, Value, expand, from_environment, load, parse
from mesos_framework.mesos_client import Credential
from mesos_framework.urls import UrlError, ZkUrl, parse_zk

#: Real flags that would change what a client sees and that this stand-in cannot honour.
UNSUPPORTED = ("plugin_conf",)


def flags() -> tuple[Flag, ...]:
    """The 138 flags recorded from releases/1.11."""
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
        """This member as the others reach it: by HTTPS only where there is no HTTP."""
        return f"{self.hostname}:{self.values['https_port' if self.values['disable_http'] else 'http_port']}"

    @property
    def trust(self) -> ssl.SSLContext | None:
        """With what the leader is asked by HTTPS."""
        if not (self.values["disable_http"] and self.doors.store):
            return None
        return self.doors.store.client(any_name=bool(self.values["leader_proxy_ssl_ignore_hostname"]))

    @property
    def url(self) -> str:
        """Of its own pages: by HTTPS where there is a key store."""
        scheme = "https" if self.doors.store else "http"
        return f"{scheme}://{self.hostname}:{self.values[f'{scheme}_port']}"

    def lines(self) -> str:
        """All flags as the program writes them into its log: only URLs of ZooKeeper without their passwords."""
        defaults = {flag.name: flag.default for flag in flags()}
        rows = (f" - {name}{' (*)' if value != defaults.get(name) else ''} = {_redacted(str(value))}"
                for name, value in self.values.items())
        return "\n".join(("Marathon configuration: (* suffix means value was explicitly supplied, and not defaulted)", *rows))

    def settings(self) -> Settings:
        """The flags that the scheduler follows, in seconds."""
        def seconds(name: str) -> float:
            return float(self.values[name]) / 1000

        return Settings(
            decline_seconds=seconds("decline_offer_duration"), revive_interval=seconds("min_revive_offers_interval"),
            launch_timeout=seconds("task_launch_timeout"), kill_retry=seconds("kill_retry_timeout"),
            reconcile_first=seconds("reconciliation_initial_delay"),
            reconcile_interval=seconds("reconciliation_interval"), per_offer=int(self.values["max_instances_per_offer"]),
        )

    def framework_info(self, framework_id: str) -> dict[str, Any]:
        """What is registered with Mesos."""
        info: dict[str, Any] = {
            "name": self.values["framework_name"], "user": self.values.get("mesos_user", "root"),
            "failover_timeout": float(self.values["failover_timeout"]), "checkpoint": self.values["checkpoint"],
            "hostname": self.hostname, "webui_url": self.values.get("webui_url", self.url),
            "roles": [self.values["mesos_role"]],
            "capabilities": [{"type": t} for t in ("PARTITION_AWARE", "REGION_AWARE", "MULTI_ROLE")],
        }
        if "mesos_authentication_principal" in self.values:
            info["principal"] = self.values["mesos_authentication_principal"]
        return {**info, **({"id": {"value": framework_id}} if framework_id else {})}

    def info(self) -> dict[str, Any]:
        """The part of /v2/info that does not change while the program runs, as far as a client can't do without it."""
        return {
            "name": "marathon", "version": VERSION, "buildref": "standin",
            "marathon_config": {"hostname": self.hostname, "master": _redacted(str(self.values["master"])),
                                "failover_timeout": self.values["failover_timeout"]},
            "zookeeper_config": {"zk": self.zk.redacted},
            "http_config": {"http_port": self.values["http_port"], "https_port": self.values["https_port"]},
        }


def configure(environ: Mapping[str, str], arguments: Sequence[str]) -> Config:
    """The configuration of a start; raises FlagError with the text that the program prints."""
    values = with_defaults(parse(flags(), expand([*from_environment(environ, "MARATHON_"), *arguments])), environ)
    for name in UNSUPPORTED:
        if values.get(name):
            raise FlagError(f"The stand-in of Marathon has no '{name}'")
    if not values["ha"]:
        raise FlagError("The stand-in of Marathon always elects a leader: 'disable_ha' is not supported")
    try:
        zk = parse_zk(str(values["zk"]))
        if str(values["master"]).startswith("zk://"):
            parse_zk(str(values["master"]))
    except UrlError as error:
        raise FlagError(f"Bad arguments for option: {error}") from error
    return Config(values, zk, str(values.get("hostname") or socket.gethostname()), _credential(values), doors(values))


def _credential(values: Mapping[str, Value]) -> Credential:
    """The secret file is taken byte for byte, as the real program does it: a trailing newline makes it another secret."""
    if not values["mesos_authentication"]:
        return Credential()
    secret = str(values.get("mesos_authentication_secret", ""))
    if "mesos_authentication_secret_file" in values:
        try:
            secret = Path(str(values["mesos_authentication_secret_file"])).read_text()
        except OSError as error:
            raise FlagError(f"{error.filename} ({error.strerror})") from error
    return Credential(str(values["mesos_authentication_principal"]), secret)


def _redacted(master: str) -> str:
    return parse_zk(master).redacted if master.startswith("zk://") else master
