"""Asking a host's probe: one exec, one answer, checked before anything believes it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.cluster.model import Host
from provisioner.hosts.failures import SshError, printable
from provisioner.hosts.openssh import Transport
from provisioner.observe.payload import AUDIT, payload, read_answer

MAX_TEXT = 4096
#: How the parts of an answer are made: a type, a list of it, or an object with at least these members.
DISK_SHAPE = {"path": str, "device": int, "free_mb": int, "inodes": int, "free_inodes": int, "read_only": bool, "noexec": bool}
FACTS_SHAPE: dict[str, Any] = {
    "hostname": str, "fqdn": str, "addresses": [str], "default_route": {}, "machine_id": str, "cluster": str, "boot_id": str, "time": float,
    "python": {"version": [int], "executable": str}, "kernel": str, "arch": str, "cpus": int, "mem_mb": int, "init": str,
    "os": {"id": str, "version": str, "codename": str, "pretty": str, "name": str, "like": [str]},
    "virtualization": str, "cgroup": {"layout": str, "elsewhere": [str]}, "selinux": str, "package_manager": str,
}
PREFLIGHT_SHAPE: dict[str, Any] = {
    "disks": [DISK_SHAPE],
    "links": {"routes": [{"interface": str, "network": str}], "mtus": [{"interface": str, "mtu": int}],
              "peers": [{"address": str, "what": str}]},
    "listeners": [{"protocol": str, "port": int, "address": str, "pid": int, "command": str, "unit": str, "container": str}],
    "name": {"name": str, "addresses": [str], "error": str},
    "packages": {"locks": [{"path": str, "pid": int, "command": str}], "interrupted": str},
    "others": [{"component": str, "path": str, "replaced": bool}], "texts": [{"path": str, "text": str}],
    "docker": {"version": str, "error": str, "networks": [{"name": str, "driver": str, "mtu": int, "subnets": [str]}]}, "capabilities": {},
    "sources": [{"question": int, "url": str, "status": int, "error": str}],
}
AUDIT_SHAPES: dict[str, Any] = {
    "knock": {"rows": [list]}, "look": {"found": [list], "listening": [str], "strange": [list]},
}
SHAPES = {"facts": FACTS_SHAPE, "preflight": PREFLIGHT_SHAPE, **AUDIT_SHAPES}


@dataclass(frozen=True)
class Answer:
    """What a host answered, by section. Texts hold no control characters.

    `ahead` is how far its clock is ahead of ours in seconds, as the bounds that follow from when the question left and
    when the answer came.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    preflight: Mapping[str, Any] = field(default_factory=dict)
    health: Mapping[str, Any] = field(default_factory=dict)
    unsettled: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    ahead: tuple[float, float] = (0.0, 0.0)
    more: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def ask(transport: Transport, host: Host, request: Mapping[str, Any], *, timeout: float = 60.0) -> Answer:
    """Send the probe. Raises UnreachableError when there is no answer or none that makes sense."""
    command, stdin = payload(request, python=str(host.variables.get("ansible_python_interpreter") or "python3"))
    left = time.time()
    done = transport.run(host, command, stdin, become=True, timeout=timeout)
    came = time.time()
    if done.code != 0:
        raise _failed(host, done.code, done.stderr)
    try:
        answer = _clean(read_answer(done.stdout))
        for section in set(request["sections"]) - set(answer.get("errors", {})):
            _check(answer.get(section), SHAPES.get(section, {}), section)
        began, seconds = float(answer["time"]), float(answer["seconds"])
    except (ValueError, KeyError, TypeError) as error:
        raise SshError("output", f"the probe's answer makes no sense: {error}", where=host.name,
                       hint="does the login shell of the host print something by itself?") from None
    return Answer(
        facts=answer.get("facts", {}), preflight=answer.get("preflight", {}), health=answer.get("health", {}),
        unsettled=answer.get("unsettled", {}),
        errors={str(k): str(v) for k, v in answer.get("errors", {}).items()}, ahead=(began + seconds - came, began - left),
        more={section: answer[section] for section in AUDIT if section in answer},
    )


def _failed(host: Host, code: int, stderr: bytes) -> SshError:
    said = printable(stderr).strip()
    if code == 127 or "No such file or directory" in said or "not found" in said:
        return SshError("python", f"Python 3 does not start: {said[-300:]}", where=host.name,
                        hint="install it on the host (Debian, Ubuntu: apt-get install python3; others: dnf install python3), "
                             "or name another one with ansible_python_interpreter")
    if "No module named" in said:
        return SshError("python", f"the host's Python is not whole: {said[-300:]}", where=host.name,
                        hint="install its whole standard library (Debian, Ubuntu: python3 instead of python3-minimal), "
                             "or name another Python with ansible_python_interpreter")
    return SshError("other", f"the probe ended with {code}: {said[-500:]}", where=host.name,
                    hint="the text is what the host's Python said")


def _clean(value: Any) -> Any:
    """The same data with short texts without control characters: it ends up on terminals and in logs."""
    if isinstance(value, dict):
        return {_text(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    return printable(value[:MAX_TEXT].encode("utf-8", "replace"))


def _check(value: Any, shape: Any, name: str) -> None:
    """Raise ValueError that names the part which is not made as it must be."""
    if isinstance(shape, dict):
        _expect(isinstance(value, dict), name)
        for key, part in shape.items():
            _check(value.get(key), part, f"{name}.{key}")
    elif isinstance(shape, list):
        _expect(isinstance(value, list), name)
        for item in value:
            _check(item, shape[0], f"{name}[]")
    else:
        _expect(isinstance(value, (int, float) if shape is float else shape), name)


def _expect(right: bool, name: str) -> None:
    if not right:
        raise ValueError(f"{name} is not what it must be")
