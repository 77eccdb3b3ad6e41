"""`provision mirror`: what it says, and its exit codes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import InventoryError, UsageError
from provisioner.inventory.starter import write_inventory
from provisioner.mirror import repository
from provisioner.mirror.lock import ARCHIVE, Lock
from provisioner.verbs import mirror
from tests.unit.mirror.served import signing
from tests.unit.mirror.vendored import Site

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("apt-get", "apt-ftparchive", "gpg", "dpkg-deb"))),
                                reason="needs apt-utils, gnupg and dpkg")


def check(site: Site) -> int:
    return mirror.run_check(Console(), mirror.Check(str(site.folder.root)))


def prune(site: Site, *, yes: bool = False) -> int:
    return mirror.run_prune(Console(), mirror.Prune(str(site.folder.root), yes=yes))


def test_pull_says_what_the_inventory_needs_or_what_did_not_come(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = Context(write_inventory(tmp_path / "cluster"))
    with pytest.raises(InventoryError, match="there is no lock") as caught:
        mirror.run_pull(context, Console(), mirror.Pull(str(site.folder.root)))
    assert caught.value.hint == "make it: provision lock"
    lock = site.lock()
    path = context.path.parent / "provision.lock"
    wrong = replace(site.artefact(ARCHIVE, "x", b"x"), digest=f"sha256:{'1' * 64}")
    path.write_text(str(replace(lock, artefacts=(*lock.artefacts, wrong))))
    assert mirror.run_pull(context, Console(), mirror.Pull(str(site.folder.root))) == 5
    said = capsys.readouterr().err
    assert f"{site.served.address}/archive/x has the SHA-256" in said and "1 artefact did not come" in said
    path.write_text(str(lock))
    assert mirror.run_pull(context, Console(), mirror.Pull(str(site.folder.root))) == 0
    assert "cluster_catalogue: catalogue.json" in capsys.readouterr().err
    assert mirror.run_pull(context, Console(), mirror.Pull(str(site.folder.root))) == 0
    assert "nothing to do" in capsys.readouterr().err


def test_check_names_every_fault(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="no mirror that was pulled as a whole"):
        check(site)
    site.pull(site.lock())
    assert check(site) == 0
    assert "5 artefacts, all as locked" in capsys.readouterr().err
    (site.folder.www / "archives" / "consul" / "1.0" / "consul_2.0.4_linux_amd64.zip").write_bytes(b"ZIP")
    (site.folder.www / "keys" / "docker.asc").unlink()
    index = site.folder.apt / "dists" / "bookworm" / "main" / "binary-amd64" / "Packages"
    index.write_text(index.read_text().replace("Package: docker-ce", "Package: other").replace("SHA256: ", "SHA256: 0"))
    assert check(site) == 5
    said = capsys.readouterr().err
    for fault in ("consul_2.0.4_linux_amd64.zip has sha256:", "docker.asc: it is missing", "Packages is not what its signature says",
                  "docker-ce_5.29.1-1_all.deb as it is locked", "libshared_1.0_all.deb as it is locked"):
        assert fault in said


def test_check_believes_only_the_mirrors_key(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.pull(site.lock())
    dist = site.folder.apt / "dists" / "bookworm"
    with signing() as other:
        repository.clearsign(other, dist / "Release", dist / "InRelease")
        assert check(site) == 5
        assert "InRelease is not signed by the key in key.asc" in capsys.readouterr().err
        (site.folder.apt / "key.asc").write_text(repository.public_key(other))
    assert check(site) == 5
    assert "the fingerprint of the repository's key is another one" in capsys.readouterr().err


def test_prune_removes_what_the_lock_no_longer_names_after_a_word(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.pull(site.lock(site.package("git", "1.0")))
    site.pull(site.lock(site.package("git", "2.0")))
    (site.folder.arriving / "half").write_bytes(b"half")
    before = site.files()
    with pytest.raises(UsageError, match="nobody can be asked"):
        prune(site)
    assert site.files() == before
    assert prune(site, yes=True) == 0
    said = capsys.readouterr().err
    assert "www/apt/pool/bookworm/distribution/git_1.0_all.deb" in said and "arriving/half" in said and "removed: 2 files" in said
    assert before.keys() - site.files().keys() == {"apt/pool/bookworm/distribution/git_1.0_all.deb"}
    assert check(site) == 0
    assert prune(site) == 0


def test_a_mirror_without_packages_has_no_key(site: Site) -> None:
    site.pull(Lock((), (site.artefact(ARCHIVE, "a.zip", b"a"),)))
    assert not site.folder.key.exists() and check(site) == 0
