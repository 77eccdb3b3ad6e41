"""`provision lock` against a whole site on loopback: apt's repository, archives and a registry, with what goes wrong there."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from provisioner.cluster.lock import KEY, KINDS, Lock, read
from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import InventoryError, StepFailed, UsageError
from provisioner.inventory.render import host_variables
from provisioner.inventory.starter import write_inventory
from provisioner.mirror import registry
from provisioner.mirror.artefacts import needed
from provisioner.mirror.images import store
from provisioner.mirror.repository import Key, gpg
from provisioner.verbs import lock
from tests.unit.mirror.served import Served, apt_repository, deb, image, registry_of, rpm, serving, signing, yum_repository

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "apt-ftparchive", "gpg", "dpkg-deb", "skopeo", "docker-registry"))),
    reason="needs apt-utils, gnupg, dpkg, skopeo and docker-registry")
needs_dnf = pytest.mark.skipif(not all(map(shutil.which, ("dnf", "createrepo_c", "rpmbuild"))), reason="needs dnf, createrepo-c and rpm")
DEBIAN = ("debian12/amd64",)
VERSIONS = {"docker-ce": "5:29.1-1", "docker-ce-cli": "5:29.1-1", "logstash": "1:9.5.6-1", "mesos": "1.11.0"}


@dataclass
class Site:
    """What a site's mirror serves; changed by the tests."""

    served: Served
    registry: str
    key: Key
    folder: Path
    inventory: Path = field(default=Path())
    versions: dict[str, str] = field(default_factory=lambda: dict(VERSIONS))

    def publish_yum(self, distribution: Mapping[str, str]) -> str:
        """The same packages for RedHat's kin, some of them in a repository of the distribution; gives its address."""
        catalogue = self.inventory.parent / "catalogue.json"
        rows = json.loads(catalogue.read_text())
        rows[0]["yum"] = {"baseurl": "yum", "repo_gpgcheck": True, "gpgcheck": False}
        rows[2]["packages"]["RedHat"] = rows[2]["packages"]["Debian"]
        rows[4]["packages"]["RedHat"] = ["java-17-openjdk-headless"]
        catalogue.write_text(json.dumps(rows))
        names = sorted({p.name for p in needed(self.context, release="rocky9").packages if p.manager == "yum"} - set(distribution))
        versions = {**self.versions, "docker-ce": "3:29.1-1", "docker-ce-cli": "3:29.1-1", "logstash": "1:9.5.6-1"}
        own = [rpm(self.folder, name, versions.get(name, "1.0-1"), "libshared") for name in names]
        yum_repository(self.served, "yum", self.key, *own)
        return yum_repository(self.served, "rocky", self.key, *(rpm(self.folder, *each) for each in distribution.items()))

    def publish(self, *, docker: str = "29", without: str = "", word: str = "") -> None:
        """The catalogue, the repository with all packages but one, and the archives."""
        archives = {name: hashlib.sha256(content).hexdigest() for name, content in self.archives(word).items()}
        (self.inventory.parent / "catalogue.json").write_text(json.dumps([
            {"component": "repository", "version": "bookworm", "kind": "repository", "uri": "apt", "suite": "bookworm",
             "components": ["main"], "key": "apt/key.asc", "key_fingerprint": self.key.fingerprint},
            {"component": "mesos", "version": "1.11.0", "kind": "package", "package": "mesos", "docker": "<30"},
            {"component": "docker", "version": docker, "kind": "package", "packages": {"Debian": ["docker-ce", "docker-ce-cli"]}},
            {"component": "consul", "version": "2.0.4", "kind": "archive", "file": "consul.zip", "sha256": archives["consul.zip"]},
            {"component": "zookeeper", "version": "3.9.6", "kind": "archive", "file": "zookeeper.tar.gz", "java": [11, 17],
             "sha256": archives["zookeeper.tar.gz"], "packages": {"Debian": ["openjdk-17-jre-headless"]}}]))
        shutil.rmtree(self.folder / "debs", ignore_errors=True)
        (self.folder / "debs").mkdir()
        names = {p.name for p in needed(self.context).packages if p.manager == "apt"} - {without}
        files = [deb(self.folder / "debs", name, self.versions.get(name, "1.0"), "libshared", word=word) for name in sorted(names)]
        apt_repository(self.served, "apt", self.key, *files, deb(self.folder / "debs", "libshared", "1.0"))

    def archives(self, word: str) -> dict[str, bytes]:
        """Puts them there."""
        contents = {name: f"{name} {word}".encode() for name in ("consul.zip", "zookeeper.tar.gz")}
        for name, content in contents.items():
            self.served.file(name, content)
        return contents

    @property
    def context(self) -> Context:
        """The cluster as it is now."""
        return Context(self.inventory)

    def lock(self, **options: object) -> int:
        """The exit code of the verb."""
        return lock.run(self.context, Console(), lock.Options(**{"system": DEBIAN, **options}))  # type: ignore[arg-type]

    @property
    def locked(self) -> Lock:
        """What is in the file."""
        found = read(self.inventory.parent / "provision.lock")
        assert found
        return found

    def version(self, name: str) -> str:
        """That of a locked package."""
        return next(a.version for a in self.locked.artefacts if a.name == name)


@pytest.fixture(scope="module")
def key() -> Iterator[Key]:
    with signing() as made:
        yield made


@pytest.fixture
def site(tmp_path: Path, key: Key) -> Iterator[Site]:
    storage = tmp_path / "storage"
    images = (("mesosphere/marathon", "v1.11.24"), ("mesosphere/chronos", "v3.0.2"), ("registrator", "7.4.0"), ("busybox", "1.36"))
    store([image(tmp_path, *each) for each in images], storage)
    with serving(tmp_path / "served") as served, registry_of(storage) as registry:
        (tmp_path / "cluster").mkdir()
        made = Site(served, registry, key, tmp_path)
        made.inventory = write_inventory(tmp_path / "cluster")
        own = {"cluster_mirror": served.address, "cluster_registry": registry, "cluster_catalogue": "catalogue.json"}
        text = "".join(f"    {name}: {value}\n" for name, value in own.items())
        made.inventory.write_text(made.inventory.read_text().replace("  vars:\n", f"  vars:\n{text}", 1))
        made.publish()
        yield made


def test_everything_is_locked_and_the_second_time_nothing_moves(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert site.lock() == 0
    found = site.locked
    assert {a.kind for a in found.artefacts} == set(KINDS)
    assert all(a.digest.startswith("sha256:") and len(a.digest) == 71 and a.size and a.url for a in found.artefacts if a.kind != "image")
    names = {a.name for a in found.artefacts}
    assert {"docker-ce", "mesos", "libshared", "consul.zip", f"{site.registry}/busybox:1.36", "site"} <= names
    assert next(a.fingerprint for a in found.artefacts if a.kind == KEY) == site.key.fingerprint
    assert (site.inventory.parent / "provision.lock").stat().st_mode & 0o777 == 0o644, "colleagues read it"
    before = (site.inventory.parent / "provision.lock").read_bytes()
    assert site.lock() == 0
    assert (site.inventory.parent / "provision.lock").read_bytes() == before
    assert "nothing moved" in capsys.readouterr().err
    assert site.lock(check=True) == 0


def test_what_is_locked_is_what_roles_are_told(site: Site) -> None:
    site.lock()
    site.versions["docker-ce"] = site.versions["docker-ce-cli"] = "5:29.2-1"
    site.publish()
    context = site.context
    context.refuse_unlocked()
    own = host_variables(context.rendered, context.cluster.members("masters")[0].name)
    assert own["docker_locked"] == {"docker-ce": "5:29.1-1", "docker-ce-cli": "5:29.1-1"}
    image = next(a for a in site.locked.artefacts if "marathon" in a.name)
    assert own["marathon_image"] == f"{image.name}@{image.digest}"
    site.publish(docker="28")
    with pytest.raises(InventoryError, match=r"docker-ce 5:29\.1-1 for debian12/amd64, and the inventory asks for 28"):
        site.context.refuse_unlocked()


def test_what_is_newer_is_taken_only_on_demand(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.lock()
    (site.folder / "old").mkdir()
    old = [deb(site.folder / "old", name, "1.0", "libshared") for name in ("dnsmasq", "git")]
    for name in ("dnsmasq", "git"):
        site.versions[name] = "2.0"
    site.publish()
    files = [*(site.folder / "debs").glob("*.deb"), *old]
    apt_repository(site.served, "apt", site.key, *files)
    assert site.lock() == 0
    assert (site.version("dnsmasq"), site.version("git")) == ("1.0", "1.0")
    assert site.lock(upgrade="dns") == 0
    assert (site.version("dnsmasq"), site.version("git")) == ("2.0", "1.0")
    assert "package dnsmasq (debian12/amd64): 1.0 → 2.0" in capsys.readouterr().err
    assert site.lock(upgrade=lock.EVERYTHING) == 0
    assert site.version("git") == "2.0"


def test_other_content_under_the_same_version_is_refused_with_both(site: Site) -> None:
    site.lock()
    before = str(site.locked)
    site.publish(word="changed")
    with pytest.raises(StepFailed, match="other content under the same version") as caught:
        site.lock(upgrade=lock.EVERYTHING)
    assert "archive consul.zip 2.0.4: locked is sha256:" in caught.value.message
    assert "package git 1.0 (debian12/amd64): locked is sha256:" in caught.value.message
    assert str(site.locked) == before


def test_an_image_that_was_pushed_again_is_refused(site: Site, tmp_path: Path) -> None:
    site.lock()
    store([image(tmp_path, "busybox", "1.36", "again")], tmp_path / "storage")
    with pytest.raises(StepFailed, match=r"image .*/busybox:1\.36 1\.36: locked is"):
        site.lock()


def test_what_is_missing_is_named_and_nothing_is_written(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.publish(without="mesos")
    assert site.lock() == 5
    assert "no source has the package mesos 1.11.0" in capsys.readouterr().err
    assert not (site.inventory.parent / "provision.lock").exists()
    assert site.lock(allow_missing=True) == 0
    assert "mesos" not in {a.name for a in site.locked.artefacts}


def test_versions_that_do_not_fit_each_other_are_named(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.versions |= {"docker-ce": "5:30.0-1", "docker-ce-cli": "5:30.0-1"}
    site.publish(docker="30")
    assert site.lock() == 5
    assert "mesos 1.11.0 needs Docker <30, locked is docker-ce 5:30.0-1" in capsys.readouterr().err


def test_check_says_what_no_longer_fits(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InventoryError, match="there is no lock"):
        site.lock(check=True)
    site.lock()
    before = str(site.locked)
    site.versions |= {"docker-ce": "5:28.0-1", "docker-ce-cli": "5:28.0-1"}
    site.publish(docker="28")
    assert site.lock(check=True) == 5
    assert "package docker-ce (debian12/amd64): 5:29.1-1 → 5:28.0-1" in capsys.readouterr().err
    assert str(site.locked) == before


def test_without_a_network_it_says_what_it_could_not_check(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.lock()
    before = str(site.locked)
    text = site.inventory.read_text()
    site.inventory.write_text(text.replace(site.served.address, "http://127.0.0.1:1"))
    assert site.lock(check=True) == 0
    said = capsys.readouterr().err
    assert "not asked, so what is locked stays: http://127.0.0.1:1/apt/key.asc" in said and "as far as could be checked" in said
    assert str(site.locked) == before


def test_a_repository_whose_key_was_never_there_holds_up_no_other(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (site.served.folder / "apt" / "key.asc").unlink()
    line = f"deb [trusted=yes] {site.served.address}/apt bookworm main"
    assert site.lock(origin=(line,), allow_missing=True) == 0
    assert "apt/key.asc: HTTP 404" in capsys.readouterr().err
    site.versions["git"] = "2.0"
    site.publish()
    (site.served.folder / "apt" / "key.asc").unlink()
    assert site.lock(origin=(line,), allow_missing=True) == 0
    assert site.version("git") == "2.0"


def test_a_key_that_is_not_the_catalogues_locks_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with signing() as other:
        apt_repository(site.served, "apt", other, *(site.folder / "debs").glob("*.deb"))
        assert site.lock() == 5
        assert f"has the key {other.fingerprint}, expected is {site.key.fingerprint}" in capsys.readouterr().err


def test_a_key_that_has_expired_locks_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert site.lock() == 0
    before = str(site.locked)
    with signing() as mine:
        shutil.copytree(site.key.home, mine.home, dirs_exist_ok=True, ignore=lambda _, names: [n for n in names if n.startswith("S.")])
        gpg(mine.home, "--passphrase", "", "--quick-set-expire", site.key.fingerprint, "seconds=1", what="an expired key")
        time.sleep(3)  # GnuPG counts from a second that may be yet to come
        (site.served.folder / "apt" / "key.asc").write_text(gpg(mine.home, "--armor", "--export", site.key.fingerprint, what="its text"))
    assert site.lock(upgrade=lock.EVERYTHING) == 5
    assert f"has the key {site.key.fingerprint}, which has expired or was revoked" in capsys.readouterr().err
    assert str(site.locked) == before


def test_what_is_to_move_has_to_be_asked(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.lock()
    before = str(site.locked)
    (site.served.folder / "apt" / "dists").rename(site.served.folder / "away")
    assert site.lock() == 0
    assert site.lock(upgrade=lock.EVERYTHING) == 5
    assert "nothing was written: what is to move has to be asked" in capsys.readouterr().err
    assert str(site.locked) == before


def test_what_no_vendor_offers_is_said_with_what_to_do(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.publish(without="mesos")
    path = site.inventory.parent / "catalogue.json"
    entries = [{"urls": [f"{site.served.address}/{e['file']}"], **e} if "file" in e else {"mirror_required": True, **e}
               for e in json.loads(path.read_text()) if e["component"] != "repository"]
    path.write_text(json.dumps([*({k: v for k, v in e.items() if k != "file"} for e in entries),
                                {"component": "logstash", "version": "1:9.5.6-1", "kind": "package", "package": "logstash"}]))
    site.inventory.write_text(site.inventory.read_text().replace(f"    cluster_mirror: {site.served.address}\n", ""))
    assert site.lock(origin=(f"deb [trusted=yes] {site.served.address}/apt bookworm main",)) == 5
    said = capsys.readouterr().err
    assert "mesos 1.11.0: no public repository has the package mesos: set cluster_mirror" in said
    assert "docker" not in said, "this source has it"


@pytest.mark.parametrize(("options", "said"), [
    ({"origin": ("http://127.0.0.1:1/rocky",)}, "--from 'http://127.0.0.1:1/rocky': this is no source of packages"),
    ({"origin": ("rpm [sign=no] http://127.0.0.1:1/rocky",)}, "options of rpm are .*, not sign"),
    ({"origin": ("rpm http://127.0.0.1:1/rocky",)}, "it does not say which key signs its packages"),
    ({"system": ("beos5",)}, "no such system"), ({"system": ("debian12/vax",)}, "no such system"),
    ({"upgrade": "nothing"}, "no such component"),
])
def test_what_is_asked_for_wrongly(site: Site, options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        site.lock(**options)
    assert caught.value.hint


@needs_dnf
def test_hosts_of_red_hats_kin_beside_those_of_debian(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The distribution's repository is one of two, the site's the other; each package is from the repository that has it."""
    rocky = ("debian12/amd64", "rocky9/amd64")
    distribution = site.publish_yum(distribution={"libshared": "1.0", "git": "1.0"})
    line = f"rpm [key={distribution}/key.asc fingerprint={site.key.fingerprint} system=rocky9] {distribution}"
    assert site.lock(system=rocky, origin=(line,)) == 0, capsys.readouterr().err
    rpms = {a.name: a for a in site.locked.artefacts if a.system == "rocky9/amd64"}
    assert {"docker-ce", "mesos", "libshared", "java-17-openjdk-headless", "nmap-ncat", "python3-dnf-plugin-versionlock"} <= set(rpms)
    assert "netcat-openbsd" not in rpms
    assert (rpms["docker-ce"].version, rpms["docker-ce"].url) == ("3:29.1-1", f"{site.served.address}/yum/docker-ce-29.1-1.rpm")
    assert (rpms["git"].url, rpms["git"].fingerprint) == (f"{distribution}/git-1.0-1.rpm", site.key.fingerprint)
    assert (rpms["libshared"].component, rpms["libshared"].asked) == ("", False)
    assert {a.name for a in site.locked.artefacts if a.kind == KEY} == {"site", "site-rpm", "distribution-1-rpm"}
    before = str(site.locked)
    assert site.lock(system=rocky, origin=(line,)) == 0
    assert str(site.locked) == before


@needs_dnf
def test_nobody_knows_where_the_packages_of_a_foreign_distribution_are(site: Site) -> None:
    with pytest.raises(UsageError, match="nobody told where the packages of rocky9/amd64 are") as caught:
        site.lock(system=("rocky9/amd64",))
    assert "--from 'rpm [key=URL" in caught.value.hint


def test_a_vendor_that_is_away_leaves_the_others_their_packages(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    path = site.inventory.parent / "catalogue.json"
    place = {"key_url": f"{site.served.address}/apt/key.asc", "key_fingerprint": site.key.fingerprint}
    entries = [e for e in json.loads(path.read_text()) if e["component"] not in ("repository", "docker")]
    entries = [{"urls": [f"{site.served.address}/{e['file']}"], **{k: v for k, v in e.items() if k != "file"}} if "file" in e else e
               for e in entries]
    docker = {"component": "docker", "version": "29", "kind": "package", "packages": {"Debian": ["docker-ce", "docker-ce-cli"]}, **place}
    own = apt_repository(site.served, "docker", site.key, *(deb(site.folder, name, "5:29.1-1", "libshared") for name in
                                                            ("docker-ce", "docker-ce-cli")))
    entries.append({**docker, "apt": {"uri": own, "suite": "bookworm", "components": ["main"]}})
    path.write_text(json.dumps([*entries, {"component": "logstash", "version": "1:9.5.6-1", "kind": "package", "package": "logstash"}]))
    site.inventory.write_text(site.inventory.read_text().replace(f"    cluster_mirror: {site.served.address}\n", ""))
    origin = (f"deb [trusted=yes] {site.served.address}/apt bookworm main",)
    shutil.move(site.served.folder / "docker", site.folder / "away")
    assert site.lock(origin=origin, allow_missing=True) == 0
    said = capsys.readouterr().err
    assert "warning: packages of docker on debian12/amd64: apt-get update" in said and "logstash" not in said
    assert site.version("logstash") == "1:9.5.6-1" and "docker-ce" not in {a.name for a in site.locked.artefacts}
    shutil.move(site.folder / "away", site.served.folder / "docker")
    assert site.lock(origin=origin) == 0
    before = str(site.locked)
    assert "docker-ce" in before
    shutil.rmtree(site.served.folder / "docker" / "dists")
    assert site.lock(origin=origin) == 0
    assert "not asked, so what is locked stays: packages of docker on debian12/amd64" in capsys.readouterr().err
    assert str(site.locked) == before


def test_without_skopeo_only_images_are_missing(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(registry, "PROGRAM", "no-such-program")
    assert site.lock(allow_missing=True) == 0
    said = capsys.readouterr().err
    assert said.count("images are read by the program skopeo, which is not installed here") == 4 and "busybox:1.36" in said
    assert {a.kind for a in site.locked.artefacts} == {*KINDS} - {"image"}
