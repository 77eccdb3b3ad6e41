"""Where a host knocks from: as a user without rights, as root, and from the network of a container."""

import json
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

from .knocking import knock_at

NOBODY = "nobody"
#: A container that nobody removes ends by itself.
LIFE_SECONDS = 180
DOCKER_SECONDS = 90.0


def knock(asked: "dict[str, Any]") -> "dict[str, Any]":
    """Knock at `doors` as nobody, or as `root`; with `network` from a container of `image` there, whose name is `container`.

    Answers the `rows` of `knock_at`, or `error`: why nobody could be there.
    """
    if asked["root"]:
        return {"rows": knock_at(asked["doors"])}
    if not asked["network"]:
        return {"rows": _as_nobody(asked["doors"], None)}
    name, started = asked["container"], ["docker", "run", "--detach", "--rm", "--name", asked["container"], "--network", asked["network"]]
    try:
        _output([*started, asked["image"], "sleep", str(LIFE_SECONDS)])
        process = _output(["docker", "inspect", "--format", "{{.State.Pid}}", name])
        with Path(f"/proc/{int(process)}/ns/net").open("rb") as network:
            return {"rows": _as_nobody(asked["doors"], network.fileno())}
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stdout", None) or b"").decode("utf-8", "replace").strip()
        return {"rows": [], "error": said[-300:] or str(error)}
    finally:
        subprocess.run(["docker", "rm", "--force", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def _output(command: "list[str]") -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True, timeout=DOCKER_SECONDS)
    return done.stdout.decode("utf-8", "replace").strip()


def _as_nobody(doors: "list[dict[str, Any]]", network: "int | None") -> "list[list[Any]]":
    """In a child: it can't come back to be root, and nobody else of its user can look into its memory."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            text = json.dumps(_there(doors, network))
        except BaseException as error:
            text = json.dumps(f"{type(error).__name__}: {error}")
        try:
            with os.fdopen(writing, "w") as out:
                out.write(text)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    rows = json.loads(text)
    if not isinstance(rows, list):
        raise OSError(str(rows))
    return rows


def _there(doors: "list[dict[str, Any]]", network: "int | None") -> "list[list[Any]]":
    import ctypes

    nobody = pwd.getpwnam(NOBODY)
    if network is not None and ctypes.CDLL(None, use_errno=True).setns(network, 0):
        raise OSError(ctypes.get_errno(), "the container's network can't be entered")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    return knock_at(doors)
