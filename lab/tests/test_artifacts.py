"""Real artefacts take the place of the stand-ins of the same name."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from provisioner.errors import UsageError
from provisioner.mirror import repository
from provisioner.mirror.brought import SavedConsul, read_artifacts, unpack
from provisioner.mirror.files import file_sha256
from provisioner.mirror.images import Layer
from provisioner_lab.mirror.content import ingredients
from provisioner_lab.packages.download import together
from provisioner_lab.systems import system
from samples import package


def saved(path: Path, *tags: str, manifest: bool = True) -> None:
    """A file as `docker save` writes it, with one layer."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("etc/x"))
    files = {"abc.json": b'{"os":"linux"}', "abc/layer.tar": inner.getvalue()}
    if manifest:
        rows = [{"Config": "abc.json", "RepoTags": list(tags) or None, "Layers": ["abc/layer.tar"]}]
        files["manifest.json"] = json.dumps(rows).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def test_packages_that_need_each_other_are_resolved_together(tmp_path: Path) -> None:
    package(tmp_path, "zookeeper", "3.9-1", depends="libzookeeper-java (= 3.9-1), java-runtime")
    package(tmp_path, "libzookeeper-java", "3.9-1", depends="zookeeper | libjute-java")
    package(tmp_path, "mesos", "1")
    files = sorted(tmp_path.glob("*.deb"))
    names = [[Path(path).name.partition("_")[0] for path in line] for line in together(files)]
    assert names == [["libzookeeper-java", "zookeeper"], ["mesos"], ["zookeeper", "libzookeeper-java"]]


def test_a_stand_in_gives_way_to_the_real_thing(tmp_path: Path) -> None:
    package(tmp_path / "real" / "deb", "mesos", "1.11.0-2.0.1")
    saved(tmp_path / "real" / "images" / "m.tar", "registry.example:5000/mesosphere/marathon:v1.11.24")
    real = read_artifacts(tmp_path / "real")
    chosen = ingredients(system("debian12"), "image", Layer(Path("x"), "d", "i"), real)
    assert real.names == {"mesos", "marathon"}
    assert [(deb.package, deb.version) for deb in real.debs] == [("mesos", "1.11.0-2.0.1")]
    assert [(image.repository, image.tag) for image in real.images] == [("mesosphere/marathon", "v1.11.24")]
    assert {item.name for item in chosen.debs} == {"logstash"}
    assert {item.name for item in chosen.images} == {"chronos", "registrator"}


def test_content_is_made_again_when_an_artefact_changes(tmp_path: Path) -> None:
    base = Layer(Path("x"), "d", "i")
    which = system("debian12")
    package(tmp_path / "real" / "deb", "mesos", "1")
    before = ingredients(which, "image", base, read_artifacts(tmp_path / "real")).stamp
    assert before == ingredients(which, "image", base, read_artifacts(tmp_path / "real")).stamp
    saved(tmp_path / "real" / "images" / "m.tar", "busybox:2")
    assert before != ingredients(which, "image", base, read_artifacts(tmp_path / "real")).stamp
    assert before != ingredients(which, "image", base, read_artifacts(None)).stamp


def test_a_saved_image_is_unpacked_for_the_registry(tmp_path: Path) -> None:
    saved(tmp_path / "images" / "m.tar", "localhost/chronos:v3")
    found = read_artifacts(tmp_path).images[0]
    image = unpack(found, tmp_path)
    assert (image.name, image.tag, image.config) == ("chronos", "v3", b'{"os":"linux"}')
    assert json.loads(image.manifest)["layers"][0]["digest"] == f"sha256:{image.layers[0].digest}"


def test_consuls_archive_takes_the_place_of_the_labs(tmp_path: Path) -> None:
    path = tmp_path / "archives" / "consul_1.10.12_linux_amd64.zip"
    path.parent.mkdir()
    path.write_bytes(b"first")
    found = read_artifacts(tmp_path)
    before = found.stamp
    assert found.consul == SavedConsul(path, "1.10.12")
    other = path.with_name("consul_1.11.0_linux_amd64.zip")
    path.rename(other)
    assert read_artifacts(tmp_path).stamp != before


def test_every_unusable_artefact_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a" / "deb").mkdir(parents=True)
    (tmp_path / "a" / "deb" / "x.deb").write_text("no package")
    (tmp_path / "b" / "images").mkdir(parents=True)
    (tmp_path / "b" / "images" / "x.tar").write_text("no tar")
    saved(tmp_path / "c" / "images" / "x.tar")
    saved(tmp_path / "d" / "images" / "x.tar", "a:1", manifest=False)
    (tmp_path / "e" / "archives").mkdir(parents=True)
    (tmp_path / "e" / "archives" / "nomad_1_linux_amd64.zip").write_text("another program")
    (tmp_path / "f" / "archives").mkdir(parents=True)
    for version in (1, 2):
        (tmp_path / "f" / "archives" / f"consul_{version}_linux_amd64.zip").write_text("one too many")
    reasons = {"e": "takes one, Consul's", "f": "takes one, Consul's",
               "empty": "no artefacts here", "a": "no Debian package", "b": "no tar file", "c": "has a name", "d": "no manifest.json"}
    for folder, reason in reasons.items():
        with pytest.raises(UsageError, match=reason) as caught:
            read_artifacts(tmp_path / folder)
        assert str(tmp_path / folder) in str(caught.value)
        assert caught.value.hint


@pytest.mark.skipif(shutil.which("apt-ftparchive") is None, reason="apt-utils is not installed; `lab up` installs it")
def test_the_index_follows_a_package_that_was_built_again(tmp_path: Path) -> None:
    root = tmp_path / "apt"
    pool = repository.pool_of(root, "bookworm", repository.OWN)
    for content in ("first", "second"):
        package(tmp_path / content / "built", "mesos", "1", content=content)
        shutil.copy(tmp_path / content / "built" / "mesos_1_all.deb", pool)
        index = repository.index(root, "bookworm", tmp_path / "memory.db")
        assert f"SHA256: {file_sha256(pool / 'mesos_1_all.deb')}\n" in index
