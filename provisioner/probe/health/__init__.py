"""One definition of "healthy" for every component: a role's check, `status` and a plan's gates ask the same.

Each component has a module `health` in its folder, with one function `health(request) -> answer`. It runs on the host as all here
does: standard library and the syntax of Python 3.6 only, and it may be called from several threads at once.
"""

from contextlib import suppress
from importlib import import_module
from typing import Any

from .answer import UnhealthyError, answer
from .systemd import expect

#: On a host the program has no package `provisioner` around it.
MODULE = __name__[:-len("probe.health")] + "components.{}.health"


def ask(component: str, request: "dict[str, Any]") -> "dict[str, Any]":
    """Say how `component` is on this host, once and without waiting.

    The answer has `state` (ok, degraded: it serves but something is missing, down), `leader`, `version`, `stand_in`,
    `detail` (one sentence) and `facts`. Where a component does its own work and only a peer elsewhere is missing,
    `facts["itself"]` is "ok" although the state is "degraded".
    """
    try:
        module = module_of(component)
    except ImportError:
        return answer("down", f"the probe knows no component '{component}'")
    try:
        found: dict[str, Any] = module.health(request)
    except UnhealthyError as error:
        return answer("down", str(error), version=error.version, facts=error.facts)
    except KeyError as missing:
        return answer("down", f"the probe request of {component} lacks {missing}")
    return found


def module_of(component: str) -> Any:
    """Imported when asked for: the probe is compiled anew on every run, and what is not asked for was not sent."""
    return import_module(MODULE.format(component))


def prepare(asked: "dict[str, Any]") -> None:
    """Import what these requests need, and let systemd be asked for all their units at once.

    In one thread, because Python before 3.9.3 lets one thread use a module that another has half imported (bpo-43517).
    """
    for component, request in asked.items():
        with suppress(Exception):  # the component's answer will say why
            module_of(component)
            expect(*(request[key] for key in ("unit", "forwarder") if key in request))
