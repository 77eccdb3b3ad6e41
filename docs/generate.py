"""Writes what could drift: role variable tables, the CLI reference, the status picture of README.md, what the CI services run.

`python -m docs.generate` renews everything; `--check` writes nothing and fails when something is not current.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from docs.man import page
from docs.pictures import pictures
from provisioner.cli import parsers
from provisioner.components import COMPONENTS, UPGRADE_ORDER
from provisioner.components.door import door_of, of
from provisioner.components.model import Need
from provisioner.context import Context
from provisioner.inventory.role_rules import limits
from provisioner.inventory.schema import CLUSTER_VARIABLES, CONNECTION_VARIABLES, HOST_VARIABLES, RENDERED
from provisioner.paths import inventory_examples_dir, project_dir, roles_dir
from provisioner.verbs.completion import SCRIPTS
from provisioner.verbs.status.schema import COMPONENT, STATUS
from tests.lab.support import scenarios

#: Between which comments a table stands.
VARIABLES, DOORS = ("<!-- variables -->", "<!-- /variables -->"), ("<!-- doors -->", "<!-- /doors -->")
DOCS = project_dir() / "docs"
#: Installed with the package, as `share` of the environment.
SHARE = DOCS / "share"
#: Where each shell looks for a script.
COMPLETIONS = {"bash": "bash-completion/completions/provision", "zsh": "zsh/site-functions/_provision",
               "fish": "fish/vendor_completions.d/provision.fish"}
#: Who has to reach a port, in words.
_REACHED_BY = {"host": "the host itself", "members": "hosts of the cluster", "operators": "hosts of the cluster, and operators",
               "users": "users of what runs on the cluster"}
HELP_WIDTH = 80
#: Recipes of CI services that have a job for each role and each test of a whole cluster.
RECIPES = (".github/workflows/ci.yml", ".gitlab-ci.yml")
INTERNAL = "## Internal: rendered by the driver"
#: Of a variable: name, type, choices or limits, default, meaning.
Row = tuple[str, str, Sequence[Any], Any, str]
#: What belongs to no role, by the title it gets.
OF_THE_DRIVER = {"the cluster: in the vars of `all`": CLUSTER_VARIABLES, "a host": HOST_VARIABLES, "connections": CONNECTION_VARIABLES}


def main() -> int:
    """Write or check."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true")
    chosen = options.parse_args()
    stale = [path for path, text in pages() if not path.is_file() or path.read_text() != text]
    if chosen.check:
        for path in stale:
            sys.stderr.write(f"not current: {path.relative_to(project_dir())} (run 'make docs')\n")
        return 1 if stale else 0
    for path, text in pages():
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    return 0


def pages() -> Iterator[tuple[Path, str]]:
    """Every generated text with its path."""
    everything = ["# Variables of an inventory", "",
                  "Generated from the driver's schema and the roles' argument specs. What the driver renders itself stands at the end.", ""]
    internal: list[Row] = []
    for title, variables in OF_THE_DRIVER.items():
        everything += [f"## {title}", "", _table((v.name, v.type, v.choices, v.default, v.description) for v in variables), ""]
    for role in sorted(p.name for p in roles_dir().iterdir() if (p / "meta" / "argument_specs.yml").is_file()):
        settable, rendered = role_variables(role)
        table = _table(settable) if settable else "Nothing to set: the driver renders every variable."
        readme = roles_dir() / role / "README.md"
        yield readme, _between(readme.read_text(), "\n".join([table, *(["", INTERNAL, "", _table(rendered)] if rendered else [])]))
        everything += [f"## {role}", "", table, ""]
        internal += rendered
    everything += [INTERNAL, "", "Only for roles that run without the driver.", "", _table(internal)]
    yield DOCS / "reference" / "variables.md", "\n".join(everything).rstrip() + "\n"
    yield DOCS / "reference" / "components.md", components_reference()
    yield DOCS / "access.md", _between((DOCS / "access.md").read_text(), doors_table(), DOORS)
    yield DOCS / "reference" / "cli.md", cli_reference()
    yield DOCS / "reference" / "status.md", status_reference()
    yield from pictures()
    yield SHARE / "man" / "man1" / "provision.1", page(parsers())
    for shell, path in COMPLETIONS.items():
        yield SHARE / path, SCRIPTS[shell]
    yield project_dir() / "terraform" / "ports.json", json.dumps({"ports": open_ports()}, indent=2) + "\n"
    for recipe in (project_dir() / name for name in RECIPES):
        yield recipe, with_jobs(recipe.read_text(), {"role": scenarios.roles(), "cluster": scenarios.clusters()})


def _filled(rows: Iterable[str], place: re.Match[str]) -> str:
    return place[1] + place[2] + "".join(f"{place[1]}- {each}\n" for each in rows) + place[3]


def with_jobs(text: str, jobs: Mapping[str, Iterable[str]]) -> str:
    """A recipe whose lists of jobs, each between two comments that name it, are these."""
    for name, found in jobs.items():
        place = re.compile(rf"^( *)(# {name}: written .*\n)(?:.*\n)*?( *# end of {name}\n)", re.MULTILINE)
        if len(place.findall(text)) != 1:
            raise ValueError(f"a recipe needs one list between '# {name}: written by …' and '# end of {name}'")
        text = place.sub(partial(_filled, found), text)
    return text


def role_variables(role: str) -> tuple[list[Row], list[Row]]:
    """The variables of a role: those that a user may set, and those that the driver renders."""
    spec = yaml.safe_load((roles_dir() / role / "meta" / "argument_specs.yml").read_text())
    options: dict[str, Any] = spec["argument_specs"]["main"].get("options") or {}
    settable: list[Row] = []
    rendered: list[Row] = []
    for name, option in options.items():
        said = option.get("description", "")
        text = " ".join(" ".join([said] if isinstance(said, str) else said).split())
        limit = limits(roles_dir() / role / "meta").get(name, {})
        choices = option.get("choices") or ([f"{limit['min']} to {limit['max']}"] if "min" in limit else ())
        row = (name, option.get("type", "str"), choices, option.get("default"), text.removeprefix(RENDERED))
        (rendered if text.startswith(RENDERED) else settable).append(row)
    return settable, rendered


def components_reference() -> str:
    """What the driver knows of each component."""
    parts = ["# Components", "",
             "Generated from `provisioner/components/*/component.py`, in the order in which a fresh cluster is built.", "",
             "| component | role | on | unit | elects | installed from | size |", "|---|---|---|---|---|---|---|"]
    for c in COMPONENTS:
        servers = f"; servers: {c.server_group} (masters)" if c.server_group else ""
        elects = "" if not c.election else f"{c.election.group}, by majority" if c.election.majority else c.election.group
        parts.append(f"| {c.title} (`{c.name}`) | `{c.role}` | {c.shorthand}{servers} | {f'`{c.unit}`' if c.unit else ''} | {elects} | "
                     f"{c.artefact} | {'; '.join(map(_size, c.needs))} |")
    parts += ["", f"An upgrade goes in this order: {', '.join(c.name for c in UPGRADE_ORDER)}.", "", "## Ports", "",
              "| what listens | port | variable | on hosts of | reached by |", "|---|---|---|---|---|"]
    for c in COMPONENTS:
        for port in c.ports:
            number = "ranges in it" if port.ranges else f"{port.number}/{'+'.join(port.protocols)}"
            conditions = [port.when, ("cluster_access", port.access)]
            when = "".join(f", where `{name}` is {value}" for name, value in conditions if name and value)
            reach = _REACHED_BY[port.reached_by] + (" and its containers" if port.public and port.reached_by == "host" else "")
            variable = f"`{port.variable}`" if port.variable else ""
            parts.append(f"| {port.title} | {number} | {variable} | {port.group or c.name}{when} | {reach} |")
    return "\n".join(parts) + "\n"


def doors_table() -> str:
    """Who has to reach each port, what unlocks it and what is tried."""
    lines = ["| door | port | for | what unlocks it | what it says without | tried by |", "|---|---|---|---|---|---|"]
    for c in COMPONENTS:
        doors = [(port, door_of(c, port)) for port in c.ports] + [(door.port, door) for door in of(c, "DOORS") if door.port]
        for port, door in doors:
            number = "its ranges" if port.ranges else f"{port.number}/{'+'.join(port.protocols)}" if port.number else ""
            knocks = ", ".join(dict.fromkeys(knock.title for knock in door.knocks))
            gaps = "".join(f"; {knock.title}: {knock.gap}" for knock in door.knocks if knock.gap)
            reach = "nobody" if door.port and port.number else port.reached_by
            lock = door.lock or ("nothing: it is for programs of its host" if reach == "host" else "a network of the cluster")
            lines.append(f"| {port.title} | {number} | {reach} | {lock} | {(door.said + gaps).removeprefix('; ')} | {knocks} |")
    return "\n".join(lines)


def _size(need: Need) -> str:
    memory = [f"{need.memory_mb} MiB"] if need.memory_mb else []
    memory += [f"`{need.heap}` ({need.heap_mb} MiB) and a quarter"] if need.heap else []
    disk = [f"{mb} MiB in {path}" for path, mb in need.disk_mb.items()]
    return ", ".join(memory + disk) + (f" on {need.group}" if need.group else "")


def _table(rows: Iterable[Row]) -> str:
    lines = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    for name, kind, choices, default, text in rows:
        shown = "" if default is None else f"`{json.dumps(default)}`".replace("|", "\\|")  # GitHub splits a row there even in code
        chosen = f" ({', '.join(map(str, choices))})" if choices else ""
        lines.append(f"| `{name}` | {kind}{chosen} | {shown} | {text.replace('|', '/')} |")
    return "\n".join(lines)


def open_ports() -> dict[str, list[dict[str, Any]]]:
    """What masters and agents open to the other hosts when nobody changes a port: security groups are made of it."""
    hosts = Context(inventory_examples_dir() / "example.yml").rendered["all"]["hosts"]
    found = {}
    for group, host in (("masters", "m1"), ("agents", "a1")):
        rules = []
        for entry in hosts[host]["common_firewall_ports"]:
            first, _, last = str(entry["port"]).partition("-")
            rules.append({"from": int(first), "to": int(last or first), "protocol": entry["protocol"]})
        found[group] = sorted(rules, key=lambda r: (r["from"], r["protocol"]))
    return found


def cli_reference() -> str:
    """`--help` of every command, and of every action of those that have some."""
    top, *commands = parsers()
    parts = ["# Command line", "", "Generated from the program.", "", *_help(top)]
    for command in commands:
        parts += ["", f"{'#' * len(command.prog.split())} {command.prog}", "", *_help(command)]
    return "\n".join(parts) + "\n"


def _help(of: argparse.ArgumentParser) -> list[str]:
    with patch.dict(os.environ, COLUMNS=str(HELP_WIDTH)):  # argparse would break the lines where this terminal ends
        return ["```", of.format_help().rstrip(), "```"]


def status_reference() -> str:
    """What `provision status --json` prints."""
    parts = ["# `provision status --json`", "", "Generated from `provisioner/verbs/status/schema.py`.", "",
             "One object in one line; with `--watch` one for each look. The exit code is 0 where `healthy` is true, else 5;",
             "with `--watch`, which Ctrl-C ends, it is 0."]
    for title, fields in (("", STATUS), ("Each of `components`", COMPONENT)):
        rows = [f"| `{name}` | {field.kind} | {field.meaning} |" for name, field in fields.items()]
        parts += ["", *([f"## {title}", ""] if title else []), "| key | kind | meaning |", "|---|---|---|", *rows]
    return "\n".join(parts) + "\n"


def _between(text: str, table: str, marks: tuple[str, str] = VARIABLES) -> str:
    begin, end = marks
    before, rest = text.split(begin, 1)
    _, after = rest.split(end, 1)
    return f"{before}{begin}\n{table}\n{end}{after}"


if __name__ == "__main__":
    sys.exit(main())
