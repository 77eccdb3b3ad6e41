"""The lab's package of Mesos, without building it: releases, what changes it, who gets it."""

from __future__ import annotations

import ipaddress
import itertools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from provisioner.cluster import catalogue
from provisioner.errors import ProvisionError, UsageError
from provisioner.mirror import recipes, systems
from provisioner.mirror.brought import Artifacts, read_artifacts
from provisioner.mirror.files import file_sha256
from provisioner.mirror.images import Layer
from provisioner_lab import cache, work
from provisioner_lab.hosts import engine, network
from provisioner_lab.images import bootstrap
from provisioner_lab.mirror import content, mesos
from provisioner_lab.packages import package_index
from provisioner_lab.packages.package_index import Wanted
from provisioner_lab.paths import lab_dir
from provisioner_lab.systems import system
from samples import package

BASE = Layer(Path("x"), "d", "i")


def test_two_releases_are_described_and_the_newer_one_is_the_labs() -> None:
    found = mesos.releases()
    assert set(found) == {"1.10.0", "1.11.0"}
    assert mesos.current() == found["1.11.0"]
    assert all(re.fullmatch("[0-9a-f]{64}", release.archive.sha256) for release in found.values())
    assert {release.archive.project for release in found.values()} == {"mesos.scheduler"}
    assert (found["1.10.0"].defines, found["1.11.0"].defines) == (("MESOS_1_10",), ())


def stamped(where: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(mesos, "lab_dir", lambda: where)
    return mesos.stamp(mesos.current(), system("debian13"), "node:1")


@pytest.mark.parametrize("file", ["native/master.cpp", "native/shim.py", "native/Makefile", "package/DEBIAN/control", "build.sh",
                                  "executors/mesos-fetcher"])
def test_whatever_goes_into_the_package_makes_it_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    shutil.copytree(lab_dir() / "mesos", tmp_path / "mesos")
    before = stamped(tmp_path, monkeypatch)
    (tmp_path / "mesos" / "README.md").write_text("other words")
    assert stamped(tmp_path, monkeypatch) == before
    with (tmp_path / "mesos" / file).open("a") as more:
        more.write("\n")
    assert stamped(tmp_path, monkeypatch) != before


def test_another_archive_or_image_makes_it_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(lab_dir() / "mesos", tmp_path / "mesos")
    before = stamped(tmp_path, monkeypatch)
    assert mesos.stamp(mesos.current(), system("debian13"), "node:2") != before
    path = tmp_path / "mesos" / "releases.json"
    path.write_text(path.read_text().replace(mesos.current().archive.sha256, "0" * 64))
    assert stamped(tmp_path, monkeypatch) != before


def test_hosts_of_one_debian_release_share_a_package() -> None:
    release = mesos.current()
    assert mesos.stamp(release, system("debian12"), "node:1") == mesos.stamp(release, system("rocky9"), "node:2")


def test_the_mirror_has_it_unless_another_was_brought(tmp_path: Path) -> None:
    ours = content.ingredients(system("debian12"), "image", BASE, Artifacts())
    assert ours.mesos == mesos.current()
    package(tmp_path / "deb", "mesos", "1.11.0-2.0.1")
    theirs = content.ingredients(system("debian12"), "image", BASE, read_artifacts(tmp_path))
    assert theirs.mesos is None
    assert [deb.name for deb in (*ours.debs, *theirs.debs) if deb.name == "mesos"] == []


def test_the_mirror_is_made_again_when_the_package_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = content.ingredients(system("debian12"), "image", BASE, Artifacts())
    before = wanted.stamp
    monkeypatch.setattr(mesos, "stamp", lambda *of: "other")
    assert wanted.stamp != before


def test_it_is_compiled_of_sources_that_it_cant_change() -> None:
    command = mesos.compilation(mesos.releases()["1.10.0"], Path("/c/a.tar.gz"), "image", Path("/tools"), Path("/new"))
    mounts = [value for flag, value in itertools.pairwise(command) if flag == "--volume"]
    assert [mount for mount in mounts if not mount.endswith(":ro")] == ["/new:/out"]
    assert command[command.index("/build.sh") + 1:][2:4] == ["1.10.0", "MESOS_1_10"]


def test_a_build_that_fails_leaves_nothing_that_its_user_cant_remove(tmp_path: Path) -> None:
    (tmp_path / "dpkg").write_text("#!/bin/sh\n")
    (tmp_path / "make").write_text("#!/bin/sh\nexit 2\n")
    (tmp_path / "chown").write_text('#!/bin/sh\necho "$@"\n')
    for program in tmp_path.iterdir():
        program.chmod(0o755)
    done = subprocess.run(["sh", str(lab_dir() / "mesos" / "build.sh"), "a", "m", "1.11.0", "", "1000:1000"], text=True, check=False,
                          env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, capture_output=True)
    assert (done.returncode, done.stdout) == (2, "--recursive 1000:1000 /out\n")


def test_a_kept_archive_that_is_damaged_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesos, "cache_dir", lambda: tmp_path)
    kept = tmp_path / "a.tar.gz"
    kept.write_bytes(b"whole")
    release = mesos.Release("1", Wanted("p", kept.name, file_sha256(kept)), "m", ())
    assert mesos.fetch(release, print) == kept
    kept.write_bytes(b"half")
    with pytest.raises(ProvisionError, match=r"a\.tar\.gz is not the file that was published"):
        mesos.fetch(release, print)


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without labs and with an empty cache, this folder; nothing can be made on it but the images."""
    def image(which: object, say: object) -> str:
        raise LookupError("got as far as the images")

    for module in (cache, content, mesos):
        monkeypatch.setattr(module, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr(engine, "ensure", lambda say: None)
    monkeypatch.setattr(work, "labs", tuple)
    monkeypatch.setattr(network, "choose_subnet", lambda: ipaddress.IPv4Network("198.18.0.0/24"))
    monkeypatch.setattr(bootstrap, "node_image", image)
    monkeypatch.setattr(bootstrap, "python_image", lambda say: ("service", BASE))
    return tmp_path


def test_on_another_architecture_a_lab_needs_another_package(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "architecture", lambda: "arm64")
    with pytest.raises(UsageError, match="exists for x86-64 only, and this machine is arm64") as refused:
        work.up("demo", directory=fresh, say=print)
    assert "--artifacts" in refused.value.hint
    package(fresh / "deb", "mesos", "1.11.0-2.0.1")
    with pytest.raises(LookupError):
        work.up("demo", directory=fresh, artifacts=fresh, say=print)


def test_a_machine_without_an_index_hears_of_it_before_anything_slow(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(wanted: Wanted, target: Path) -> None:
        raise ProvisionError("no index has it")

    monkeypatch.setattr(work, "architecture", lambda: "amd64")
    monkeypatch.setattr(package_index, "fetch", fetch)
    with pytest.raises(ProvisionError, match="no index has it"):
        work.up("demo", directory=fresh, say=print)
    (fresh / "content-debian12-0123456789ab").mkdir()  # which may be all that is needed
    with pytest.raises(LookupError):
        work.up("demo", directory=fresh, say=print)


def test_the_control_file_takes_the_releases_version_and_is_known_again_by_it() -> None:
    control = (lab_dir() / "mesos" / "package" / "DEBIAN" / "control").read_text()
    assert "Version: @VERSION@-lab1\n" in control
    (version,) = re.findall(r"^Version: (.*)$", control, re.MULTILINE)
    assert mesos.made_here(version.replace("@VERSION@", "1.11.0"))
    assert not mesos.made_here("1.11.0-2.0.1")
    assert "standin" not in json.dumps(control)


def test_mirrors_find_the_recipe_and_the_catalogue_names_what_it_makes() -> None:
    assert recipes.recipe(mesos.NAME) is mesos.recipe
    [entry] = [each for each in catalogue.load().entries if each.get("made")]
    control = (lab_dir() / "mesos" / "package" / "DEBIAN" / "control").read_text().replace("@VERSION@", mesos.current().version)
    assert f"Package: {entry.get('package')}\nVersion: {entry.version}\n" in control


@pytest.mark.parametrize("name", ["rocky9/amd64", "ubuntu24.04/amd64", "debian12/arm64"])
def test_it_is_made_for_no_other_systems(name: str) -> None:
    with pytest.raises(UsageError, match=f"Mesos can't be made for {name}") as caught:
        mesos.recipe(systems.named(name), print)
    assert "debian12/amd64" in caught.value.hint
