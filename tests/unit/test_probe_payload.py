"""The probe as a program: what is sent, what comes back, and what it may be made of."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import provisioner
from provisioner.components import component_names
from provisioner.observe.payload import payload, program, program_sources, read_answer
from provisioner.probe import applied, main
from provisioner.probe.main import MAX_ANSWER, VERSION
from provisioner_lab.testing import sent

OURS = Path(provisioner.__file__).parent
SOURCES = sorted([*(path for path in (OURS / "probe").rglob("*.py")), *(OURS / "components").glob("*/health.py")])


def run(request: dict[str, Any], *, change: tuple[str, str] = ("", ""), cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    command, stdin = payload(request, python=sys.executable)
    return subprocess.run(["sh", "-c", command.replace(*change)], input=stdin, capture_output=True, cwd=cwd, check=False)


def test_a_real_host_answers_facts_and_preflight() -> None:
    request = {"sections": ["facts", "preflight"], "preflight": {"overlay": False, "ports": [], "sources": []}}
    done = run(request)
    answer = read_answer(done.stdout)
    assert (done.returncode, done.stderr, answer["errors"]) == (0, b"", {})
    assert answer["facts"]["cpus"] >= 1  # type: ignore[index]
    assert answer["seconds"] > 0  # type: ignore[operator]


def test_a_python_may_be_looked_up_by_env() -> None:
    command, stdin = payload({"sections": []}, python="/usr/bin/env python3")
    assert read_answer(subprocess.run(["sh", "-c", command], input=stdin, capture_output=True, check=True).stdout)["errors"] == {}


def test_the_same_request_gives_the_same_bytes() -> None:
    first = payload({"sections": ["facts"], "b": 2})
    program.cache_clear()
    assert payload({"b": 2, "sections": ["facts"]}) == first


def test_only_what_is_asked_for_is_sent() -> None:
    nothing, _ = sent(payload({"sections": []})[1])
    assert set(nothing) == {"probe", "probe.main"}
    asked, _ = sent(payload({"sections": ["unsettled", "health"], "health": {"zookeeper": {}}})[1])
    assert {name.removeprefix("probe.") for name in asked} == {
        "probe", "main", "applied", "files", "network", "health", "health.answer", "health.systemd",
        "components", "components.zookeeper", "components.zookeeper.health"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_without_the_words_for_people_it_is_the_same_program(path: Path) -> None:
    class Bare(ast.NodeTransformer):
        """Without docstrings and types."""

        def visit(self, node: ast.AST) -> ast.AST:
            self.generic_visit(node)
            if isinstance(node, ast.Module):
                node.body = [one for one in node.body if not isinstance(one, ast.ImportFrom) or one.module != "typing"]
            if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node, clean=False) is not None:
                del node.body[0]
            if isinstance(node, ast.FunctionDef):
                node.returns = None
            if isinstance(node, ast.arg):
                node.annotation = None
            return ast.Assign([node.target], node.value) if isinstance(node, ast.AnnAssign) and node.value else node

    def same(source: str) -> str:
        return ast.dump(Bare().visit(ast.parse(source)))

    name = ".".join(path.relative_to(OURS).with_suffix("").parts).removesuffix(".__init__")
    short = program_sources()[name]
    assert same(short) == same(path.read_text().replace("from provisioner.probe", "from probe"))
    assert ast.get_docstring(ast.parse(short)) is None
    assert "Any" not in {node.id for node in ast.walk(ast.parse(short)) if isinstance(node, ast.Name)}, "typing is not sent"
    assert len(short) < path.stat().st_size


@pytest.mark.parametrize("component", component_names())
def test_every_component_finds_its_modules(component: str) -> None:
    done = run({"sections": ["health"], "health": {component: {}}})
    answer = read_answer(done.stdout)
    assert answer["errors"] == {}
    detail = answer["health"][component]["detail"]  # type: ignore[index]
    assert "ModuleNotFoundError" not in detail
    assert "ImportError" not in detail


def test_what_was_cut_off_on_the_way_is_not_run() -> None:
    command, stdin = payload({"sections": []}, python=sys.executable)
    done = subprocess.run(["sh", "-c", command], input=stdin[:-20], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"probe: stdin is not what was sent" in done.stderr


def test_nothing_of_the_current_directory_is_imported(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('hijacked')")
    done = run({"sections": []}, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_is_printed_by_accident_does_not_spoil_the_answer() -> None:
    done = run({"sections": []}, change=("from probe import main\n", "print(42); from probe import main\n"))
    assert read_answer(done.stdout)["version"] == VERSION
    assert done.stderr == b"42\n"


def test_a_section_that_breaks_is_named_and_the_others_answer() -> None:
    answer = main.answer_to({"sections": ["preflight", "facts", "nonsense"], "preflight": {"ports": [{"no": "port"}]}})
    assert set(answer["errors"]) == {"preflight", "nonsense"}
    assert answer["errors"]["preflight"] == "KeyError: 'protocol'"
    assert answer["facts"]["hostname"]


def test_an_answer_that_grew_too_large_is_replaced_by_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(main, "answer_to", lambda _: {"version": VERSION, "seconds": 1.0, "facts": {"x": "y" * MAX_ANSWER}})
    with (tmp_path / "out").open("wb") as out:
        main.main({}, os.dup(out.fileno()))
    answer = read_answer((tmp_path / "out").read_bytes())
    assert "are allowed" in answer["errors"]["answer"]  # type: ignore[index]


@pytest.mark.parametrize(("stdout", "said"), [
    (b"Welcome to m1!\n{}", "is not JSON: b'Welcome to m1!"),
    (b"[" * 100_000, "is not JSON"),
    (b"[]", "not an object of version 1"),
    (b'{"version": 2}', "not an object of version 1"),
    (b'{"version": 1, "facts": []}', "a section 'facts' that is not an object"),
    (b" " * (MAX_ANSWER + 1), f"larger than {MAX_ANSWER} bytes"),
])
def test_an_answer_is_not_believed(stdout: bytes, said: str) -> None:
    with pytest.raises(ValueError, match="probe's answer") as error:
        read_answer(stdout)
    assert said in str(error.value)


def test_waiting_ends_when_all_are_ok_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    states = {"zookeeper": iter(["down", "ok", "ok"]), "consul": iter(["ok", "down", "ok"])}
    monkeypatch.setattr(main, "POLL_SECONDS", 0.0)
    monkeypatch.setattr("provisioner.probe.health.ask", lambda component, _: {"state": next(states[component])})
    answers = main.health({"zookeeper": {}, "consul": {}}, 30)
    assert answers == {"zookeeper": {"state": "ok"}, "consul": {"state": "ok"}}
    assert next(states["consul"], "asked three times") == "asked three times"


def test_modules_are_there_before_the_threads_that_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "provisioner.components.consul.health"
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr("provisioner.probe.health.ask", lambda *_: {"state": "ok", "imported": name in sys.modules})
    assert main.health({"consul": {}, "nonsense": {}}, 0)["consul"]["imported"]


def test_waiting_ends_when_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.probe.health.ask", lambda *_: {"state": "down"})
    assert main.health({"consul": {}}, 0) == {"consul": {"state": "down"}}


def test_what_is_not_in_an_accepted_state_is_not_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(applied, "NOTES", str(tmp_path))
    states = {"zookeeper": "ok", "docker": "degraded", "kernel": "down"}
    monkeypatch.setattr(main, "health", lambda asked, wait: {name: {"state": states[name]} for name in asked})
    witness: dict[str, Any] = {"files": [], "units": {}, "packages": [], "listeners": []}
    told: dict[str, Any] = {name: {"witness": witness, "digest": "d", "accept": ["ok"]} for name in states}
    told["kernel"]["accept"] = ["ok", "degraded", "down"]
    answer = main.answer_to({"sections": ["health", "record"], "health": dict.fromkeys(states), "notes": told})
    assert (answer["errors"], answer["record"]) == ({}, {"zookeeper": [], "kernel": []})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kernel.json", "zookeeper.json"]
    monkeypatch.setattr(main, "health", lambda asked, wait: 1 / 0)
    assert "record" in main.answer_to({"sections": ["health", "record"], "health": {}, "notes": told})["errors"], "nobody knows"


def test_a_component_whose_probe_breaks_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(component: str, request: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError(component)

    monkeypatch.setattr("provisioner.probe.health.ask", broken)
    assert main.health({"dns": {}}, 0)["dns"] == {"state": "down", "detail": "the probe of dns failed: ZeroDivisionError: dns"}


@pytest.mark.parametrize("path", [*SOURCES, OURS / "hosts/remote_agent.py", OURS / "run/lock_keeper.py", OURS / "mirror/receiver.py"],
                         ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_the_hosts_half_is_plain_python_3_6(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 6))
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [] if (node.module or "").startswith("provisioner.probe.") else [node.module or ""]
            assert node.module != "__future__", "unknown before Python 3.7"
        for name in names:
            assert name.split(".")[0] in sys.stdlib_module_names, f"{name} is not in the standard library"
        if isinstance(node, ast.keyword):
            assert node.arg not in ("capture_output", "text", "missing_ok"), f"line {node.value.lineno}: newer than Python 3.6"


def test_the_request_travels_as_json() -> None:
    request = {"sections": ["facts"], "name": "Zoë"}
    assert sent(payload(request)[1])[1] == request
