"""What an agent remembers in work_dir/meta: its id and first info, and its tasks (contract items 16, 17 and 20)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mesos_standin.resources import from_v1

Json = dict[str, Any]
_RULE = "-" * 60


class Incompatible(Exception):
    """The agent's configuration does not fit the id it would go on with."""


def write(file: Path, value: Any) -> None:
    """Replaces a JSON file so that a reader never sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(value))
    new.replace(file)


class Checkpoint:
    """The meta directory. meta/slaves/latest is a link to the current id's folder; removing it gives a new id."""

    def __init__(self, work_dir: Path) -> None:
        self.work_dir = work_dir
        self._slaves = work_dir / "meta" / "slaves"

    @property
    def latest(self) -> Path:
        """The link to the current id."""
        return self._slaves / "latest"

    def recover(self) -> Json | None:
        """The info of the first registration, None for an agent without an id."""
        file = self.latest / "slave.info"
        return json.loads(file.read_text()) if file.exists() else None

    def remember(self, info: Json) -> None:
        """Keeps the info of a first registration; later registrations do not change it (item 17)."""
        folder = self._slaves / info["id"]["value"]
        write(folder / "slave.info", info)
        self.latest.unlink(missing_ok=True)
        self.latest.symlink_to(os.path.relpath(folder, self._slaves))

    def task_folder(self, container_id: str) -> Path:
        """Where a task's state is kept until its last update is acknowledged."""
        return self.latest / "tasks" / container_id

    def tasks(self) -> Iterator[Json]:
        """The tasks that were not done with when the agent ended."""
        for file in sorted(self.latest.glob("tasks/*/task.json")):
            yield json.loads(file.read_text())

    def sandbox(self, agent_id: str, framework_id: str, executor_id: str, container_id: str) -> Path:
        """Creates the sandbox with the real layout, `runs/latest` included."""
        runs = self.work_dir / "slaves" / agent_id / "frameworks" / framework_id / "executors" / executor_id / "runs"
        folder = runs / container_id
        folder.mkdir(parents=True)
        latest = runs / "latest"
        latest.unlink(missing_ok=True)
        latest.symlink_to(container_id)
        return folder


def check_compatible(old: Json, new: Json, policy: str) -> None:
    """Raises Incompatible when `new` may not go on under the id of `old` with this --reconfiguration_policy."""
    new = {**new, "id": old["id"], "checkpoint": True}
    if policy == "equal":
        if _comparable(old) != _comparable(new):
            raise Incompatible(
                f"Incompatible agent info detected. \n\n{_RULE}\nOld agent info:\n{as_text(old)}\n\n"
                f"{_RULE}\nNew agent info:\n{as_text(new)}\n"
            )
        return
    problem = _shrunk(old, new)
    if problem:
        raise Incompatible(f"Configuration change not permitted under 'additive' policy: {problem}")


def _comparable(info: Json) -> Json:
    resources = from_v1(info["resources"])
    attributes = sorted(json.dumps(row, sort_keys=True) for row in info.get("attributes", []))
    return {**info, "resources": (dict(resources.scalars), dict(resources.ranges)), "attributes": attributes}


def _shrunk(old: Json, new: Json) -> str:
    for field in ("hostname", "port"):
        if old[field] != new[field]:
            return f"{field.capitalize()} changed from {old[field]} to {new[field]}"
    before, after = from_v1(old["resources"]), from_v1(new["resources"])
    for name, value in before.scalars.items():
        now = after.scalars.get(name, 0.0)
        if now < value:
            return f"Value of scalar resource '{name}' decreased from {value:g} to {now:g}"
    if not after.contains(before):
        return "A range resource lost some of its values"
    known = {row["name"]: row for row in new.get("attributes", [])}
    for row in old.get("attributes", []):
        if row["name"] not in known:
            return f"Couldn't find attribute '{row['name']}'"
        if known[row["name"]] != row:
            kind = row["type"].lower()
            values = [entry.get(kind, {}).get("value", "") for entry in (row, known[row["name"]])]
            return f"Value of {kind} attribute '{row['name']}' changed from {values[0]} to {values[1]}"
    return ""


def as_text(value: Any, indent: str = "") -> str:
    """A message in protobuf's text form, as the refusal shows it."""
    lines: list[str] = []
    for name, content in value.items():
        for entry in content if isinstance(content, list) else [content]:
            if isinstance(entry, dict):
                lines += [f"{indent}{name} {{", as_text(entry, indent + "  "), f"{indent}}}"]
            elif isinstance(entry, bool):
                lines.append(f"{indent}{name}: {str(entry).lower()}")
            elif isinstance(entry, float):
                lines.append(f"{indent}{name}: {entry:g}")
            else:
                plain = isinstance(entry, int) or name == "type"
                lines.append(f"{indent}{name}: {entry if plain else json.dumps(entry)}")
    return "\n".join(lines)


def advice(work_dir: Path) -> str:
    """What to do after a refused recovery; the real text also advises to empty the Docker daemon, which nobody should."""
    return (
        f"\n{_RULE}\nIf recovery failed due to a change in configuration and you want to\n"
        "keep the current agent id, you might want to change the\n"
        "`--reconfiguration_policy` flag to a more permissive value.\n\n"
        "To restart this agent with a new agent id instead, do as follows:\n"
        f"rm -f {work_dir}/meta/slaves/latest\n"
        "This ensures that the agent does not recover old live executors.\n\nFinally, restart the agent."
    )
