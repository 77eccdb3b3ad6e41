"""dnf itself resolves RPMs against repositories on loopback; nothing of this machine's packages has a part in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.cluster.lock import Locked, System
from provisioner.errors import ProvisionError, UsageError
from provisioner.mirror import dnf, keys
from provisioner.mirror.artefacts import NeededPackage
from provisioner.mirror.dnf import Dnf, Source
from provisioner.mirror.files import file_sha256
from provisioner.mirror.repository import Key
from provisioner.mirror.resolve import packages
from tests.unit.mirror.served import Served, rpm, serving, signing, yum_repository

needs_dnf = pytest.mark.skipif(not all(map(shutil.which, ("dnf", "createrepo_c", "rpmbuild", "rpmsign", "gpg"))),
                               reason="needs dnf, createrepo-c, rpm and gnupg")
SYSTEM = System("rocky", "9", "", "amd64")


@pytest.fixture(scope="module")
def key() -> Iterator[Key]:
    with signing() as made:
        yield made


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "served") as served:
        yield served


def wish(name: str, version: str = "", component: str = "docker") -> NeededPackage:
    return NeededPackage(component, name, version, "yum")


def trusted(folder: Path, address: str, key: Key) -> Path:
    return keys.keep(keys.fetch(f"{address}/key.asc", key.fingerprint), folder, "vendor")


def resolved(folder: Path, address: str, key: Key, *wanted: NeededPackage, kept: tuple[Locked, ...] = ()) -> tuple[list[Locked], list[str]]:
    """What a lock would have, in a new folder each time."""
    here = folder / f"dnf-{len(list(folder.iterdir()))}"
    here.mkdir()
    found = Dnf(SYSTEM, [Source("vendor", address, trusted(here, address, key), True, key.fingerprint)], here)
    found.update()
    return packages(found, SYSTEM, wanted, kept)


def names(found: list[Locked]) -> dict[str, str]:
    return {each.name: each.version for each in found}


@needs_dnf
def test_a_package_comes_with_what_it_depends_on_and_with_its_checksum(tmp_path: Path, vendor: Served, key: Key) -> None:
    engine = rpm(tmp_path, "engine", "3:29.1-1.el9", "client, iptables >= 1")
    files = [engine, rpm(tmp_path, "client", "3:29.1-1.el9"), rpm(tmp_path, "client", "3:30.0-1.el9"), rpm(tmp_path, "iptables", "1.8-2"),
             rpm(tmp_path, "other", "1"), rpm(tmp_path, "iptables", "2.0-1", architecture="i686")]
    address = yum_repository(vendor, "yum", key, *files)
    found, missing = resolved(tmp_path, address, key, wish("engine", "29"), wish("client"), wish("other", component="common"),
                              NeededPackage("common", "netcat-openbsd", "", "apt"))
    assert missing == []
    assert names(found) == {"engine": "3:29.1-1.el9", "client": "3:29.1-1.el9", "iptables": "1.8-2", "other": "1-1"}, \
        "the client of that engine, and no other architecture's library"
    row = next(each for each in found if each.name == "engine")
    assert (row.digest, row.size, row.system) == (f"sha256:{file_sha256(engine)}", engine.stat().st_size, "rocky9/amd64")
    assert (row.url, row.fingerprint) == (f"{address}/engine-29.1-1.el9.rpm", key.fingerprint)
    assert {each.name: (each.component, each.asked) for each in found}["iptables"] == ("docker", False)


@needs_dnf
def test_what_a_package_that_was_brought_depends_on(tmp_path: Path, vendor: Served, key: Key) -> None:
    files = [rpm(tmp_path, "client", "1"), rpm(tmp_path, "client", "2", "library"), rpm(tmp_path, "library", "1")]
    found = Dnf(SYSTEM, [Source("vendor", yum_repository(vendor, "yum", None, *files))], tmp_path / "dnf")
    assert sorted(each.name for each in found.needed_by("client (>= 2)", {})) == ["client", "library"]


@needs_dnf
def test_what_several_components_depend_on_belongs_to_none(tmp_path: Path, vendor: Served, key: Key) -> None:
    files = [rpm(tmp_path, "one", "1", "shared"), rpm(tmp_path, "two", "1", "shared"), rpm(tmp_path, "shared", "1")]
    found, _ = resolved(tmp_path, yum_repository(vendor, "yum", key, *files), key, wish("one"), wish("two", component="mesos"))
    assert {each.name: each.component for each in found} == {"one": "docker", "two": "mesos", "shared": ""}


@needs_dnf
def test_what_is_locked_stays_where_it_still_fits_and_moves_where_not(tmp_path: Path, vendor: Served, key: Key) -> None:
    old = [rpm(tmp_path, "engine", "1.0", "library"), rpm(tmp_path, "library", "1.0")]
    address = yum_repository(vendor, "yum", key, *old)
    first, _ = resolved(tmp_path, address, key, wish("engine"))
    newer = [rpm(tmp_path, "engine", "2.0", "library >= 2"), rpm(tmp_path, "library", "2.0")]
    yum_repository(vendor, "yum", key, *old, *newer)
    again, _ = resolved(tmp_path, address, key, wish("engine"), kept=tuple(first))
    assert again == first
    yum_repository(vendor, "yum", key, old[1], *newer)
    moved, missing = resolved(tmp_path, address, key, wish("engine"), kept=tuple(first))
    assert (names(moved), missing) == ({"engine": "2.0-1", "library": "2.0-1"}, [])


@needs_dnf
@pytest.mark.parametrize(("wanted", "said"), [
    (wish("engine", "30"), "docker on rocky9/amd64: the sources have engine 29.1-1, not 30"), (wish("engines"), "engines"),
    (wish("broken"), "nothing-has-it"),
])
def test_what_no_source_has_is_named(tmp_path: Path, vendor: Served, key: Key, wanted: NeededPackage, said: str) -> None:
    files = [rpm(tmp_path, "engine", "29.1"), rpm(tmp_path, "broken", "1", "nothing-has-it")]
    found, missing = resolved(tmp_path, yum_repository(vendor, "yum", key, *files), key, wanted, wish("engine", component="mesos"))
    assert names(found) == {"engine": "29.1-1"}
    (sentence,) = missing
    assert said in sentence


@needs_dnf
def test_an_index_that_another_key_signed_is_refused(tmp_path: Path, vendor: Served, key: Key) -> None:
    with signing() as other:
        address = yum_repository(vendor, "yum", other, rpm(tmp_path, "engine", "1"))
    own = yum_repository(vendor, "own", key, rpm(tmp_path, "client", "1"))
    found = Dnf(SYSTEM, [Source("vendor", address, trusted(tmp_path, own, key), True)], tmp_path / "dnf")
    with pytest.raises(ProvisionError, match=r"(?s)dnf package lists failed.*GPG"):
        found.update()


@needs_dnf
def test_a_source_that_does_not_answer_is_an_error(tmp_path: Path, vendor: Served) -> None:
    found = Dnf(SYSTEM, [Source("vendor", f"{vendor.address}/nowhere/$releasever/$basearch")], tmp_path / "dnf")
    with pytest.raises(ProvisionError, match=r"(?s)nowhere/9/x86_64"):
        found.update()


def test_a_machine_without_dnf_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="dnf is not installed") as caught:
        Dnf(SYSTEM, (), tmp_path / "dnf")
    assert "apt-get install dnf" in caught.value.hint


def test_a_dnf_without_its_library_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\necho no module >&2; exit 3\n")
    (tmp_path / "dnf").write_text(f"#!{tmp_path}/python -s\n")
    for name in ("python", "dnf"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / name))
    assert dnf.python() == str(tmp_path / "python")
    with pytest.raises(UsageError, match="no library of dnf: no module"):
        Dnf(SYSTEM, (), tmp_path / "folder").update()
