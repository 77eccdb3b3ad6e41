"""A cluster of one machine: its sizes, what a plan says of it, and what it can't do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provisioner.components import COMPONENTS
from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import InventoryError
from provisioner.inventory.load import load
from provisioner.inventory.render import host_variables
from provisioner.inventory.schema import load_schema
from provisioner.observe.preflight.size import MEMORY_GOOD, memory_needed
from provisioner.plan.make import make_plan
from provisioner.plan.quorum import interruption
from provisioner.plan.versions import Move
from provisioner.state.ledger import assign
from provisioner.state.ledger import load as load_ledger
from provisioner.state.ledger import save as save_ledger
from provisioner.verbs import init
from tests.unit.builders import AGENT, MASTER, as_voter, cluster, hosts, masters, observed, rendered

ONE = cluster(*hosts("m1", groups=MASTER | AGENT))
SERVES: dict[str, Any] = {"m1": {c.name: {"state": "ok", "leader": c.election is not None} for c in COMPONENTS}}
STOPS = "this stops the cluster for a while: there is no other member of {} to take over"
#: What the kernel leaves of 4 GiB, in MiB, and what the Mesos agent of such a machine offers.
MACHINE, OFFERED = 3900, 1024
SINGLE = "masters: {hosts: {m1: {ansible_host: 192.0.2.1}}}\nagents: {hosts: {m1: }}\n"
ANOTHER = SINGLE.replace("{m1: }", "{m1: , a1: {ansible_host: 192.0.2.2}}")


def written(folder: Path, text: str) -> Context:
    """As the next command finds it."""
    path = folder / "inventory.yml"
    path.write_text(text)
    return Context(path, cluster=load(path))


def sizes(context: Context, host: str = "m1") -> dict[str, Any]:
    """What the rendered inventory says where the roles' defaults are larger."""
    seen, names = host_variables(context.rendered, host), [name for c in COMPONENTS for name in c.small]
    return {name: seen[name] for name in names if name in seen}


SMALL = {name: value for c in COMPONENTS for name, value in c.small.items()}


def test_all_of_it_and_the_tasks_fit_into_4_gib(tmp_path: Path) -> None:
    context = written(tmp_path, SINGLE)
    need = memory_needed(context.cluster.hosts[0].groups, host_variables(context.rendered, "m1"))
    assert need * MEMORY_GOOD <= MACHINE, "preflight finds no fault with it"
    assert need + OFFERED <= MACHINE
    assert (sizes(context), SMALL["mesos_agent_resources"]) == (SMALL, f"mem:{OFFERED}")
    assert SMALL.keys() <= {v.name for v in load_schema().variables.values() if v.role and not v.rendered}


def test_init_writes_one_for_this_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init.run(Console(), init.Options(str(tmp_path), local=True)) == 0
    host, = load(tmp_path / "inventory.yml").hosts
    assert (host.local, {"masters", "agents"} <= host.groups) == (True, True)
    assert "Next: 'provision validate --hosts" in capsys.readouterr().err


def test_a_lone_host_without_groups_is_told_what_to_write(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text("all: {hosts: {m1: {ansible_host: 192.0.2.1}}}\n")
    with pytest.raises(InventoryError) as error:
        load(path)
    advice = str(error.value).partition("all on this one: ")[2].partition(" below all")[0]
    path.write_text(f"all: {{hosts: {{m1: {{ansible_host: 192.0.2.1}}}}, {advice}}}\n")
    assert load(path).members("marathon") == load(path).members("mesos_agent") == load(path).hosts


def test_what_is_written_anywhere_counts(tmp_path: Path) -> None:
    found = sizes(written(tmp_path, SINGLE + "all: {vars: {marathon_heap_mb: 900}}\n"))
    assert found == {**SMALL, "marathon_heap_mb": 900}


def test_a_cluster_of_several_machines_keeps_the_defaults(tmp_path: Path) -> None:
    context = written(tmp_path, ANOTHER)
    assert sizes(context) == sizes(context, "a1") == {}


@pytest.mark.parametrize(("first", "then", "small"), [(SINGLE, ANOTHER, SMALL), (ANOTHER, SINGLE, {})])
def test_a_host_keeps_its_size_when_the_cluster_grows_or_shrinks(tmp_path: Path, first: str, then: str, small: dict[str, Any]) -> None:
    begun = written(tmp_path, first)
    save_ledger(begun.cluster, begun.ledger)
    context = written(tmp_path, then)
    assert load_ledger(context.cluster).small == begun.ledger.small
    assert sizes(context) == small


def test_a_cluster_that_was_there_before_keeps_the_defaults(tmp_path: Path) -> None:
    context = written(tmp_path, SINGLE)
    path = context.cluster.state_dir / "ledger.yml"
    save_ledger(context.cluster, context.ledger)
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("small:")))
    assert assign(load_ledger(context.cluster), context.cluster).small == frozenset()
    assert sizes(written(tmp_path, SINGLE)) == {}


def test_a_plan_that_changes_the_only_member_stops_the_cluster() -> None:
    seen = observed(ONE, SERVES)
    plan = make_plan(ONE, rendered(ONE, as_voter), seen, full=True)
    assert interruption(plan, ONE, seen) == STOPS.format("Consul, ZooKeeper, Mesos master, Marathon, Chronos")
    one = make_plan(ONE, rendered(ONE, as_voter), seen, full=True, only=("docker", "zookeeper"))
    assert interruption(one, ONE, seen) == STOPS.format("ZooKeeper")


def test_nothing_stops_where_nothing_serves_yet_or_others_take_over() -> None:
    fresh = observed(ONE, {})
    assert interruption(make_plan(ONE, rendered(ONE, as_voter), fresh), ONE, fresh) == ""
    three = cluster(*masters(3))
    seen = observed(three, {h.name: SERVES["m1"] for h in three.hosts})
    assert interruption(make_plan(three, rendered(three, as_voter), seen, full=True), three, seen) == ""


def test_the_only_agent_is_drained_to_nowhere() -> None:
    moving = {"docker": {"m1": Move("20.10.24", "26.1.5")}}
    steps = make_plan(ONE, rendered(ONE, as_voter), observed(ONE, SERVES), full=True, moving=moving).steps
    assert [step.describe() for step in steps if step.verb == "drain"] == [
        "drain Mesos agent on m1: its tasks end, as there is no other agent, and start anew on it"]
