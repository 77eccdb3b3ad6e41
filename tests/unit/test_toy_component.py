"""One more component is a folder, a role, a scenario, a catalogue entry and a word in the ordered list: then all tables have it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioner.paths import project_dir

#: What of the repository the driver and the generated texts need beside the driver itself.
BESIDE = ("ansible.cfg", "bench", "collections", "docs", "inventory", "playbooks", "terraform", "lab", "tests", ".github", ".gitlab-ci.yml")
COMPONENT = '''"""A toy."""

from provisioner.components.model import Component, Election, Need, Port, Versions

COMPONENT = Component(
    "toy", "toy", "masters", "Toy", unit="toy", rolling="toy", election=Election("toy", majority=True), upgraded_before="zookeeper",
    ports=(Port(7777, "the toy", "toy_port"), Port(7778, "the toy's API", address="127.0.0.1", public=False)),
    needs=(Need(64, {"/var/lib/toy": 128}),), artefact="image", versions=Versions(alike=True), secrets={"toy_secret": "password"},
    data=("toy_keep_data", False), saved_by="toy",
)
'''
WIRING = '''"""What the toy is told."""


def variables(host, w):
    return {"toy_image": w.image("toy"), "toy_secret": w.secret("toy_secret"), "toy_probe": {"unit": "toy"}}
'''
HEALTH = '''"""The toy works."""

from provisioner.probe.health.answer import answer


def health(request):
    return answer("ok", "plays with {}".format(request["unit"]), "1.0", leader=True)
'''
PROOF = '''"""The toy can be played with."""

from provisioner.observe.proof import Link

LINKS = (Link("the toy plays", "Toy", lambda proof: "it played"),)
'''
BACKUP = '''"""What a backup keeps of the toy."""


class Toys:
    file = "toys.json"


def part(sources):
    return Toys()
'''
SPEC = """---
argument_specs:
  main:
    short_description: Run the toy
    options:
      toy_port: {type: int, default: 7777, description: Where it listens.}
"""
ENTRY = {"component": "toy", "version": "1.0", "kind": "image", "default": True, "maintained": "yes", "licence": "MIT",
         "image": "toys/toy:1.0"}
#: Runs with the copy on its path and prints every table that should have the toy.
TABLES = '''
import json, pathlib, sys
from docs import generate
from provisioner.components import COMPONENTS, QUORUMS, SERVER_GROUPS, UPGRADE_ORDER, component
from provisioner.context import Context
from provisioner.inventory.render import host_variables
from provisioner.observe.observation import HostObservation, Observation
from provisioner.observe.payload import payload, read_answer
from provisioner.observe.preflight.ports import needed_ports
from provisioner.observe.preflight.size import memory_needed
from provisioner.observe.preflight.sources import Sources
from provisioner.observe.status import summarize
from provisioner.plan.make import make_plan
from provisioner.run.backup_parts import Sources as Saved
from provisioner.state.secrets import PURPOSES
from provisioner.verbs.backup.work import SAVED
from provisioner.verbs.reset.work import steps as reset_steps
from provisioner.verbs.verify.work import links
import subprocess

path = pathlib.Path("inventory.yml")
path.write_text("masters: {hosts: {m1: {ansible_host: 192.0.2.1}}}\\nagents: {hosts: {a1: {ansible_host: 192.0.2.2}}}\\n"
                "all: {vars: {cluster_name: toys}}\\n")
context = Context(path)
cluster, own = context.cluster, host_variables(context.rendered, "m1")
groups = cluster.host("m1").groups
command, stdin = payload({"sections": ["health"], "health": {"toy": own["toy_probe"]}}, python=sys.executable)
health = read_answer(subprocess.run(["sh", "-c", command], input=stdin, capture_output=True, check=True).stdout)["health"]
seen = Observation({h.name: HostObservation(True, health=health if h.name == "m1" else {}) for h in cluster.hosts})
plan = make_plan(cluster, context.rendered, Observation({h.name: HostObservation(True) for h in cluster.hosts}))
pages = {str(p): text for p, text in generate.pages()}
print(json.dumps({
    "firewall": [e["port"] for e in own["common_firewall_ports"]],
    "ports": sorted(p.port for p in needed_ports(groups, own) if p.component == "toy"),
    "memory": memory_needed(groups, own) - memory_needed(groups - {"toy"}, own),
    "sources": [q["name"] for q in Sources.of(groups, own).questions if q["kind"] == "image"],
    "plan": [s.component.name for s in plan.steps], "upgrade": [c.name for c in UPGRADE_ORDER], "quorums": QUORUMS,
    "status": [[r.component, r.host, r.state, r.detail] for r in summarize(cluster, seen).rows if r.component == "toy"],
    "verify": [l.name for l in links()], "secrets": sorted(PURPOSES),
    "reset": [[s.component.name, s.variables] for s in reset_steps(cluster, frozenset(), data=True) if s.component.name == "toy"],
    "backup": [c.part("backup").part(Saved(context, c, ())).file for c in SAVED if c.name == "toy"],
    "docs": {p.rpartition("/")[2]: "toy" in text for p, text in pages.items()},
}))
'''


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All tables, as a driver with the toy has them."""
    home, ours = tmp_path_factory.mktemp("toys"), project_dir()
    shutil.copytree(ours / "provisioner", home / "provisioner", ignore=shutil.ignore_patterns("__pycache__"))
    for name in BESIDE:
        if (ours / name).exists():
            (home / name).symlink_to(ours / name)
    for name in ("roles", "molecule"):
        (home / name).mkdir()
        for each in (ours / name).iterdir():
            (home / name / each.name).symlink_to(each)
    folder = home / "provisioner/components/toy"
    folder.mkdir()
    for name, text in {"__init__": '"""A toy."""\n', "component": COMPONENT, "wiring": WIRING, "health": HEALTH, "proof": PROOF,
                       "backup": BACKUP}.items():
        (folder / f"{name}.py").write_text(text)
    change(home / "provisioner/components/__init__.py", lambda text: re.sub(r'(ORDER = \([^)]*)\)', r'\1, "toy")', text))
    change(home / "provisioner/cluster/catalogue/builtin.json", lambda text: json.dumps([*json.loads(text), ENTRY]))
    (home / "roles/toy/meta").mkdir(parents=True)
    (home / "roles/toy/meta/argument_specs.yml").write_text(SPEC)
    (home / "roles/toy/README.md").write_text("# toy\n\n<!-- variables -->\n<!-- /variables -->\n")
    (home / "molecule/toy").mkdir()
    (home / "molecule/toy/molecule.yml").write_text("---\n")
    done = subprocess.run([sys.executable, "-c", TABLES], cwd=home, capture_output=True, text=True, check=False,
                          env={"PYTHONPATH": f"{home}:{home / 'lab'}", "PATH": "/usr/bin:/bin", "HOME": str(home)})
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def change(path: Path, how: Callable[[str], str]) -> None:
    text = path.read_text()
    changed = how(text)
    assert changed != text, path
    path.write_text(changed)


def test_hosts_open_its_port_and_only_that_to_others(tables: dict[str, Any]) -> None:
    assert "7777" in tables["firewall"] and "7778" not in tables["firewall"]


def test_preflight_looks_for_its_ports_its_size_and_its_image(tables: dict[str, Any]) -> None:
    assert tables["ports"] == [7777, 7778] and tables["memory"] == 64 and "toys/toy" in tables["sources"]


def test_it_is_built_last_and_upgraded_where_it_says(tables: dict[str, Any]) -> None:
    assert tables["plan"][-1] == "toy"
    assert tables["upgrade"].index("toy") == tables["upgrade"].index("zookeeper") - 1
    assert tables["quorums"]["toy"] == "toy"


def test_its_health_is_asked_on_the_host_and_shown(tables: dict[str, Any]) -> None:
    assert tables["status"] == [["toy", "m1", "ok", "plays with toy"]]


def test_verify_proves_it(tables: dict[str, Any]) -> None:
    assert tables["verify"][-1] == "the toy plays"


def test_reset_removes_it_with_its_data_and_a_backup_keeps_that(tables: dict[str, Any]) -> None:
    assert tables["reset"] == [["toy", {"toy_keep_data": False}]] and tables["backup"] == ["toys.json"]


def test_it_gets_its_secret(tables: dict[str, Any]) -> None:
    assert "vault_toy_secret" in tables["secrets"]


def test_the_documentation_has_it_and_ci_runs_its_scenario(tables: dict[str, Any]) -> None:
    assert [tables["docs"][page] for page in ("components.md", "variables.md", "ci.yml", ".gitlab-ci.yml")] == [True] * 4
