"""`mirror pull --make`: what nobody serves is made by another distribution's recipe, and locked with all that it depends on."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import ProvisionError, StepFailed, UsageError
from provisioner.mirror.lock import MADE, VENDOR
from provisioner.verbs import sources
from tests.unit.mirror.served import deb
from tests.unit.mirror.vendored import Operator, Site, operator

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("apt-get", "apt-ftparchive", "gpg", "dpkg-deb"))),
                                reason="needs apt-utils, gnupg and dpkg")
RECIPE = """
import pathlib
def recipe(system, say):
    say(f"making for {system.name}")
    return next(pathlib.Path(__file__).parent.glob("mesos_*.deb"))
"""


@dataclass
class Maker(Operator):
    """One whose cluster wants a Mesos that is made, and the recipe."""

    recipe: Path

    def package(self, version: str = "1.11.0-lab1", depends: str = "libneeded (>= 1), libcurl3t64 | libshared", word: str = "") -> Path:
        """What the recipe makes."""
        return deb(self.recipe, "mesos", version, depends, "amd64", word)


@pytest.fixture
def maker(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    own = operator(site, tmp_path, "{mesos: 1.11.0-lab1}")
    recipe = tmp_path / "recipe"
    about = recipe / "maker.dist-info"
    about.mkdir(parents=True)
    (about / "entry_points.txt").write_text("[provisioner.recipes]\nmesos = recipe_of_a_test:recipe\n")
    (recipe / "recipe_of_a_test.py").write_text(RECIPE)
    monkeypatch.syspath_prepend(recipe)
    monkeypatch.delitem(sys.modules, "recipe_of_a_test", raising=False)
    made = Maker(site, own.inventory, own.origin, recipe)
    made.package()
    return made


def test_it_is_made_only_if_somebody_says_so_and_then_no_more(maker: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    assert maker.lock() == 0
    said = capsys.readouterr().err
    assert "not in the lock yet: mesos 1.11.0-lab1: no public repository has the package mesos: make it, for evaluation:" in said
    assert "--make mesos" in said and "libneeded" not in {a.name for a in maker.locked.artefacts}
    assert maker.pulled() == 5
    said = capsys.readouterr().err
    assert "make it, for evaluation" in said and "what has to be made is not" in said
    assert maker.pulled("mesos") == 0
    said = capsys.readouterr().err
    assert "making for debian12/amd64" in said
    assert "mesos 1.11.0-lab1 (debian12/amd64) was made here, for evaluation" in said
    assert (maker.line("mesos").origin, maker.line("mesos").component, maker.line("mesos").url) == (MADE, "mesos", "")
    assert {a.name: (a.origin, a.component) for a in maker.locked.artefacts if a.name in ("libneeded", "libshared")} == {
        "libneeded": (VENDOR, "mesos"), "libshared": (VENDOR, "mesos")}
    index = (maker.site.folder.apt / "dists" / "bookworm" / "main" / "binary-amd64" / "Packages").read_text()
    assert "Package: mesos\n" in index and "Package: libneeded\n" in index
    listed = json.loads((maker.site.folder.www / "catalogue.json").read_text())
    assert next(row["note"] for row in listed if row["component"] == "mesos").startswith("for evaluation")
    maker.package().write_bytes(b"")
    before = str(maker.locked)
    assert (maker.pulled("mesos"), maker.pulled(), maker.lock()) == (0, 0, 0)
    assert str(maker.locked) == before


def test_what_was_made_is_said_to_be_for_evaluation(maker: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    maker.lock()
    maker.pulled("mesos")
    capsys.readouterr()
    maker.lock()
    assert "mesos 1.11.0-lab1 (debian12/amd64): made, for evaluation" in capsys.readouterr().err
    assert sources.run(Context(maker.inventory), Console(), sources.Options(("debian12/amd64",), json=True)) == 5
    rows = json.loads(capsys.readouterr().out)["artefacts"]
    mesos = next(row for row in rows if row["name"] == "mesos")
    assert mesos["made"].startswith("for evaluation") and "--make mesos" in mesos["instead"]
    assert [row["name"] for row in rows if row["made"]] == ["mesos"], "what it depends on comes from the distribution"


def test_what_was_made_and_is_lost_is_named_and_other_bytes_are_refused(maker: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    maker.lock()
    maker.pulled("mesos")
    file = maker.site.folder.root / maker.line("mesos").path
    file.unlink()
    assert maker.pulled() == 5
    assert "--make mesos makes it" in capsys.readouterr().err
    assert maker.pulled("mesos") == 0, "the same bytes"
    assert file.is_file()
    file.unlink()
    maker.package(word="other")
    with pytest.raises(UsageError, match=r"mesos 1\.11\.0-lab1 \(debian12/amd64\): other content under the same version: locked is sha256"):
        maker.pulled("mesos")
    assert not file.exists()


def test_a_name_that_can_not_be_made_is_refused(maker: Maker) -> None:
    maker.lock()
    with pytest.raises(UsageError, match="nothing is known of how to make it") as caught:
        maker.pulled("registrator")
    assert caught.value.hint == "what can be made: mesos"
    maker.inventory.write_text(maker.inventory.read_text().replace("{mesos: 1.11.0-lab1}", "{}"))
    with pytest.raises(UsageError, match=r"the inventory wants 1\.11\.0-0\.9\.0, which can't be made") as caught:
        maker.pulled("mesos")
    assert "cluster_versions: {mesos: 1.11.0-lab1}" in caught.value.hint


def test_a_recipe_must_be_there_and_make_what_the_catalogue_says(maker: Maker) -> None:
    maker.lock()
    before = str(maker.locked)
    for each in maker.recipe.glob("*.deb"):
        each.unlink()
    maker.package("1.12.0-lab1")
    with pytest.raises(ProvisionError, match=r"made mesos 1\.12\.0-lab1, the catalogue says mesos 1\.11\.0-lab1"):
        maker.pulled("mesos")
    shutil.rmtree(maker.recipe / "maker.dist-info")
    assert str(maker.locked) == before


def test_what_it_depends_on_and_no_source_has_is_said(maker: Maker) -> None:
    maker.lock()
    maker.package(depends="libnowhere")
    before = str(maker.locked)
    with pytest.raises(StepFailed, match=r"mesos on debian12/amd64: what mesos 1\.11\.0-lab1 depends on is in no source \(libnowhere\)"):
        maker.pulled("mesos")
    assert str(maker.locked) == before
