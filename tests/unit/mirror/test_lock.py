"""The file of a lock: the same bytes for the same artefacts, and a clear word about a line that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.cluster.lock import ARCHIVE, IMAGE, PACKAGE, Lock, Locked, System, read
from provisioner.errors import InventoryError

DEBIAN = System("debian", "12", "bookworm", "amd64")
ARTEFACTS = (
    Locked(PACKAGE, "docker-ce", "5:29.1-1", "sha256:aa", 10, "docker", DEBIAN.name, "http://x/docker-ce.deb", "apt/pool/docker-ce.deb"),
    Locked(PACKAGE, "iptables", "1.8.9-2", "sha256:bb", 3, "docker", DEBIAN.name, asked=False),
    Locked(ARCHIVE, "consul.zip", "2.0.4", "sha256:cc", 7, "consul"),
    Locked(IMAGE, "mesosphere/marathon:v1.11.24", "1.11.24", "sha256:dd", 9, "marathon"),
)


def test_the_order_in_which_they_were_found_leaves_no_trace(tmp_path: Path) -> None:
    text = str(Lock((DEBIAN,), ARTEFACTS))
    assert text == str(Lock((DEBIAN,), ARTEFACTS[::-1]))
    (tmp_path / "provision.lock").write_text(text)
    found = read(tmp_path / "provision.lock")
    assert found and set(found.artefacts) == set(ARTEFACTS) and found.systems == (DEBIAN,)
    assert str(found) == text


def test_there_is_none(tmp_path: Path) -> None:
    assert read(tmp_path / "provision.lock") is None
    (tmp_path / "empty").write_text(str(Lock()))
    assert read(tmp_path / "empty") == Lock()


@pytest.mark.parametrize(("text", "said"), [
    ("{", "can't be read"), ("[]", "no lock of provision"), ('{"format": 1, "systems": 5}', "no lock of provision"),
    ('{"format": 2}', "has format 2, this program knows 1"),
    ('{"format": 1, "artefacts": [7]}', "is not one: 7"), ('{"format": 1, "artefacts": [{"kin": "image"}]}', "kin"),
    ('{"format": 1, "artefacts": [{"kind": "image", "name": "x"}]}', "look at version, digest"),
    ('{"format": 1, "artefacts": [{"kind": "x", "name": "x", "version": "1", "digest": "d"}]}', "look at kind"),
    ('{"format": 1, "artefacts": [{"kind": "image", "name": "x", "version": 1, "digest": "d"}]}', "look at version"),
])
def test_what_is_none_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "provision.lock"
    path.write_text(text)
    with pytest.raises(InventoryError, match=said) as caught:
        read(path)
    assert caught.value.where == str(path) and caught.value.hint
