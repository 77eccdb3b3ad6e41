"""A package source's key that has expired on the host is fetched again: its vendor may have extended it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.provisioner.core.plugins.modules import repos_info

from provisioner.mirror import repository

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")
MADE, DAY = 1_600_000_000, 86_400


def key(folder: Path) -> repository.Key:
    """One that was made long ago and expired a day later."""
    folder.mkdir(mode=0o700)
    _gpg(folder, MADE, "--quick-generate-key", "vendor", "ed25519", "sign", "1d")
    return repository.signing_key(folder, "vendor")


def extended(of: repository.Key, until: str, after: int = 60) -> bytes:
    """The same key, which its owner extended before it ended, so many seconds after it was made."""
    _gpg(of.home, MADE + after, "--quick-set-expire", of.fingerprint, until)
    return repository.public_key(of).encode()


def _gpg(home: Path, now: int, *arguments: str) -> None:
    command = ["gpg", "--homedir", str(home), "--batch", "--passphrase", "", "--faked-system-time", f"{now}!", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def ends(armoured: bytes) -> float:
    (raw,) = repos_info.keys_in(armoured).values()
    return repos_info.ends(raw)


def test_it_is_read_when_a_key_ends(tmp_path: Path) -> None:
    old = key(tmp_path / "gpg")
    assert ends(repository.public_key(old).encode()) == MADE + DAY
    assert ends(extended(old, "10d")) == MADE + 60 + 10 * DAY
    assert ends(extended(old, "never", 120)) == float("inf")


def test_an_expired_copy_is_replaced_by_what_is_served_and_a_good_one_is_not_asked_for(tmp_path: Path,
                                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    old, path = key(tmp_path / "gpg"), tmp_path / "vendor.asc"
    asked: list[str] = []
    served = [repository.public_key(old).encode()]

    def fetch(url: str) -> bytes:
        asked.append(url)
        return served[-1]

    monkeypatch.setattr(repos_info, "fetch", fetch)
    monkeypatch.setattr(repos_info, "guarded", lambda path, mode: True)
    repository_of = {"name": "vendor", "key_url": "https://repo.invalid/key", "key_fingerprint": old.fingerprint}

    def look() -> str:
        text, problem = repos_info.key_of(repository_of, str(path), False)
        assert problem == ""
        path.write_text(text or path.read_text())
        return text

    assert look() != ""
    assert (look(), len(asked)) == ("", 2), "still the expired one: there is nothing to write"
    served.append(extended(old, "never"))
    assert look() != ""
    assert (look(), len(asked)) == ("", 3), "a key that is good is not asked for"
