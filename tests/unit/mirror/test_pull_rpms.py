"""RPMs in a mirror: their vendors' signatures are looked at, and a real dnf takes what the mirror serves."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.cluster import catalogue
from provisioner.cluster.lock import KEY, PACKAGE, Lock, Locked, System
from provisioner.errors import UsageError
from provisioner.mirror import check, keys, repository
from provisioner.mirror.artefacts import NeededPackage
from provisioner.mirror.dnf import Dnf, Source
from provisioner.mirror.pull import pull
from provisioner.mirror.repository import Key
from provisioner.mirror.resolve import packages
from tests.unit.mirror.served import rpm, serving, signing
from tests.unit.mirror.vendored import DEBIAN, Site

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("dnf", "createrepo_c", "rpmbuild", "rpmsign", "gpg", "apt-ftparchive"))),
                                reason="needs dnf, createrepo-c, rpm, gnupg and apt-utils")
ROCKY, ARM = System("rocky", "9", "", "amd64"), System("almalinux", "9", "", "arm64")


@pytest.fixture(scope="module")
def key() -> Iterator[Key]:
    with signing() as made:
        yield made


def package(site: Site, name: str, component: str = "", system: System = ROCKY, requires: str = "", key: Key | None = None) -> Locked:
    """An RPM of the vendor's as it is locked, which a key must have signed where there is one."""
    file = rpm(site.scratch, name, "1.0-1", requires, key=key, word=system.distribution)
    made = site.artefact(PACKAGE, f"{system.distribution}/{file.name}", file.read_bytes(), component, package=name, system=system.name)
    return replace(made, version="1.0-1", fingerprint=key.fingerprint if key else "", asked=bool(component))


def locked(site: Site, key: Key, *more: Locked) -> Lock:
    """Docker with what it needs, on two systems; and a package of Debian's."""
    content = repository.public_key(key).encode()
    vendors = replace(site.artefact(KEY, "docker-rpm", content), version=key.fingerprint, fingerprint=key.fingerprint)
    return Lock((DEBIAN, ROCKY, ARM), (
        package(site, "docker-ce", "docker", requires="libshared", key=key), package(site, "libshared"),
        package(site, "docker-ce", "docker", ARM, key=key), site.package("docker-ce", "5:29.1-1", "docker"), vendors, *more))


def test_a_host_takes_from_the_mirror_what_is_locked(site: Site, key: Key, tmp_path: Path) -> None:
    lock = locked(site, key)
    done = site.pull(lock)
    assert (done.faults, done.came) == ((), 5)
    assert {name for name in site.files() if name.endswith(".rpm")} == {
        "yum/rocky9/x86_64/Packages/docker-ce-1.0-1.rpm", "yum/rocky9/x86_64/Packages/libshared-1.0-1.rpm",
        "yum/almalinux9/aarch64/Packages/docker-ce-1.0-1.rpm"}
    assert list(check.check(site.folder, lock)) == []
    own = catalogue.load(site.folder.www / "catalogue.json").repository()
    assert own
    with serving(site.folder.www) as served:
        trusted = keys.keep(keys.fetch(f"{served.address}/{own.get('key')}", own.get("key_fingerprint")), tmp_path, "site")
        place = own.get("yum")["baseurl"].replace("{distribution}", "rocky")
        found = Dnf(ROCKY, [Source("site", f"{served.address}/{place}", trusted, own.get("yum")["repo_gpgcheck"])], tmp_path / "dnf")
        rows, missing = packages(found, ROCKY, [NeededPackage("docker", "docker-ce", "", "yum")])
    assert missing == []
    assert {(a.name, a.digest) for a in rows} == {(a.name, a.digest) for a in lock.artefacts if a.system == ROCKY.name}


def test_the_second_time_nothing_is_written(site: Site, key: Key) -> None:
    lock = locked(site, key)
    site.pull(lock)
    before = {path: path.stat().st_mtime_ns for path in site.folder.www.rglob("*")}
    assert site.pull(lock).came == 0
    assert {path: path.stat().st_mtime_ns for path in site.folder.www.rglob("*")} == before
    more = replace(lock, artefacts=(*lock.artefacts, package(site, "git", "common")))
    site.pull(more)
    assert list(check.check(site.folder, more)) == []
    untouched = site.folder.rpms(ARM) / "repodata" / "repomd.xml.asc"
    assert untouched.stat().st_mtime_ns == before[untouched], "what lists the same keeps its signature"


def test_rpms_alone_have_a_key_as_well(site: Site, key: Key) -> None:
    lock = locked(site, key)
    alone = Lock((ROCKY,), tuple(each for each in lock.artefacts if each.system in ("", ROCKY.name)))
    fingerprint = site.pull(alone).fingerprint
    (row, *_) = json.loads((site.folder.www / "catalogue.json").read_text())
    assert (row["key"], row["key_fingerprint"], "uri" in row) == ("yum/key.asc", fingerprint, False)
    assert list(check.check(site.folder, alone)) == []


@pytest.mark.parametrize("signed", [False, True], ids=["by nobody", "by another"])
def test_what_its_vendor_did_not_sign_is_refused_and_deleted(site: Site, key: Key, signed: bool) -> None:
    with signing() as other:
        forged = replace(package(site, "containerd.io", "docker", key=other if signed else None), fingerprint=key.fingerprint)
    lock = locked(site, key, forged)
    done = site.pull(lock)
    assert [fault.message for fault in done.faults] == [
        f"containerd.io-1.0-1.rpm is not signed by the key {key.fingerprint}, with which its repository signs"]
    assert not site.folder.file(forged, lock).exists()
    assert site.folder.lock is None, "nothing is published"
    assert not (site.folder.rpms(ROCKY) / "repodata").exists()


def test_a_check_finds_what_is_not_as_it_was_signed(site: Site, key: Key) -> None:
    lock = locked(site, key)
    site.pull(lock)
    root = site.folder.rpms(ROCKY)
    (primary,) = root.glob("repodata/*primary.xml.gz")
    content = primary.read_bytes()
    primary.write_bytes(b"x")
    assert f"{primary} is not what its signature says" in list(check.check(site.folder, lock))
    primary.write_bytes(content)
    (root / "Packages" / "libshared-1.0-1.rpm").write_bytes(b"x")
    (said,) = check.check(site.folder, lock)
    assert "libshared-1.0-1.rpm has sha256:" in said
    index = root / "repodata" / "repomd.xml"
    index.write_text(index.read_text().replace("<revision>", "<revision>1"))
    assert f"{root}: repomd.xml is not signed by the key in key.asc" in list(check.check(site.folder, lock))
    shutil.rmtree(root / "repodata")
    assert any("repomd.xml" in said for said in check.check(site.folder, lock))


def test_a_key_that_ended_since_it_was_locked_has_signed_what_it_signed(site: Site, key: Key) -> None:
    lock = locked(site, key)
    with signing() as mine:
        shutil.copytree(key.home, mine.home, dirs_exist_ok=True, ignore=lambda _, names: [n for n in names if n.startswith("S.")])
        repository.gpg(mine.home, "--passphrase", "", "--quick-set-expire", key.fingerprint, "seconds=1", what="an expired key")
        time.sleep(3)  # GnuPG counts from a second that may be yet to come
        ended = site.artefact(KEY, "docker-rpm", repository.public_key(Key(mine.home, key.fingerprint)).encode())
    others = tuple(each for each in lock.artefacts if each.kind != KEY)
    assert site.pull(Lock(lock.systems, (*others, replace(ended, version=key.fingerprint, fingerprint=key.fingerprint)))).faults == ()


def test_prune_leaves_the_rpms_of_the_lock(site: Site, key: Key) -> None:
    lock = locked(site, key)
    site.pull(lock)
    other = site.folder.rpms(ROCKY) / "Packages" / "old-1.0.rpm"
    other.write_bytes(b"old")
    assert check.spare(site.folder, lock) == [(other, 3)]


def test_a_machine_that_cannot_index_rpms_says_so_before_it_downloads(site: Site, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = locked(site, key)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="createrepo_c and rpmkeys must be installed") as caught:
        pull(site.folder, lock, catalogue.load(), {}, site.said.append)
    assert "apt-get install createrepo-c rpm" in caught.value.hint
    assert site.files() == {}
