"""The played vendors of RPMs: dnf installs from them by the built-in catalogue's addresses, and each package is signed by its vendor."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from played import Played, made_of, play, small_mirror_of_rpms
from provisioner.cluster import catalogue as driver
from provisioner.cluster.lock import System
from provisioner.errors import UsageError
from provisioner.mirror import keys
from provisioner.mirror.dnf import Dnf, Source
from provisioner_lab.systems import architecture, system
from provisioner_lab.vendors import content, yum

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("dnf", "createrepo_c", "rpmbuild", "rpmsign", "apt-ftparchive"))),
                                reason="needs dnf, createrepo-c, rpm and apt-utils")
ROCKY = System("rocky", "9", "", architecture())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Content out of a small mirror."""
    with made_of("rocky9", tmp_path_factory.mktemp("vendors"), small_mirror_of_rpms) as found:
        yield found


@pytest.fixture
def played(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    found = play(made, tmp_path / "faults.json")
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    yield found
    found.stop()


def sources(made: Path, folder: Path) -> list[Source]:
    """What hosts have: the repositories of the catalogue with their keys, and that of the distribution."""
    found = []
    for entry in driver.load(made / "catalogue.json").entries:
        if entry.get("yum") and entry.get("default"):
            told = {"key_url": entry.get("key_url"), "key_fingerprint": entry.get("key_fingerprint"), **entry.get("yum")}
            # Read here: what this process asks by HTTP would go by the proxy in all later tests.
            served = (made / "hosts" / told["key_url"].partition("//")[2]).read_bytes()
            key = folder / f"{entry.component}.gpg"
            key.write_bytes(keys.trusted(served, told["key_fingerprint"]))
            found.append(Source(entry.component, told["baseurl"], key, True, told["key_fingerprint"]))
    return [*found, Source("distribution", f"http://{content.DISTRIBUTION}/{yum.OS}", made / "distribution.asc", True)]


def test_dnf_installs_from_all_of_them(made: Path, played: Played, tmp_path: Path) -> None:
    asking = Dnf(ROCKY, sources(made, tmp_path), tmp_path / "dnf")
    asking.update()
    found = {each.name: each.url for each in asking.closure(["docker-ce", "logstash", "mesos"], {})}
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[architecture()]
    assert found["docker-ce"] == f"https://download.docker.com/linux/centos/9/{machine}/stable/Packages/docker-ce-20.10.24.rpm"
    assert found["logstash"].startswith("https://artifacts.elastic.co/packages/9.x/yum/")
    assert found["mesos"].startswith(f"http://repos.mesosphere.io/el/7/{machine}/")
    assert found["bash"].startswith(f"http://distribution.test/rocky/9/BaseOS/{machine}/os/")


def test_each_package_is_signed_by_its_vendor(made: Path, tmp_path: Path) -> None:
    key = next((made / "hosts/download.docker.com/linux/centos").glob("gpg"))
    rpmkeys = ["rpmkeys", "--dbpath", str(tmp_path / "db"), "--define", "_pkgverify_level signature"]
    subprocess.run([*rpmkeys, "--import", str(key)], check=True)
    good = {path.name: subprocess.run([*rpmkeys, "--checksig", path], capture_output=True, check=False).returncode == 0
            for path in (made / "hosts").rglob("*.rpm")}
    assert {name for name, signed in good.items() if signed} == {f"{name}-20.10.24.rpm" for name in yum.PACKAGES["docker"]}


def test_the_package_that_names_mesospheres_repository_is_where_it_was(made: Path) -> None:
    file = made / "hosts" / yum.EL_REPO.partition("//")[2]
    form = "%{NAME}-%{VERSION}-%{RELEASE}\n[%{FILENAMES}\n]"
    text = subprocess.run(["rpm", "--query", "--package", "--nosignature", "--queryformat", form, file],
                          capture_output=True, text=True, check=True).stdout
    assert text.split() == ["mesosphere-el-repo-7-3", "/etc/pki/rpm-gpg/RPM-GPG-KEY-mesosphere", "/etc/yum.repos.d/mesosphere.repo"]


def test_the_catalogue_names_what_the_roles_ask_dnf_for(made: Path) -> None:
    found = driver.load(made / "catalogue.json")
    assert (found.pick("mesos").get("package"), found.pick("logstash").get("debian_version")) == ("mesos", "")
    assert found.pick("docker").get("yum")["key_fingerprint"] == found.pick("docker").get("key_fingerprint")
    assert json.loads((made / "catalogue.json").read_text())


def test_a_machine_without_the_programs_is_told_which(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="createrepo_c and rpm and rpmbuild and rpmsign must be installed") as caught:
        content.build(system("rocky9"), tmp_path, lambda text: None)
    assert caught.value.hint == "apt-get install createrepo-c rpm"
