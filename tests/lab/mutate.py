"""`make mutants`: breaks each role on purpose and checks that its scenario notices and says why.

A scenario's `mutations.yml` lists them: `file` (below the project), `find`, `replace`, `expect` (a regular expression that the
scenario's output must match). Each runs in a copy of the project, on the lab of the scenarios; afterwards the role is brought up
again as it should be. `python -m tests.lab.mutate [SCENARIO …]` prints one row per mutation, in the form of the table in
docs/testing.md.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.lab.support.checkout import ROOT
from tests.lab.support.results import keep

#: What a copy of the project needs to run a scenario.
COPIED = ("ansible.cfg", "collections", "inventory", "lab", "molecule", "playbooks", "provisioner", "pyproject.toml", "roles", "tests")


def mutations(names: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """(scenario, mutation) of the scenarios named, or of all."""
    files = sorted(ROOT.glob("molecule/*/mutations.yml"))
    return [(f.parent.name, m) for f in files if not names or f.parent.name in names for m in yaml.safe_load(f.read_text())]


def outcome(scenario: str, mutation: dict[str, Any], copy: Path) -> str:
    """`caught`, `caught, cause not named` or `NOT CAUGHT`; ValueError when the text to replace is not in the file."""
    file = copy / mutation["file"]
    text = file.read_text()
    if mutation["find"] not in text:
        raise ValueError(f"{scenario}: {mutation['file']} does not hold {mutation['find']!r}")
    file.write_text(text.replace(mutation["find"], mutation["replace"], 1))
    try:
        done = _molecule(copy, "test", scenario)
    finally:
        file.write_text(text)
    if done.returncode == 0:
        return "NOT CAUGHT"
    said = done.stdout + done.stderr
    if re.search(mutation["expect"], said):
        return "caught"
    print(f"{scenario}: nothing like {mutation['expect']!r} in what it said; the end of that:\n{said[-6000:]}", file=sys.stderr)
    return "caught, cause not named"


def _recover(copy: Path, scenario: str) -> bool:
    """Bring the role up as it should be. Twice if need be: a plain converge restarts all of a component's members at once."""
    for _ in range(2):
        again = _molecule(copy, "converge", scenario)
        if again.returncode == 0:
            return True
        print(f"{scenario} does not recover:\n{again.stdout[-3000:]}{again.stderr[-2000:]}", file=sys.stderr)
    return False


def _shorten(base: Path) -> None:
    """The first test that fails is enough, and nobody waits for a second converge."""
    settings = yaml.safe_load(base.read_text())
    settings["scenario"]["test_sequence"] = ["create", "prepare", "converge", "verify", "destroy"]
    settings["verifier"]["options"]["x"] = True
    base.write_text(yaml.safe_dump(settings))


def _molecule(folder: Path, action: str, scenario: str) -> subprocess.CompletedProcess[str]:
    # COLUMNS: Molecule breaks lines at 80 characters otherwise, in the middle of what a mutation expects.
    environment = {**os.environ, "KEEP_LAB": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                   "PYTHONPATH": str(folder), "PROVISION_LAB_HOME": str(ROOT), "COLUMNS": "1000"}
    # Named, because Molecule looks for it at the root of a git checkout, which a copy is not.
    command = ["molecule", "--base-config", str(folder / "molecule/base.yml"), action, "--scenario-name", scenario]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def main(names: list[str]) -> int:
    """Exit code 0 when every mutation was caught and its cause named."""
    good = True
    table = ["| scenario | what was broken | outcome |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        copy.mkdir()
        for name in COPIED:
            source = ROOT / name
            shutil.copytree(source, copy / name) if source.is_dir() else shutil.copy2(source, copy / name)
        _shorten(copy / "molecule/base.yml")
        for scenario, mutation in mutations(names):
            found = outcome(scenario, mutation, copy)
            good = good and found == "caught"
            change = f"{mutation['file']}: `{mutation['find']}` → `{mutation['replace']}`".replace("\n", "⏎")
            table.append(f"| {scenario} | {change} | {found} |")
            print(table[-1], flush=True)
            recovered = _recover(copy, scenario)
            _molecule(copy, "destroy", scenario)  # else Molecule would take the next one's hosts as prepared
            if not recovered:
                return 1
    keep("mutations", "\n".join(table))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
