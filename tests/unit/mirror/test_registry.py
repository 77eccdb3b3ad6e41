"""Images by digest: the real skopeo asks a real registry on loopback."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from provisioner.errors import UsageError
from provisioner.mirror import registry
from provisioner.mirror.artefacts import NeededImage
from provisioner.mirror.images import store
from tests.unit.mirror.served import image, registry_of

programs = pytest.mark.skipif(not all(map(shutil.which, ("skopeo", "docker-registry"))), reason="needs skopeo and docker-registry")


@programs
def test_an_image_is_locked_by_its_manifest(tmp_path: Path) -> None:
    made = image(tmp_path, "tools/thing", "1.0")
    store([made], tmp_path / "storage")
    with registry_of(tmp_path / "storage") as name:
        found = registry.locked(NeededImage("marathon", "1.0", f"{name}/tools/thing:1.0", plain=True), ["amd64"])
        assert (found.name, found.digest) == (f"{name}/tools/thing:1.0", made.digest)
        assert found.size == len(made.config) + made.layers[0].path.stat().st_size
        exact = NeededImage("marathon", "1.0", f"{name}/tools/thing@{made.digest}", plain=True)
        assert registry.locked(exact, ["amd64"]).digest == made.digest
        with pytest.raises(registry.NoImageError, match="exists for amd64, not for arm64"):
            registry.locked(NeededImage("marathon", "1.0", f"{name}/tools/thing:1.0", plain=True), ["amd64", "arm64"])
        with pytest.raises(registry.NoImageError, match=r"tools/thing:2\.0.*unknown"):
            registry.locked(NeededImage("marathon", "2.0", f"{name}/tools/thing:2.0", plain=True), ["amd64"])


def test_without_the_program_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "PROGRAM", "no-such-program")
    with pytest.raises(UsageError, match="not installed here") as caught:
        registry.locked(NeededImage("marathon", "1", "127.0.0.1:1/x:1"), ["amd64"])
    assert "apt-get install skopeo" in caught.value.hint


def test_a_registry_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    if not shutil.which("skopeo"):
        pytest.skip("needs skopeo")
    with pytest.raises(registry.NoImageError, match="connection refused"):
        registry.locked(NeededImage("marathon", "1", "127.0.0.1:1/x:1", plain=True), ["amd64"])


@pytest.mark.parametrize(("full", "plain"), [
    ("mesosphere/marathon:v1", "mesosphere/marathon"), ("reg:5000/a", "reg:5000/a"), ("reg:5000/a:1@sha256:ff", "reg:5000/a"),
])
def test_names_without_tags(full: str, plain: str) -> None:
    assert registry.named(full) == plain
