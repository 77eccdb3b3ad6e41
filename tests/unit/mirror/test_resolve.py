"""apt itself resolves packages against repositories on loopback; nothing of this machine's packages has a part in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.cluster.lock import Locked, System
from provisioner.errors import ProvisionError
from provisioner.mirror import keys
from provisioner.mirror.artefacts import NeededPackage
from provisioner.mirror.files import file_sha256
from provisioner.mirror.repository import Key
from provisioner.mirror.resolve import Apt, packages
from tests.unit.mirror.served import Served, apt_repository, deb, serving, signing

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("apt-get", "apt-ftparchive", "gpg", "dpkg-deb"))),
                                reason="needs apt, apt-utils, gnupg and dpkg")
SYSTEM = System("debian", "12", "bookworm", "amd64")


@pytest.fixture(scope="module")
def key() -> Iterator[Key]:
    with signing() as made:
        yield made


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "served") as served:
        yield served


def wish(name: str, version: str = "", component: str = "docker") -> NeededPackage:
    return NeededPackage(component, name, version, "apt")


def resolved(folder: Path, address: str, key: Key, *wanted: NeededPackage, kept: tuple[Locked, ...] = ()) -> tuple[list[Locked], list[str]]:
    """What a lock would have, in a new folder each time."""
    here = folder / f"apt-{len(list(folder.iterdir()))}"
    here.mkdir()
    trusted = keys.keep(keys.fetch(f"{address}/key.asc", key.fingerprint), here, "vendor")
    apt = Apt(SYSTEM, [f"deb [signed-by={trusted}] {address} bookworm main"], here)
    apt.update()
    return packages(apt, SYSTEM, wanted, kept)


def names(found: list[Locked]) -> dict[str, str]:
    return {each.name: each.version for each in found}


def test_a_package_comes_with_what_it_depends_on_and_with_its_checksum(tmp_path: Path, vendor: Served, key: Key) -> None:
    engine = deb(tmp_path, "engine", "5:29.1-1", "client, iptables (>= 1)")
    files = [engine, deb(tmp_path, "client", "5:29.1-1"), deb(tmp_path, "client", "5:30.0-1"), deb(tmp_path, "iptables", "1.8"),
             deb(tmp_path, "other", "1")]
    address = apt_repository(vendor, "apt", key, *files)
    found, missing = resolved(tmp_path, address, key, wish("engine", "29"), wish("client"), wish("other", component="common"))
    assert missing == []
    assert names(found) == {"engine": "5:29.1-1", "client": "5:29.1-1", "iptables": "1.8", "other": "1"}, "the client of that engine"
    row = next(each for each in found if each.name == "engine")
    assert (row.digest, row.size, row.system) == (f"sha256:{file_sha256(engine)}", engine.stat().st_size, "debian12/amd64")
    assert row.url.startswith(f"{address}/pool/") and row.url.endswith(".deb")
    assert {each.name: (each.component, each.asked) for each in found}["iptables"] == ("docker", False)


def test_what_several_components_depend_on_belongs_to_none(tmp_path: Path, vendor: Served, key: Key) -> None:
    files = [deb(tmp_path, "one", "1", "shared"), deb(tmp_path, "two", "1", "shared"), deb(tmp_path, "shared", "1")]
    found, _ = resolved(tmp_path, apt_repository(vendor, "apt", key, *files), key, wish("one"), wish("two", component="mesos"))
    assert {each.name: each.component for each in found} == {"one": "docker", "two": "mesos", "shared": ""}


def test_what_one_asks_for_in_a_version_others_take_in_it(tmp_path: Path, vendor: Served, key: Key) -> None:
    files = [deb(tmp_path, "engine", "29.1"), deb(tmp_path, "engine", "30.0"), deb(tmp_path, "tool", "1", "engine")]
    address = apt_repository(vendor, "apt", key, *files)
    found, missing = resolved(tmp_path, address, key, wish("tool", component="common"), wish("engine", "29"))
    assert (sorted((each.name, each.version) for each in found), missing) == ([("engine", "29.1"), ("tool", "1")], [])


def test_what_is_locked_stays_where_it_still_fits(tmp_path: Path, vendor: Served, key: Key) -> None:
    old = [deb(tmp_path, "engine", "1.0", "library"), deb(tmp_path, "library", "1.0")]
    address = apt_repository(vendor, "apt", key, *old)
    first, _ = resolved(tmp_path, address, key, wish("engine"))
    apt_repository(vendor, "apt", key, *old, deb(tmp_path, "engine", "2.0", "library"), deb(tmp_path, "library", "2.0"))
    again, _ = resolved(tmp_path, address, key, wish("engine"), kept=tuple(first))
    assert again == first
    moved, _ = resolved(tmp_path, address, key, wish("engine"))
    assert names(moved) == {"engine": "2.0", "library": "2.0"}


def test_what_is_locked_moves_where_it_no_longer_fits(tmp_path: Path, vendor: Served, key: Key) -> None:
    library = deb(tmp_path, "library", "1.0")
    others = [deb(tmp_path, "tool", "1.0", "library, small"), deb(tmp_path, "small", "1.0"), library]
    both = wish("tool", component="common"), wish("engine")
    address = apt_repository(vendor, "apt", key, deb(tmp_path, "engine", "1.0", "library"), *others)
    first, _ = resolved(tmp_path, address, key, *both)
    newer = [deb(tmp_path, "library", "2.0"), deb(tmp_path, "tool", "2.0"), deb(tmp_path, "small", "2.0")]
    apt_repository(vendor, "apt", key, deb(tmp_path, "engine", "2.0", "library (>= 2)"), *others, *newer)
    found, missing = resolved(tmp_path, address, key, *both, kept=tuple(first))
    assert missing == []
    assert [(each.name, each.version) for each in sorted(found, key=lambda each: each.name)] == [
        ("engine", "2.0"), ("library", "2.0"), ("small", "1.0"), ("tool", "1.0")], "one version of each, and what others need stays"


@pytest.mark.parametrize(("wanted", "said"), [
    (wish("engine", "30"), "docker on debian12/amd64: the sources have engine 29.1, not 30"),
    (wish("engines", "30"), "docker on debian12/amd64: no source has the package engines 30"),
    (wish("engines"), "engines"), (wish("broken"), "broken"),
])
def test_what_no_source_has_is_named(tmp_path: Path, vendor: Served, key: Key, wanted: NeededPackage, said: str) -> None:
    files = [deb(tmp_path, "engine", "29.1"), deb(tmp_path, "broken", "1", "nothing-has-it")]
    found, missing = resolved(tmp_path, apt_repository(vendor, "apt", key, *files), key, wanted, wish("engine", component="mesos"))
    assert names(found) == {"engine": "29.1"}
    (sentence,) = missing
    assert said in sentence


def test_a_repository_that_another_key_signed_is_refused(tmp_path: Path, vendor: Served, key: Key) -> None:
    address = apt_repository(vendor, "apt", key, deb(tmp_path, "engine", "1"))
    with signing() as other:
        apt_repository(vendor, "other", other, deb(tmp_path, "engine", "1"))
        with pytest.raises(keys.WrongKeyError, match=f"other/key.asc has the key {other.fingerprint}, expected is {key.fingerprint}"):
            keys.fetch(f"{vendor.address}/other/key.asc", key.fingerprint)
        trusted = keys.keep(keys.fetch(f"{vendor.address}/other/key.asc", other.fingerprint), tmp_path, "other")
    apt = Apt(SYSTEM, [f"deb [signed-by={trusted}] {address} bookworm main"], tmp_path / "apt")
    with pytest.raises(ProvisionError, match=r"not signed|NO_PUBKEY"):
        apt.update()


def test_a_file_that_is_no_key(vendor: Served, key: Key) -> None:
    with pytest.raises(keys.WrongKeyError, match="has no key, expected is"):
        keys.fetch(vendor.file("key.asc", b"<html>hello</html>"), key.fingerprint)


def test_a_source_that_does_not_answer_is_an_error(tmp_path: Path, vendor: Served) -> None:
    apt = Apt(SYSTEM, [f"deb [trusted=yes] {vendor.address}/nowhere bookworm main"], tmp_path / "apt")
    with pytest.raises(ProvisionError, match="nowhere"):
        apt.update()
