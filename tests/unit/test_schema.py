"""Argument specs become the schema of the inventory."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import ProvisionError
from provisioner.inventory.schema import RENDERED, Variable, load_schema

SPEC = """
argument_specs:
  main:
    short_description: Install it
    options:
      web_port: {type: int, default: 80, description: Port.}
      web_names: {type: list, elements: str, default: [], description: [Names., "As many as you like."]}
      web_level: {type: str, choices: [low, high], default: low, description: Level.}
      web_levels: {type: list, choices: [low, high], default: [low], description: Levels.}
      web_address: {type: str, required: true, description: "Internal, rendered by the driver. Address."}
      web_anything: {type: raw, description: Anything.}
      web_untyped: {description: Text.}
  check:
    options:
      web_other: {type: str}
"""


def role(roles: Path, name: str, spec: str) -> Path:
    """A folder of roles with one more role in it."""
    (roles / name / "meta").mkdir(parents=True)
    (roles / name / "meta" / "argument_specs.yml").write_text(spec)
    return roles


def test_variables_of_the_main_entry_point(tmp_path: Path) -> None:
    schema = load_schema(role(tmp_path, "web", SPEC))
    assert schema.variables["web_port"] == Variable("web_port", "int", "Port.", 80, role="web", spec=tmp_path / "web/meta")
    assert schema.variables["web_names"].description == "Names. As many as you like."
    assert schema.variables["web_level"].choices == ("low", "high")
    assert schema.variables["web_address"].rendered
    assert schema.variables["web_untyped"].type == "str"
    assert "web_other" not in schema.variables
    assert schema.settable("web_") == ("web_anything", "web_level", "web_levels", "web_names", "web_port", "web_untyped")


def test_defaults(tmp_path: Path) -> None:
    schema = load_schema(role(role(tmp_path, "web", SPEC), "dns", SPEC.replace("web_", "dns_")))
    expected = {"web_port": 80, "web_names": [], "web_level": "low", "web_levels": ["low"]}
    assert schema.defaults("web") == expected
    assert schema.all_defaults() == expected | {k.replace("web_", "dns_"): v for k, v in expected.items()}


def test_without_roles_there_are_still_cluster_and_connection_variables(tmp_path: Path) -> None:
    schema = load_schema(tmp_path / "missing")
    assert {n.partition("_")[0] for n in schema.settable()} == {"ansible", "cluster", "zookeeper"}
    assert schema.all_defaults() == {}


def test_zookeeper_id_is_rendered_but_a_host_may_name_it(tmp_path: Path) -> None:
    spec = "argument_specs: {main: {options: {zookeeper_id: {type: int, description: 'Internal, rendered by the driver. Id.'}}}}"
    variable = load_schema(role(tmp_path, "zookeeper", spec)).variables["zookeeper_id"]
    assert (variable.rendered, variable.scope, variable.type) == (True, "host", "int")
    assert not variable.description.startswith(RENDERED)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("web_port", 81, ""),
        ("web_port", True, "must be an integer, not true or false (given: true)"),
        ("web_port", "81", "must be an integer, not text (given: '81')"),
        ("web_port", 1.5, "must be an integer, not a number (given: 1.5)"),
        ("web_names", ["a"], ""),
        ("web_names", ["a", []], "item 2 must be text, not a list"),
        ("web_level", "medium", "is none of its choices (given: 'medium')"),
        ("web_levels", ["low", "high"], ""),
        ("web_levels", ["low", "medium"], "is none of its choices (given: 'medium')"),
        ("web_anything", {"a": [1]}, ""),
        ("web_anything", None, "has no value"),
    ],
)
def test_values_are_checked_against_the_spec(tmp_path: Path, name: str, value: object, problem: str) -> None:
    found, hint = load_schema(role(tmp_path, "web", SPEC)).variables[name].problem(value)
    assert found == problem
    assert bool(hint) == bool(problem)


@pytest.mark.parametrize("spec", ["", "[", "argument_specs: {}", "argument_specs: {main: {options: [a]}}", "a: b"])
def test_a_broken_spec_is_named(tmp_path: Path, spec: str) -> None:
    with pytest.raises(ProvisionError, match="broken argument spec") as caught:
        load_schema(role(tmp_path, "web", spec))
    assert caught.value.where.endswith("web/meta/argument_specs.yml")


def test_two_roles_cannot_declare_the_same_variable(tmp_path: Path) -> None:
    with pytest.raises(ProvisionError, match="web_port is declared twice"):
        load_schema(role(role(tmp_path, "web", SPEC), "web2", SPEC))


def test_the_roles_of_this_project_can_be_read() -> None:
    schema = load_schema()
    assert len(schema.settable("common_")) > 1
    for variable in schema.variables.values():
        if variable.default is not None and not variable.rendered:
            assert variable.problem(variable.default) == ("", ""), variable.name
