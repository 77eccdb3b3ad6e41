"""Images are pulled by the real skopeo from a real registry, and read from the mirror's by the same."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner.cluster import catalogue
from provisioner.cluster.lock import BROUGHT, IMAGE, Lock, Locked
from provisioner.console import Console
from provisioner.mirror.artefacts import NeededImage
from provisioner.mirror.images import store
from provisioner.mirror.pull import Pulled, pull
from provisioner.mirror.storage import Storage
from provisioner.verbs import mirror
from tests.unit.mirror.served import image, registry_of
from tests.unit.mirror.vendored import ARM, DEBIAN, Site

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("skopeo", "docker-registry"))), reason="needs skopeo and docker-registry")
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass
class Registry:
    """A vendor's registry, its storage, and the site that pulls from it."""

    name: str
    storage: Path
    site: Site

    def image(self, name: str, tag: str, word: str = "") -> Locked:
        """One for one architecture, pushed, as it is locked."""
        made = image(self.site.scratch, name, tag, word)
        store([made], self.storage)
        return Locked(IMAGE, f"{self.name}/{name}:{tag}", tag, made.digest, 1000, name.rpartition("/")[2])

    def listed(self, name: str, tag: str, *architectures: str) -> Locked:
        """One for several, with something in its list that is no image for a system."""
        unknown = {"os": "unknown", "architecture": "unknown"}
        rows: list[dict[str, object]] = [{"mediaType": MANIFEST, "size": 1, "digest": f"sha256:{'0' * 64}", "platform": unknown}]
        for each in architectures:
            made = image(self.site.scratch, name, f"{tag}-{each}", each, each)
            store([made], self.storage)
            rows.append({"mediaType": MANIFEST, "size": len(made.manifest), "digest": made.digest,
                         "platform": {"os": "linux", "architecture": each}})
        text = json.dumps({"schemaVersion": 2, "mediaType": LIST, "manifests": rows}).encode()
        storage = Storage(self.storage)
        digest = storage.keep(text)
        storage.revision(name, digest)
        storage.tag(name, tag, digest)
        return Locked(IMAGE, f"{self.name}/{name}:{tag}", tag, f"sha256:{digest}", 1000, name)

    def pull(self, *images: Locked) -> Pulled:
        """Into the mirror; this registry speaks plain HTTP."""
        ways = {each.name: NeededImage("", "", each.name, plain=True) for each in images}
        return pull(self.site.folder, Lock((DEBIAN, ARM), images), catalogue.load(), {}, self.site.said.append, ways=ways)


@pytest.fixture
def vendor(site: Site, tmp_path: Path) -> Iterator[Registry]:
    storage = tmp_path / "storage"
    storage.mkdir()
    with registry_of(storage) as name:
        yield Registry(name, storage, site)


def served(site: Site, reference: str, *flags: str) -> bytes:
    """What skopeo reads from the mirror's own registry."""
    with registry_of(site.folder.registry) as name:
        command = ["skopeo", *flags, f"docker://{name}/{reference}"]
        return subprocess.run(command, check=True, capture_output=True).stdout


def test_an_image_keeps_its_bytes(vendor: Registry, tmp_path: Path) -> None:
    marathon = vendor.image("mesosphere/marathon", "v1.11.24")
    assert vendor.pull(marathon).came == 1
    for reference in ("mesosphere/marathon:v1.11.24", f"mesosphere/marathon@{marathon.digest}"):
        text = served(vendor.site, reference, "inspect", "--raw", "--tls-verify=false")
        assert f"sha256:{hashlib.sha256(text).hexdigest()}" == marathon.digest
    with registry_of(vendor.site.folder.registry) as name:
        subprocess.run(["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{name}/mesosphere/marathon:v1.11.24",
                        f"dir:{tmp_path / 'copied'}"], check=True, capture_output=True)
    [row] = json.loads(vendor.site.files()["catalogue.json"])
    assert (row["component"], row["image"], row["digest"]) == ("marathon", "mesosphere/marathon:v1.11.24", marathon.digest)
    assert not [*vendor.site.folder.arriving.iterdir()]


def test_of_a_list_the_wanted_architectures_come(vendor: Registry) -> None:
    busybox = vendor.listed("busybox", "1.36", "amd64", "arm64", "s390x")
    assert vendor.pull(busybox).faults == ()
    text = served(vendor.site, "busybox:1.36", "inspect", "--raw", "--tls-verify=false")
    assert f"sha256:{hashlib.sha256(text).hexdigest()}" == busybox.digest
    for architecture in ("amd64", "arm64"):
        config = served(vendor.site, "busybox:1.36", "--override-arch", architecture, "inspect", "--config", "--tls-verify=false")
        assert json.loads(config)["architecture"] == architecture
    with pytest.raises(subprocess.CalledProcessError):
        served(vendor.site, "busybox:1.36", "--override-arch", "s390x", "inspect", "--config", "--tls-verify=false")


def test_a_second_time_no_registry_is_asked(vendor: Registry) -> None:
    images = (vendor.image("chronos", "v3"), vendor.listed("busybox", "1.36", "amd64", "arm64"))
    vendor.pull(*images)
    shutil.rmtree(vendor.storage / "docker")
    assert vendor.pull(*images) == Pulled(0, ())


def test_what_a_registry_no_longer_has_is_said(vendor: Registry) -> None:
    images = (vendor.image("chronos", "v3"), vendor.image("marathon", "v1"))
    shutil.rmtree(vendor.storage / "docker" / "registry" / "v2" / "repositories" / "chronos")
    pulled = vendor.pull(*images)
    assert pulled.came == 1
    [fault] = pulled.faults
    assert f"the image {vendor.name}/chronos@{images[0].digest}" in fault.message and fault.hint


def test_an_image_that_was_brought_is_not_asked_for(vendor: Registry) -> None:
    [fault] = vendor.pull(Locked(IMAGE, "registrator:7.4.0", "7.4.0", f"sha256:{'1' * 64}", origin=BROUGHT)).faults
    assert "no registry serves it" in fault.message


def test_a_damaged_blob_is_found_and_comes_again(vendor: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    chronos = vendor.image("chronos", "v3")
    vendor.pull(chronos)
    folder = vendor.site.folder
    blobs = sorted(Storage(folder.registry).blobs.glob("*/*/data"))
    assert mirror.run_check(Console(), mirror.Check(str(folder.root))) == 0
    for blob in blobs:
        content = blob.read_bytes()
        blob.write_bytes(b"x" * len(content))
        assert mirror.run_check(Console(), mirror.Check(str(folder.root))) == 5
        assert f"{blob} is not what its name says: remove it and pull again" in capsys.readouterr().err
        blob.unlink()
        assert vendor.pull(chronos).came == 1
        assert blob.read_bytes() == content


def test_prune_leaves_what_the_lock_names(vendor: Registry) -> None:
    old, new = vendor.image("chronos", "v2", "old"), vendor.image("chronos", "v3", "new")
    busybox = vendor.listed("busybox", "1.36", "amd64", "arm64")
    vendor.pull(old, busybox)
    vendor.pull(new, busybox)
    folder = vendor.site.folder
    assert mirror.run_prune(Console(), mirror.Prune(str(folder.root), yes=True)) == 0
    assert mirror.run_check(Console(), mirror.Check(str(folder.root))) == 0
    assert not Storage(folder.registry).blob(old.digest.removeprefix("sha256:")).exists()
    assert [path.name for path in (Storage(folder.registry).repositories / "chronos" / "_manifests" / "tags").iterdir()] == ["v3"]
    assert vendor.pull(new, busybox).came == 0
