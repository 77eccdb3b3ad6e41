"""What the agent tells an executor: flags and environment, read once."""

from __future__ import annotations

import ctypes
import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass

UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "secs": 1.0, "mins": 60.0, "hrs": 3600.0, "days": 86400.0, "weeks": 604800.0}

#: The agent's --recovery_timeout when it does not say.
RECOVERY_TIMEOUT = 900.0

#: The agent's --executor_shutdown_grace_period when it does not say.
SHUTDOWN_GRACE = 5.0


class SettingsError(Exception):
    """The agent's flags or environment can't be used."""


@dataclass(frozen=True)
class Settings:
    """One executor's identity, its agent, and its times in seconds."""

    framework_id: str
    executor_id: str
    agent_id: str
    #: libprocess address of the agent, such as `slave(1)@10.0.0.1:5051`
    agent_pid: str
    #: whether the task is to outlive its agent
    checkpoint: bool
    recovery_timeout: float
    shutdown_grace: float
    token: str
    flags: dict[str, str]


def duration(text: str) -> float:
    """Seconds of a duration as Mesos writes it, such as `15mins`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z]+)", text)
    if not found or found[2] not in UNITS:
        raise SettingsError(f"invalid duration '{text}': a number and one of {', '.join(UNITS)}")
    return float(found[1]) * UNITS[found[2]]


def parse_flags(arguments: Sequence[str]) -> dict[str, str]:
    """Flags by name: `--name=value`, `--name` and `--no-name`."""
    flags = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not name.startswith("--"):
            raise SettingsError(f"unexpected argument '{argument}'")
        off = name.startswith("--no-") and not equals
        flags[name[5 if off else 2:]] = value if equals else "false" if off else "true"
    return flags


def take_secret(name: str, environment: MutableMapping[str, str]) -> str:
    """Take a variable out of the environment, which the task inherits, and out of /proc, where the task's user could read it."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype, getenv.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    value = environment.get(name, "")
    where = getenv(name.encode())
    if where:
        ctypes.memset(where, 0, len(ctypes.string_at(where)))
    environment.pop(name, None)
    return value


def load(arguments: Sequence[str], environment: MutableMapping[str, str]) -> Settings:
    """Read the settings and take the token out of the environment."""
    token = take_secret("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", environment)
    needed = ("MESOS_FRAMEWORK_ID", "MESOS_EXECUTOR_ID", "MESOS_SLAVE_ID", "MESOS_SLAVE_PID")
    missing = [name for name in needed if not environment.get(name)]
    if missing:
        raise SettingsError(f"{', '.join(missing)} not set: a Mesos agent starts this program")
    recovery, grace = environment.get("MESOS_RECOVERY_TIMEOUT"), environment.get("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD")
    framework, executor, agent, pid = (environment[name] for name in needed)
    return Settings(framework, executor, agent, pid,
                    checkpoint=environment.get("MESOS_CHECKPOINT") == "1",
                    recovery_timeout=duration(recovery) if recovery else RECOVERY_TIMEOUT,
                    shutdown_grace=duration(grace) if grace else SHUTDOWN_GRACE,
                    token=token, flags=parse_flags(arguments))
