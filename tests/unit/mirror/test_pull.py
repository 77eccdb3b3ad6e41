"""A mirror is pulled from a vendor on loopback, and read by the real apt."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.cluster import catalogue
from provisioner.cluster.lock import ARCHIVE, BROUGHT, Lock, Locked, System
from provisioner.errors import InventoryError, LockedError, UsageError
from provisioner.mirror import check
from provisioner.mirror.folder import Folder
from provisioner.mirror.locking import refuse_changed
from provisioner.mirror.pull import Pulled
from provisioner.mirror.resolve import Apt
from tests.unit.mirror.served import serving
from tests.unit.mirror.vendored import ARM, DEBIAN, Site

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("apt-get", "apt-ftparchive", "gpg", "dpkg-deb"))),
                                reason="needs apt-utils, gnupg and dpkg")


def _apt(site: Site, address: str, system: System = DEBIAN) -> Apt:
    made = Apt(system, [f"deb [signed-by={site.folder.apt / 'key.asc'}] {address}/apt bookworm main"], site.scratch / system.architecture)
    made.update()
    return made


def test_a_mirror_is_pulled_and_apt_trusts_it(site: Site) -> None:
    pulled = site.pull(site.lock())
    assert (pulled.came, pulled.faults) == (5, ())
    with serving(site.folder.www) as mirror:
        [found] = _apt(site, mirror.address).closure(["docker-ce"], {})
        assert (found.version, found.sha256) == ("5:29.1-1", next(a.digest[7:] for a in site.lock().artefacts if a.name == "docker-ce"))
        assert _apt(site, mirror.address, ARM).versions(["libarm", "libshared"]) == {"libarm": ["1.0"], "libshared": []}
    served = {"archives/consul/1.0/consul_2.0.4_linux_amd64.zip", "keys/docker.asc", "provision.lock", "catalogue.json"}
    assert served <= site.files().keys()
    assert str(site.folder.lock) == str(site.lock())
    assert not [*site.folder.arriving.iterdir()]
    assert site.folder.key.stat().st_mode & 0o777 == 0o700


def test_its_catalogue_names_what_is_here_and_no_vendor(site: Site) -> None:
    pulled = site.pull(site.lock())
    rows = json.loads(site.files()["catalogue.json"])
    assert "http" not in site.files()["catalogue.json"].decode()
    known = catalogue.load(site.folder.www / "catalogue.json")
    repository = known.repository()
    assert repository and repository.get("key_fingerprint") == pulled.fingerprint and repository.get("suite") == "{codename}"
    assert [row["component"] for row in rows] == ["repository", "consul", "docker"]
    consul = known.pick("consul")
    assert (consul.version, consul.get("file")) == ("2.0.4", "archives/consul/1.0/consul_2.0.4_linux_amd64.zip")
    assert consul.get("sha256") == hashlib.sha256(b"zip").hexdigest()


def test_a_second_time_nothing_is_asked_and_nothing_moves(site: Site) -> None:
    first = site.pull(site.lock())
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in site.folder.www.rglob("*")}
    lock = site.lock()
    unreachable = replace(lock, artefacts=tuple(replace(a, url=a.url.replace(site.served.address, "http://127.0.0.1:1"))
                                                for a in lock.artefacts))
    site.said.clear()
    assert site.pull(lock) == Pulled(0, (), first.fingerprint)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in site.folder.www.rglob("*")} == before
    assert not site.said
    assert site.pull(unreachable).faults == (), "without a network"


def test_another_mirror_of_the_same_lock_has_the_same_files(site: Site, tmp_path: Path) -> None:
    signed = ("InRelease", "Release", "Release.gpg", "key.asc", "catalogue.json")
    site.pull(site.lock())
    first = site.files()
    site.folder = Folder(tmp_path / "other")
    site.pull(site.lock())
    assert {n: c for n, c in first.items() if not n.endswith(signed)} == {n: c for n, c in site.files().items() if not n.endswith(signed)}


def test_what_is_wrong_is_named_and_what_is_served_stays_until_all_is_there(site: Site) -> None:
    site.pull(site.lock())
    before = site.files()
    new = site.package("git", "2.0")
    bad = replace(site.artefact(ARCHIVE, "other.zip", b"right"), digest=f"sha256:{hashlib.sha256(b'xxxxx').hexdigest()}")
    gone = replace(new, name="gone", url=f"{site.served.address}/gone.deb", digest=f"sha256:{'0' * 64}")
    pulled = site.pull(site.lock(new, bad, gone))
    assert [fault.message.partition(" ")[0].removesuffix(":") for fault in pulled.faults] == [bad.url, gone.url]
    assert pulled.came == 1
    served = site.files()
    assert {name: served[name] for name in before} == before
    site.served.file("archive/other.zip", b"xxxxx")
    again = site.pull(site.lock(new, bad))
    assert (again.came, again.faults) == (1, ())
    assert "Package: git" in site.files()["apt/dists/bookworm/main/binary-amd64/Packages"].decode()


def test_what_the_lock_no_longer_names_is_not_offered(site: Site) -> None:
    site.pull(site.lock(site.package("git", "2.0")))
    site.pull(site.lock(site.package("git", "1.0")))
    with serving(site.folder.www) as mirror:
        assert _apt(site, mirror.address).versions(["git"]) == {"git": ["1.0"]}


def test_other_content_of_the_same_name_and_size_is_fetched(site: Site) -> None:
    site.pull(site.lock(site.artefact(ARCHIVE, "file.zip", b"old", "tool")))
    assert site.pull(site.lock(site.artefact(ARCHIVE, "file.zip", b"new", "tool"))).came == 1
    assert site.files()["archives/tool/1.0/file.zip"] == b"new"


def test_two_vendors_may_give_their_files_the_same_name(site: Site) -> None:
    one, other = site.artefact(ARCHIVE, "release.zip", b"one", "consul"), site.artefact(ARCHIVE, "release.zip", b"one", "zookeeper")
    other = replace(other, digest=f"sha256:{hashlib.sha256(b'other').hexdigest()}", size=5, url=site.served.file("z/release.zip", b"other"))
    assert site.pull(Lock((), (one, other))).faults == ()
    assert {n: c for n, c in site.files().items() if n.startswith("archives/")} == {
        "archives/consul/1.0/release.zip": b"one", "archives/zookeeper/1.0/release.zip": b"other"}
    refuse_changed(Lock((), (one,)), Lock((), (one, other)))


def test_what_nobody_serves_must_be_here(site: Site) -> None:
    brought = Locked(ARCHIVE, "mine.zip", "1", f"sha256:{hashlib.sha256(b'mine').hexdigest()}", 4, "consul", origin=BROUGHT)
    [fault] = site.pull(Lock((), (brought,))).faults
    assert "nobody serves it" in fault.message
    (site.folder.www / "archives" / "consul" / "1").mkdir(parents=True)
    (site.folder.www / "archives" / "consul" / "1" / "mine.zip").write_bytes(b"mine")
    assert site.pull(Lock((), (brought,))).faults == ()


@pytest.mark.parametrize("path", ["/etc/passwd", "www/../key/x", "key/x", "registry/x"])
def test_a_lock_can_not_write_elsewhere(site: Site, path: str) -> None:
    with pytest.raises(InventoryError, match="names no place in a mirror"):
        site.pull(Lock((), (replace(site.artefact(ARCHIVE, "a.zip", b"a"), path=path),)))


def test_a_full_disk_and_a_second_pull_are_said_before_anything(site: Site) -> None:
    large = replace(site.artefact(ARCHIVE, "a.zip", b"a"), size=1 << 60)
    with pytest.raises(UsageError, match=r"GB are missing, and .* are free on the disk"):
        site.pull(Lock((), (large,)))
    with (site.folder.root / ".lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LockedError, match="somebody else is changing this mirror"):
            site.pull(site.lock())


def test_an_archive_for_each_processor_is_one_entry_that_names_them_all(site: Site) -> None:
    lock = site.lock(site.artefact(ARCHIVE, "consul_2.0.4_linux_arm64.zip", b"arm", "consul"))
    assert site.pull(lock).faults == ()
    consul = catalogue.load(site.folder.www / "catalogue.json").pick("consul")
    assert (consul.get("file"), consul.get("sha256")) == ("archives/consul/1.0/consul_2.0.4_linux_{arch}.zip", "")
    sums = site.folder.www / consul.get("checksum_file")
    assert [line.split()[1] for line in sums.read_text().splitlines()] == ["consul_2.0.4_linux_amd64.zip", "consul_2.0.4_linux_arm64.zip"]
    assert (list(check.check(site.folder, lock)), check.spare(site.folder, lock)) == ([], [])
    sums.write_text("0  x")
    assert list(check.check(site.folder, lock)) == [f"{sums} does not say what is locked"]
