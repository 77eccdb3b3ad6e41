"""The two wheels: the driver's holds nothing of the lab, and the lab's works where nothing of this checkout is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from docs.generate import COMPLETIONS, SHARE
from provisioner.paths import project_dir
from provisioner_lab.cache import tree_digest
from provisioner_lab.images.bootstrap import node_recipe, python_recipe
from provisioner_lab.mirror.stand_ins import read_stand_ins
from provisioner_lab.paths import lab_dir
from provisioner_lab.systems import SYSTEMS

DATA = ("images", "mesos", "mirror", "node", "stand_ins", "vagrant", "vendors")
#: What decides how a lab is built, as JSON: where the files lie, and the stamps of what is made of them.
STAMPS = """
import json
from provisioner_lab.cache import tree_digest
from provisioner_lab.images.bootstrap import node_recipe, python_recipe
from provisioner_lab.mirror.stand_ins import read_stand_ins
from provisioner_lab.paths import lab_dir
from provisioner_lab.systems import SYSTEMS

debs, images = read_stand_ins(lab_dir() / "stand_ins")
print(json.dumps({"lab_dir": str(lab_dir()), "mesos": tree_digest(lab_dir() / "mesos"),
                  "stand_ins": [each.stamp for each in (*debs, *images)],
                  "images": [python_recipe().tag, *(node_recipe(which).tag for which in SYSTEMS)]}))
"""


def built(source: Path, folder: Path) -> Path:
    """The wheel of a distribution. Nothing is downloaded for it."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)], cwd=source, check=True,
                   capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The driver's and the lab's."""
    return (built(project_dir(), tmp_path_factory.mktemp("driver")), built(project_dir() / "lab", tmp_path_factory.mktemp("lab")))


def install(target: Path, *wheels: Path) -> Path:
    """A folder with these wheels; what they need is this environment's."""
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile",
                    "--disable-pip-version-check", "--target", str(target), *map(str, wheels)], check=True, capture_output=True)
    return target


@pytest.fixture(scope="module")
def installed(wheels: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both."""
    return install(tmp_path_factory.mktemp("installed"), *wheels)


@pytest.fixture(scope="module")
def alone(wheels: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the driver only, and beside it what it needs of this environment, without this checkout and its lab."""
    target = install(tmp_path_factory.mktemp("alone"), wheels[0])
    mine = ("provisioner", "_provisioner", "__editable__")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(mine) and path.suffix != ".pth" and not (target / path.name).exists():
            (target / path.name).symlink_to(path)
    return target


def python(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=installed, env=environment, capture_output=True, text=True, check=True)


def provision(alone: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The installed program in a folder, in a Python that knows of no other packages."""
    environment = {**os.environ, "PYTHONPATH": str(alone), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-S", str(alone / "bin" / "provision"), *words], cwd=folder, env=environment,
                          capture_output=True, text=True, check=False)


def test_the_drivers_wheel_has_no_lab_and_no_test_equipment(wheels: tuple[Path, Path]) -> None:
    names = zipfile.ZipFile(wheels[0]).namelist()
    assert {name.partition("/")[0] for name in names} == {"provisioner", "provisioner-0.1.0.dist-info", "provisioner-0.1.0.data"}
    words = ("provisioner_lab", "standin", "stand_in", "molecule", "/tests/", "/testing", "fake", "pytest", "conftest", "/bench/")
    assert [name for name in names if any(word in name for word in words)] == []
    assert "provisioner/_data/roles/zookeeper/tasks/main.yml" in names


def test_the_installed_driver_works_alone_from_any_folder(alone: Path, tmp_path: Path) -> None:
    helped = provision(alone, tmp_path, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "\n  completion " in helped.stdout and "\n  lab " not in helped.stdout
    assert provision(alone, tmp_path, "init").returncode == 0
    key = tmp_path / "key"
    key.touch()
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("all:\n  vars: {cluster_name: c, ansible_user: admin, ansible_ssh_private_key_file: " + str(key) + "}\n"
                         "  children:\n    masters: {hosts: {m1: {ansible_host: 192.0.2.1}}}\n")
    valid = provision(alone, tmp_path, "validate", "--hosts", "inventory.yml")
    assert (valid.returncode, valid.stderr.splitlines()[0]) == (0, "inventory: inventory.yml")
    assert "valid: cluster c, 1 host " in valid.stdout
    refused = provision(alone, tmp_path, "status", "--lab", "x")
    assert (refused.returncode, refused.stderr) == (2, "error: the lab is not installed\n→ pip install provisioner-lab\n")


def test_completion_and_the_manual_page_are_installed(alone: Path) -> None:
    for path in (*COMPLETIONS.values(), "man/man1/provision.1"):
        assert (alone / "share" / path).read_text() == (SHARE / path).read_text()


def test_the_labs_wheel_has_all_its_files_and_no_tests(wheels: tuple[Path, Path]) -> None:
    names = [name for name in zipfile.ZipFile(wheels[1]).namelist() if not name.startswith("provisioner_lab-0.1.0.dist-info/")]
    ours = {"provisioner_lab": lab_dir() / "provisioner_lab", **{f"provisioner_lab/_data/{part}": lab_dir() / part for part in DATA}}
    here = {f"{place}/{path.relative_to(folder)}" for place, folder in ours.items() for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts}
    assert sorted(names) == sorted(here)
    others = {path.name for path in lab_dir().iterdir() if path.is_dir()} - {"provisioner_lab", "tests"}
    assert others - {name for name in others if name.startswith(".")} == set(DATA)


def test_an_installed_lab_is_built_of_the_same(installed: Path) -> None:
    found = json.loads(python(installed, "-c", STAMPS).stdout)
    debs, images = read_stand_ins(lab_dir() / "stand_ins")
    assert found == {
        "lab_dir": str(installed / "provisioner_lab" / "_data"),
        "stand_ins": [*(deb.stamp for deb in debs), *(image.stamp for image in images)],
        "mesos": tree_digest(lab_dir() / "mesos"),
        "images": [python_recipe().tag, *(node_recipe(which).tag for which in SYSTEMS)],
    }


def test_an_installed_lab_adds_its_verb_and_its_fixture(installed: Path) -> None:
    assert "snapshot" in python(installed, "-m", "provisioner.cli", "lab", "--help").stdout
    said = python(installed, "-m", "pytest", "--help", "-p", "no:cacheprovider").stdout
    assert "--provision-lab" in said
    where = python(installed, "-c", "import provisioner, provisioner_lab; print(provisioner.__file__, provisioner_lab.__file__)").stdout
    assert [Path(path).parent.parent for path in where.split()] == [installed, installed]
