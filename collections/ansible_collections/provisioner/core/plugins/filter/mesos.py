"""Filters of role mesos: what a host can run, what its environment file says, and which changes Mesos would refuse."""

from __future__ import annotations

import json
import re
from typing import Any

NUMBER = re.compile(r"-?\d+(\.\d+)?$")
PORT_MAX = 65535
RANGE = re.compile(r"\s*(\d+)\s*-\s*(\d+)\s*")
#: What Mesos takes for an amount of a resource: a number without a unit (memory and disk are in MB).
SCALAR = re.compile(r"\+?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
#: Whom the masters know already.
PRINCIPALS = ("agent", "agent-2", "chronos", "marathon", "operator", "operator-2", "verify", "viewer", "viewer-2")
#: Mesos detects these itself where --resources does not name them.
DETECTED = ("cpus", "mem", "disk", "ports", "gpus")
LINUX_ISOLATION = "cgroups/cpu,cgroups/mem,filesystem/linux,docker/runtime"
POSIX_ISOLATION = "posix/cpu,posix/mem"


def environment(flags: dict[str, Any]) -> str:
    """Lines for a systemd environment file: MESOS_<FLAG>="value", quoted so that no value can break out of its line."""
    return "\n".join(f'MESOS_{name.upper()}="{_quoted(value)}"' for name, value in flags.items())


def _quoted(value: Any) -> str:
    if isinstance(value, bool):
        value = str(value).lower()
    text = json.dumps(value) if isinstance(value, (dict, list)) else str(value)
    return re.sub(r'([\\"$`])', r"\\\1", text)


def docker_environment(now: dict[str, Any], newest: str) -> str:
    """The line that keeps the agent's Docker client at an API which this build of Mesos reads; "" where the engine speaks no newer one.

    Apache's 1.11.0 wants `ContainerConfig` in the description of an image (src/docker/docker.cpp), which Docker leaves out from API
    1.45 (Engine 26) on. `newest` is "" for a build that reads any.
    """
    if not newest or not now["docker_api"] or _numbers(now["docker_api"]) <= _numbers(newest):
        return ""
    return f'DOCKER_API_VERSION="{newest}"'


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def isolation(now: dict[str, Any], launcher: str, requirement: str, version: str, hostname: str) -> dict[str, Any]:
    """How an agent can start tasks on this host: `flags`, or `problems` when it cannot.

    `now["cgroup"]` is v1, hybrid (v1 with cgroup2 mounted elsewhere), v2 or none; `requirement` is what the build of Mesos
    needs: v1, v2, any, or v1-optional (v1 for launcher linux, nothing for posix and for Docker's containers).
    Wrong pairs do not fail cleanly: the agent aborts in a loop.
    """
    layout, problems = now["cgroup"], []
    unlimited = requirement == "v1-optional" and layout == "v2"
    if requirement == "v2" and layout != "v2":
        problems.append(f"This build of Mesos needs cgroup v2, and this host has {layout}: boot it with "
                        "systemd.unified_cgroup_hierarchy=1, or choose another build of Mesos.")
    if requirement == "v1" and layout == "v2" and launcher != "posix":
        problems.append("This build of Mesos needs cgroup v1, and this host has v2: choose a build for v2, or set "
                        "mesos_agent_launcher to posix (then without limits and without Docker containers).")
    if unlimited and launcher == "linux":
        problems.append("This build of Mesos has launcher linux for cgroup v1 only, and this host has v2: set mesos_agent_launcher to "
                        "auto or posix (then commands run without limits; Docker limits its containers itself), or boot it with "
                        "systemd.unified_cgroup_hierarchy=0.")
    if layout == "hybrid" and version.startswith("1.12"):
        problems.append("Mesos 1.12 does not start where cgroup2 is mounted elsewhere than /sys/fs/cgroup, and here it is on "
                        f"{now['cgroup2']}: boot with systemd.legacy_systemd_cgroup_controller=1.")
    if launcher == "linux" and not now["controllers"]:
        problems.append("mesos_agent_launcher is linux, but this host has no writable cgroups for cpu, memory and freezer: "
                        "set it to auto or posix.")
    linux = launcher == "linux" or (launcher == "auto" and now["controllers"] and not unlimited)
    flags: dict[str, Any] = {
        "containerizers": "mesos" if requirement == "v1" and layout == "v2" else "docker,mesos",
        "launcher": "linux" if linux else "posix", "isolation": LINUX_ISOLATION if linux else POSIX_ISOLATION,
        "systemd_enable_support": bool(linux and now["systemd"] and now["root_slice"] and layout != "v2"),
    }
    if linux and not now["root_slice"]:
        # Several agents see the same root: each cleans up what is below its own name only.
        flags["cgroups_root"] = f"mesos_{hostname}"
    return {"flags": flags, "problems": problems}


def attributes(values: dict[str, Any]) -> str:
    """`--attributes`: name:value;name:value, sorted."""
    return ";".join(f"{name}:{value}" for name, value in sorted(values.items()))


def principal_problems(values: dict[str, Any]) -> list[str]:
    """Frameworks of users that Mesos would not know, or that would be somebody else."""
    found = [f"mesos_principals: {name!r} is no principal; give a name without : and white space." for name in values
             if not re.fullmatch(r"[^:\s'\\]+", str(name))]
    found += [f"mesos_principals: {name} is one of the cluster's own principals: choose another." for name in PRINCIPALS if name in values]
    for name, each in ((name, each) for name, each in values.items() if isinstance(each, dict)):
        found += [f"mesos_principals: {name}: {key} is no list of names: write [{value if isinstance(value, str) else ''}]."
                  for key, value in each.items()
                  if key in ("roles", "users") and not (isinstance(value, list) and all(isinstance(one, str) for one in value))]
        found += [f"mesos_principals: {name} has {key}, which means nothing; there are secret, roles and users." for key in each
                  if key not in ("secret", "roles", "users")]
    return found + [f"mesos_principals: {name} has no secret, without which it could not register: give it one, in a vault."
                    for name, each in values.items() if not (isinstance(each, dict) and each.get("secret"))]


def attribute_problems(values: dict[str, Any]) -> list[str]:
    """Attributes that would abort the agent."""
    return [
        f"mesos_agent_attributes: {name}: {value!r} is no attribute; give a name without : and ; and a value without ; in one line: text "
        "without { and [, a number, or ranges like [1-3]."
        for name, value in values.items() if not re.fullmatch(r"[^:;\s]+", str(name)) or not _is_attribute(value)
    ]


def _is_attribute(value: Any) -> bool:
    """As Mesos parses it (src/common/values.cpp); a set it parses, and aborts."""
    if value is None or isinstance(value, (dict, list)) or not re.fullmatch(r"[^;\n{]*[^;\n{\s][^;\n{]*", str(value)):
        return False
    text = str(value).replace(" ", "")
    if not text.startswith("["):
        return "[" not in text
    try:
        return all(first <= last for first, last in _value(text)[1])
    except ValueError:
        return False


def resources(text: str) -> dict[str, tuple[str, Any]]:
    """`--resources` by name (with its role in parentheses): a scalar, ranges or a set. Raises ValueError."""
    if text.lstrip().startswith("["):
        return _listed(json.loads(text))
    found = {}
    for part in filter(None, (p.strip() for p in text.split(";"))):
        name, _, value = (p.strip() for p in part.partition(":"))
        if not name or not value:
            raise ValueError(f"{part!r} is not name:value")
        found[name.removesuffix("(*)")] = _value(value)
    return found


def _value(text: str) -> tuple[str, Any]:
    if text.startswith("["):
        pairs = [RANGE.fullmatch(pair) for pair in text.removeprefix("[").removesuffix("]").split(",")]
        if not all(pairs):
            raise ValueError(f"{text!r} is no [range], like [31000-32000]")
        return "ranges", [(int(pair[1]), int(pair[2])) for pair in pairs if pair]
    if text.startswith("{"):
        return "set", {item.strip() for item in text.strip("{}").split(",")}
    if not SCALAR.fullmatch(text):
        raise ValueError(f"{text!r} is no number, no [range] and no {{set}}")
    return "scalar", float(text)


def _listed(rows: list[dict[str, Any]]) -> dict[str, tuple[str, Any]]:
    found: dict[str, tuple[str, Any]] = {}
    for row in rows:
        role = next((r["role"] for r in row.get("reservations", [])[-1:]), row.get("role", "*"))
        name = row["name"] if role == "*" else f"{row['name']}({role})"
        if row["type"] == "SCALAR":
            before = found.get(name, ("scalar", 0.0))[1]
            found[name] = ("scalar", before + float(row["scalar"]["value"]))
        elif row["type"] == "RANGES":
            found[name] = ("ranges", [(r["begin"], r["end"]) for r in row["ranges"]["range"]])
        else:
            found[name] = ("set", set(row["set"]["item"]))
    return found


def resource_problems(text: str) -> list[str]:
    """Why --resources would be refused."""
    try:
        odd = [value for name, value in resources(text).items() if name.partition("(")[0] == "ports" and not _are_ports(*value)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return [f"mesos_agent_resources cannot be read: {error}. Write it like cpus:4;mem:4096;ports:[31000-32000]."]
    return [f"mesos_agent_resources: {value} are no ranges of ports. Write them like ports:[31000-32000]." for _, value in odd]


def _are_ports(kind: str, value: Any) -> bool:
    return kind == "ranges" and all(1 <= first <= last <= PORT_MAX for first, last in value)


def agent_conflicts(now: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """What the policy `additive` would refuse: the agent then exits at every start, until it gets a new id.

    `now["agent"]` is the agent as it runs or as it was last configured ({} without a checkpointed registration), `wanted`
    has the keys hostname, port, attributes (dict) and resources (text, "" for detection).
    Rules: src/slave/compatibility.cpp of Mesos.
    """
    base = now["agent"]
    if not base or resource_problems(wanted["resources"]):
        return []
    found = [
        f"{name} changes from {base[name]} to {wanted[name]}" for name in ("hostname", "port")
        if base.get(name) not in (None, "") and str(base[name]) != str(wanted[name])
    ]
    for name, value in base.get("attributes", {}).items():
        if name not in wanted["attributes"]:
            found.append(f"attribute {name} goes away")
        elif not _same(value, wanted["attributes"][name]):
            found.append(f"attribute {name} changes from {value} to {wanted['attributes'][name]}")
    found += _shrunk(base, wanted["resources"])
    advice = "Mesos keeps an agent's id only while it grows. Keep the former values, or remove this host's agent and add it again."
    return [f"This host's Mesos agent is registered otherwise: {'; '.join(found)}. {advice}"] if found else []


def _same(before: Any, after: Any) -> bool:
    if NUMBER.match(str(before)) and NUMBER.match(str(after)):
        return float(before) == float(after)
    return str(before) == str(after)


def _shrunk(base: dict[str, Any], text: str) -> list[str]:
    """Resources that are less than before. What is neither pinned before nor now is left to Mesos to detect."""
    wanted, found = resources(text), []
    pinned = resources(base.get("pinned", ""))
    before = _listed(base["resources"]) if base.get("resources") else pinned
    for name, (kind, value) in before.items():
        if name not in wanted:
            if name in pinned or name not in DETECTED:
                found.append(f"resource {name} is no longer given")
            continue
        now_kind, now_value = wanted[name]
        if kind != now_kind:
            found.append(f"resource {name} becomes another type")
        elif not _contains(kind, now_value, value):
            found.append(f"resource {name} shrinks from {value} to {now_value}")
    return found


def _contains(kind: str, larger: Any, smaller: Any) -> bool:
    if kind == "scalar":
        return bool(larger >= smaller)
    if kind == "set":
        return bool(larger >= smaller)
    covered = {number for begin, end in larger for number in range(begin, end + 1)}
    return all(number in covered for begin, end in smaller for number in range(begin, end + 1))


class FilterModule:
    """The names under which templates find the functions above."""

    def filters(self) -> dict[str, Any]:
        """Ansible's way to ask."""
        return {
            "mesos_environment": environment,
            "mesos_docker_environment": docker_environment, "mesos_isolation": isolation,
            "mesos_attributes": attributes, "mesos_attribute_problems": attribute_problems,
            "mesos_principal_problems": principal_problems,
            "mesos_resource_problems": resource_problems, "mesos_agent_conflicts": agent_conflicts,
        }
