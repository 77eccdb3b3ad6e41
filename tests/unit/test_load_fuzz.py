"""Whatever a file holds, the answer is a Cluster or an InventoryError, and it comes soon."""

from __future__ import annotations

import math
import string
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.components.mesos_agent.resources import task_ports
from provisioner.errors import InventoryError
from provisioner.inventory.formats import HOSTS_MAX, expand
from provisioner.inventory.load import load
from provisioner.paths import inventory_examples_dir
from provisioner.state.yaml_document import parse, read_text
from tests.unit.builders import SCHEMA

BOUNDED = settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
_EXAMPLES = [path.read_text() for path in sorted(inventory_examples_dir().glob("*.yml"))]
_NOISE = "\0 \u202e \t &a *a << !!int --- : - [ ] { } ' \" # | > % 0x 1e999 ~ ::1"
_WORDS = ("all", "masters", "agents", "zookeeper", "hosts", "vars", "children", "m1", "m[1:3]", "{{ x }}")
_PIECES = st.sampled_from([*SCHEMA.variables, *_NOISE.split(" "), *_WORDS, "\n", "  ", ": ", "- "])
_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), _PIECES)
_TREES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | _PIECES, inner, max_size=4),
    max_leaves=12,
)


def outcome(content: str | bytes) -> str:
    """`ok` or the text of the InventoryError; anything else that is raised is a bug."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "inventory.yml")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        try:
            cluster = load(path, SCHEMA, text=read_text(path, str(path)))
        except InventoryError as error:
            assert str(error)
            assert all(c.isprintable() or c == "\n" for c in str(error))
            return str(error)
    assert cluster.hosts
    return "ok"


@BOUNDED
@given(st.binary(max_size=400))
def test_random_bytes(content: bytes) -> None:
    outcome(content)


@BOUNDED
@given(st.sampled_from(_EXAMPLES), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 40), _PIECES), min_size=1, max_size=4))
def test_damaged_examples(text: str, edits: list[tuple[int, int, str]]) -> None:
    for start, length, piece in edits:
        text = text[:start] + piece + text[start + length :]
    outcome(text)


@BOUNDED
@given(st.dictionaries(st.sampled_from(["all", "masters", "agents", "zookeeper", "chronos"]), _TREES, max_size=4))
def test_well_formed_nonsense(tree: dict[str, object]) -> None:
    outcome(_yaml(tree))


@BOUNDED
@given(st.sampled_from(sorted(SCHEMA.variables)), _TREES, st.sampled_from(["vars", "host"]))
def test_any_value_for_any_variable(name: str, value: object, place: str) -> None:
    variables = {name: value}
    hosts: dict[str, object] = {"m1": variables if place == "host" else {}, "m2": None, "m3": None}
    outcome(_yaml({"all": {"vars": {} if place == "host" else variables}, "masters": {"hosts": hosts}}))


@BOUNDED
@given(st.text(alphabet="[]:" + string.digits + "amz", max_size=30))
def test_host_patterns(pattern: str) -> None:
    try:
        assert 1 <= len(expand(pattern)) <= HOSTS_MAX
    except ValueError as error:
        assert "range" in str(error) or "hosts" in str(error)


@BOUNDED
@given(st.text(alphabet='ports(*):[]0-9;, {}"nameinfrb', max_size=60) | st.text(max_size=30))
def test_resources(text: str) -> None:
    try:
        assert all(1 <= first <= last <= 65535 for first, last in task_ports(text))
    except ValueError as error:
        assert str(error).startswith(("has", "must", "is neither"))


@BOUNDED
@given(_TREES.filter(lambda tree: tree is not None))
def test_what_is_quoted_is_read_as_written(tree: object) -> None:
    text = _yaml({"x": tree})
    try:
        node = parse(text, "f")
    except InventoryError:
        return
    assert node is not None
    assert _yaml(node.plain()) == text


def _yaml(value: object) -> str:
    """Flow style with every text quoted, written by us so that no library hides what a loader must see."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(str(k))}: {_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        # YAML 1.1 has no exponent without a sign and calls infinity .inf.
        return f"{value:.17f}" if math.isfinite(value) else f".{value}".replace(".-", "-.")
    return str(value)


def _quoted(text: str) -> str:
    return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in text) + '"'
