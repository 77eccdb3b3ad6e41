"""What can be said of the ways to the hosts before any is reached: ssh is asked what it makes of its arguments."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import InventoryError, UsageError
from provisioner.hosts.login import Login, login

#: Different lists of arguments that are looked at; each costs a start of ssh.
LISTS_MAX = 20


def check(cluster: Cluster) -> tuple[str, ...]:
    """Raises InventoryError for arguments that ssh does not take. Gives a sentence for each program that is not on this machine.

    Hosts with the same arguments are looked at once; where nothing is told to ssh nothing is asked.
    """
    ways: dict[tuple[str, ...], tuple[Host, Login]] = {}
    for host in cluster.hosts:
        found = login(host)
        if found.arguments or found.program != "ssh":
            ways.setdefault((found.program, *found.arguments), (host, found))
    keys = {login(host).key: host for host in reversed(cluster.hosts) if not host.local}
    missing = [f"{host.name} ({host.where}): the key {key} is not on this machine"
               for key, host in keys.items() if key and not Path(key).is_file()]
    said = [*missing, *(_look(host, found) for host, found in list(ways.values())[:LISTS_MAX])]
    wrong = [each for each in said if isinstance(each, InventoryError)]
    if len(wrong) > 1:
        listed = "".join(f"\n  {error.where}: {error.message}\n    → {error.hint}" for error in wrong)
        raise InventoryError(f"{len(wrong)} problems{listed}", where=str(cluster.path))
    for error in wrong:
        raise error
    return tuple(each for each in said if isinstance(each, str) and each)


def _look(host: Host, found: Login) -> InventoryError | str:
    """What is wrong, or what is missing here, or nothing."""
    from provisioner.hosts.failures import ssh_failure  # few inventories tell ssh anything
    from provisioner.hosts.route import NoRouteError, route_to

    try:
        route = route_to(found)
    except NoRouteError as error:
        told = ssh_failure(host, found, str(error).encode())
        return InventoryError(told.message, where=host.where, hint=told.hint)
    except UsageError as error:
        return f"{host.name} ({host.where}) can't be reached from this machine: {error.message}; {error.hint}"
    program = _program(route.through.removeprefix("exec "))
    if shutil.which(program):
        return ""
    return f"{host.name} ({host.where}) can't be reached from this machine: {route.by} needs {program}, which is not installed"


def _program(command: str) -> str:
    """The program that a shell command starts; `sh` where only the shell can tell."""
    try:
        first = (shlex.split(command) or ["sh"])[0]
    except ValueError:
        return "sh"
    return str(Path(first).expanduser()) if all(c.isalnum() or c in "/._+~-" for c in first) else "sh"
