"""Signed repositories: the key is found again, wherever its folder is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from provisioner.mirror.repository import public_key, signing_key

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="GnuPG is not installed; `lab up` installs it")


def test_a_folder_may_have_any_path(tmp_path: Path) -> None:
    """GnuPG's agent listens beside its keys, and the path of a socket is short."""
    home = tmp_path / ("deep" * 30) / "key"
    home.parent.mkdir()
    key = signing_key(home, "a mirror")
    assert signing_key(home, "a mirror") == key
    assert public_key(key).startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    assert home.stat().st_mode & 0o777 == 0o700
