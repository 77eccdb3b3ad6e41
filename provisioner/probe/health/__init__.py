"""One definition of "healthy" for every component: a role's check, `status` and a plan's gates ask the same.

Each module has one function `health(request) -> answer`. Everything here runs on the host: standard library and the
syntax of Python 3.6 only, and it may be called from several threads at once.
"""

from importlib import import_module
from typing import Any

from .answer import UnhealthyError, answer

COMPONENTS = (
    "common", "repos", "kernel", "docker", "consul", "dns", "zookeeper", "mesos_master", "mesos_agent", "marathon",
    "chronos", "registrator", "logstash",
)


def ask(component: str, request: "dict[str, Any]") -> "dict[str, Any]":
    """Say how `component` is on this host, once and without waiting.

    The answer has `state` (ok, degraded: it serves but something is missing, down), `leader`, `version`, `stand_in`,
    `detail` (one sentence) and `facts`. Where a component does its own work and only a peer elsewhere is missing,
    `facts["itself"]` is "ok" although the state is "degraded".
    """
    if component not in COMPONENTS:
        return answer("down", f"the probe knows no component '{component}'")
    try:
        found: dict[str, Any] = module_of(component).health(request)
    except UnhealthyError as error:
        return answer("down", str(error), version=error.version, facts=error.facts)
    except KeyError as missing:
        return answer("down", f"the probe request of {component} lacks {missing}")
    return found


def module_of(component: str) -> Any:
    """Imported when asked for: the probe is compiled anew on every run, and what is not asked for was not sent."""
    return import_module("." + component, __name__)
