"""Machines from Terraform: the lab through `terraform/lab`, with a host that does not answer at first; nothing is left in the end."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.inventory.load import load
from provisioner.paths import project_dir
from provisioner.verbs.infra.terraform import PROGRAMS, Terraform
from provisioner_lab.under_test import provision
from tests.lab.support.checkout import lab_name

pytestmark = [pytest.mark.own_lab, pytest.mark.skipif(not any(map(shutil.which, PROGRAMS)), reason="no terraform or tofu is installed")]
LAB = lab_name("infra")
VARIABLES = (f"name={LAB}", "masters=1", "agents=1")


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.strip()


def left_of_the_lab() -> list[str]:
    """Containers, volumes and networks."""
    mine = ["--filter", f"label=provisioner.lab={LAB}", "--quiet"]
    return [*docker("ps", "--all", *mine).split(), *docker("volume", "ls", *mine).split(), *docker("network", "ls", *mine).split()]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The module on its own, so that its state and the lab's files are not in the checkout."""
    (tmp_path / "lab").mkdir()
    shutil.copy(project_dir() / "terraform" / "lab" / "main.tf", tmp_path / "lab")
    provision("lab", "down", "--ignore-missing", "--name", LAB, directory=tmp_path)
    yield tmp_path
    provision("lab", "down", "--ignore-missing", "--name", LAB, directory=tmp_path)  # after a test that failed


def infra(folder: Path, action: str, *more: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    variables = [word for text in VARIABLES for word in ("--var", text)]
    return provision("infra", action, "--dir", "lab", *variables, *more, directory=folder, check=check)


def test_a_lab_through_terraform_whose_agent_does_not_answer_at_first(folder: Path) -> None:
    # What `infra up` does first, so that the host freezes before anybody has asked it.
    terraform = Terraform(folder / "lab", VARIABLES, say=print)
    terraform.plan(folder / "plan", print)
    terraform.apply(folder / "plan")
    docker("pause", f"{LAB}-a1")

    stuck = infra(folder, "up", "--yes", "--wait", "3", check=False)
    assert stuck.returncode == 4, stuck.stderr
    assert "no way in by SSH" in stuck.stderr
    address = load(folder / "inventory.yml").host("a1").address
    assert f"a1 ({address}): " in stuck.stderr
    assert "the same command goes on from here: provision infra up --dir lab" in stuck.stderr
    known = folder / ".provision" / f"lab-{LAB}" / "known_hosts"
    assert [line.split()[0] for line in known.read_text().splitlines()] == [load(folder / "inventory.yml").host("m1").address]
    shown = infra(folder, "show", "--json", check=False)
    assert (shown.returncode, {name: host["answers"] for name, host in json.loads(shown.stdout)["hosts"].items()}) == (
        4, {"m1": True, "a1": False})

    docker("unpause", f"{LAB}-a1")
    assert "2 hosts answer" in infra(folder, "up", "--yes").stderr
    assert infra(folder, "plan", "--detailed-exitcode").returncode == 0
    assert json.loads(infra(folder, "show", "--json").stdout)["cluster"] == f"lab-{LAB}"
    hosts = provision("run", "--hosts", "inventory.yml", "hostname", directory=folder).stdout
    assert {"m1", "a1"} <= set(hosts.replace(":", " ").split())
    provision("validate", "--hosts", "inventory.yml", directory=folder)

    assert infra(folder, "down", check=False).returncode == 2, "it wants the name"
    infra(folder, "down", "--yes", f"lab-{LAB}")
    assert left_of_the_lab() == []
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and ".provision" in path.parts) == []
    assert not (folder / "inventory.yml").exists()
    assert json.loads((folder / "lab" / "terraform.tfstate").read_text())["resources"] == []
