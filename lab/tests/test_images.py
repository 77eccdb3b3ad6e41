"""Images made without an engine, as a registry serves them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from provisioner.errors import UsageError
from provisioner.mirror.images import Image, Settings, compress, configuration, layer_of_folder, store


def folder(root: Path, **files: str) -> Path:
    """A folder with these files; `__` in a name stands for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def contents(layer: Path) -> dict[str, tarfile.TarInfo]:
    """The members of a layer."""
    with tarfile.open(layer) as archive:
        return {member.name: member for member in archive.getmembers()}


def test_the_same_files_give_the_same_layer_whatever_their_time_and_owner(tmp_path: Path) -> None:
    one, two = folder(tmp_path / "one", usr__a="x", etc__b="y"), folder(tmp_path / "two", etc__b="y", usr__a="x")
    (two / "etc" / "b").chmod(0o600)
    first, second = (layer_of_folder(source, tmp_path / f"{source.name}.gz") for source in (one, two))
    assert (first.digest, first.diff_id) == (second.digest, second.diff_id)
    assert {member.uid for member in contents(first.path).values()} == {0}


def test_programs_stay_executable_and_empty_folders_come_along(tmp_path: Path) -> None:
    source = folder(tmp_path / "x", usr__run="r", usr__data="d")
    (source / "usr" / "run").chmod(0o700)
    (source / "var" / "log").mkdir(parents=True)
    found = contents(layer_of_folder(source, tmp_path / "layer.gz").path)
    assert {name: oct(member.mode) for name, member in found.items()} == {
        "usr": "0o755", "usr/run": "0o755", "usr/data": "0o644", "var": "0o755", "var/log": "0o755"}


def test_a_folder_that_would_hide_the_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="would hide the link /bin"):
        layer_of_folder(folder(tmp_path / "x", bin__program="x"), tmp_path / "layer.gz")
    layer_of_folder(tmp_path / "x", tmp_path / "layer.gz", on_base=False)


@pytest.mark.parametrize("packed", [False, True])
def test_a_layer_names_the_hash_of_the_tar_and_of_the_file(tmp_path: Path, packed: bool) -> None:
    tar = b"not really a tar" * 1000
    layer = compress(io.BytesIO(gzip.compress(tar) if packed else tar), tmp_path / "layer.gz")
    assert layer.diff_id == hashlib.sha256(tar).hexdigest()
    assert layer.digest == hashlib.sha256(layer.path.read_bytes()).hexdigest()
    assert gzip.decompress(layer.path.read_bytes()) == tar


def test_a_registry_finds_manifest_configuration_and_layers(tmp_path: Path) -> None:
    layer = layer_of_folder(folder(tmp_path / "x", usr__a="x"), tmp_path / "layer.gz")
    config = configuration("amd64", Settings(entrypoint=("/a",), environment={"K": "v"}), [layer])
    store([Image("mesosphere/marathon", "v1", config, (layer,))], tmp_path / "registry")
    root = tmp_path / "registry" / "docker" / "registry" / "v2"

    def blob(digest: str) -> bytes:
        kind, _, value = digest.partition(":")
        data = (root / "blobs" / kind / value[:2] / value / "data").read_bytes()
        assert hashlib.sha256(data).hexdigest() == value
        return data

    repository = root / "repositories" / "mesosphere" / "marathon"
    manifest = json.loads(blob((repository / "_manifests" / "tags" / "v1" / "current" / "link").read_text()))
    read = json.loads(blob(manifest["config"]["digest"]))
    assert read["config"]["Entrypoint"] == ["/a"]
    assert read["rootfs"]["diff_ids"] == [f"sha256:{layer.diff_id}"]
    for part in (*manifest["layers"], manifest["config"]):
        assert len(blob(part["digest"])) == part["size"]
        assert (repository / "_layers" / "sha256" / part["digest"].partition(":")[2] / "link").read_text() == part["digest"]
