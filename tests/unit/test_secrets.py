"""Secrets: made once, encrypted, readable by their owner only, and usable by Ansible."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.cluster.model import Cluster
from provisioner.errors import ProvisionError, UsageError
from provisioner.state import secrets
from provisioner.state.authority import make_authority

#: What stands in the folder of a cluster that has secrets, and no password file of its own.
KEPT = ["secrets.yml", secrets.ENDS, secrets.MARKS, secrets.SINCE]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster without state, under the worst umask."""
    monkeypatch.delenv(secrets.ENVIRONMENT, raising=False)
    before = os.umask(0)
    yield Cluster("demo", tmp_path / "inventory.yml", ())
    os.umask(before)


def test_every_purpose_has_a_strong_secret_of_its_own(cluster: Cluster) -> None:
    secrets.ensure(cluster)
    values = secrets.load(cluster)
    authority = {values.pop(name) for name in (secrets.AUTHORITY_KEY, secrets.AUTHORITY_CERTIFICATE)}
    assert len(authority) == 2
    made = {name: value for name, value in values.items() if not name.endswith("_digest")}
    assert made.keys() == secrets.PURPOSES.keys()
    assert len(set(made.values())) == len(made)
    assert len(base64.b64decode(made.pop("vault_consul_gossip_key"))) == 32
    for name, value in made.items():
        assert re.fullmatch("[0-9a-f]{48}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value), name


def test_nothing_is_readable_by_others_and_nothing_is_left_behind(cluster: Cluster) -> None:
    secrets.ensure(cluster)
    root = cluster.path.parent / ".provision"
    modes = {str(p.relative_to(root)): p.stat().st_mode & 0o777 for p in (root, *root.rglob("*"))}
    assert modes == {".": 0o700, "demo": 0o700, "demo/secrets.yml": 0o600, "demo/secrets_since.json": 0o600,
                     "demo/secrets_authority_end": 0o600,
                     "demo/secrets_marks.json": 0o600,
                     "demo/vault_password": 0o600}


def test_the_file_is_encrypted(cluster: Cluster) -> None:
    content = secrets.ensure(cluster).read_text()
    assert content.startswith("$ANSIBLE_VAULT;1.1;AES256\n")
    assert not any(value in content for value in secrets.load(cluster).values())


def test_ansible_reads_it(cluster: Cluster) -> None:
    path = secrets.ensure(cluster)
    command = [str(Path(sys.executable).with_name("ansible-vault")), "view", "--vault-password-file"]
    done = subprocess.run([*command, str(secrets.password_file(cluster)), str(path)], capture_output=True, check=True, text=True)
    for name, value in secrets.load(cluster).items():
        assert f"{name}: {json.dumps(value)}" in done.stdout


def test_an_existing_secret_is_never_changed(cluster: Cluster) -> None:
    path = secrets.ensure(cluster)
    before, content = secrets.load(cluster), path.read_bytes()
    secrets.ensure(cluster)
    assert path.read_bytes() == content
    assert secrets.load(cluster) == before


def test_a_new_purpose_adds_its_secret_and_changes_no_other(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.ensure(cluster)
    before = secrets.load(cluster)
    monkeypatch.setattr(secrets, "PURPOSES", {**secrets.PURPOSES, "vault_new_secret": lambda: "new"})
    secrets.ensure(cluster)
    assert secrets.load(cluster) == before | {"vault_new_secret": "new"}


def test_two_at_once_agree(cluster: Cluster) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(secrets.ensure, [cluster] * 8))
    assert secrets.load(cluster).keys() > secrets.PURPOSES.keys()
    assert sorted(p.name for p in cluster.state_dir.iterdir()) == [*KEPT, "vault_password"]


def test_derived_values() -> None:
    # printf 'super:super123' | openssl dgst -sha1 -binary | base64
    assert secrets.zookeeper_digest("super", "super123") == "super:UdxDQl4f9v5oITwcAsO9bmWgHSI="


def test_digests_follow_from_the_passwords(cluster: Cluster) -> None:
    secrets.ensure(cluster)
    values = secrets.load(cluster)
    for user in secrets.ZOOKEEPER_USERS:
        expected = secrets.zookeeper_digest(user, values[f"vault_zookeeper_{user}_password"])
        assert values[f"vault_zookeeper_{user}_digest"] == expected


@pytest.mark.parametrize("name", ["secrets.yml", "vault_password"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o700])
def test_a_file_that_others_can_read_is_refused(cluster: Cluster, name: str, mode: int) -> None:
    secrets.ensure(cluster)
    path = cluster.state_dir / name
    path.chmod(mode)
    for action in (secrets.load, secrets.ensure):
        with pytest.raises(UsageError, match=rf"its mode is {mode:04o}\n→ chmod 600 '{path}'"):
            action(cluster)


def test_a_password_file_of_ones_own(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "password"
    own.touch(mode=0o600)
    own.write_text("correct horse\n")
    monkeypatch.setenv(secrets.ENVIRONMENT, str(own))
    secrets.ensure(cluster)
    assert sorted(p.name for p in cluster.state_dir.iterdir()) == KEPT
    assert secrets.load(cluster)
    own.write_text("wrong\n")
    with pytest.raises(UsageError, match=r"the password in .*/password does not open the secrets"):
        secrets.load(cluster)
    own.write_text(" \n")
    with pytest.raises(UsageError, match="the file with the vault's password is empty"):
        secrets.load(cluster)
    own.unlink()
    with pytest.raises(UsageError, match="the file with the vault's password is missing"):
        secrets.ensure(cluster)


def test_a_named_password_file_is_never_made(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(secrets.ENVIRONMENT, str(tmp_path / "password"))
    with pytest.raises(UsageError, match=f"is missing\n→ make it, or unset {secrets.ENVIRONMENT}"):
        secrets.ensure(cluster)
    assert not list(cluster.state_dir.iterdir())


def test_a_loose_directory_is_closed(cluster: Cluster) -> None:
    cluster.state_dir.mkdir(parents=True, mode=0o755)
    secrets.ensure(cluster)
    assert cluster.state_dir.stat().st_mode & 0o777 == 0o700


def test_a_lost_password_is_not_replaced_by_a_new_one(cluster: Cluster) -> None:
    secrets.ensure(cluster)
    secrets.password_file(cluster).unlink()
    with pytest.raises(UsageError, match=f"is missing\n→ restore it, or name the right file in {secrets.ENVIRONMENT}"):
        secrets.ensure(cluster)
    assert not secrets.password_file(cluster).exists()


def test_files_that_are_no_secrets(cluster: Cluster) -> None:
    with pytest.raises(UsageError, match="there are no secrets yet"):
        secrets.load(cluster)
    path = secrets.ensure(cluster)
    content = path.read_bytes()
    for damaged, message in ((b"a: b\n", "the secrets are not encrypted"), (content[:-20], "does not open the secrets")):
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match=message):
            secrets.load(cluster)
    path.unlink()
    path.mkdir()
    with pytest.raises(ProvisionError, match=r"secrets\.yml"):
        secrets.load(cluster)


def test_a_full_disk_leaves_what_was_there(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    path = secrets.ensure(cluster)
    content = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(secrets, "PURPOSES", {**secrets.PURPOSES, "vault_new_secret": lambda: "new"})
    monkeypatch.setattr("provisioner.state.files.os.fsync", full)
    with pytest.raises(ProvisionError, match="can't write the file: No space left on device"):
        secrets.ensure(cluster)
    assert path.read_bytes() == content
    assert sorted(p.name for p in cluster.state_dir.iterdir()) == [*KEPT, "vault_password"]


def test_the_day_on_which_a_secret_was_made_is_remembered(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.ensure(cluster)
    (cluster.state_dir / secrets.SINCE).unlink()
    monkeypatch.setattr(secrets, "PURPOSES", {**secrets.PURPOSES, "vault_new_secret": lambda: "new"})
    secrets.ensure(cluster)
    known = secrets.since(cluster)
    assert [*known] == ["vault_new_secret"], "what was there before is not said to be new"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", known["vault_new_secret"])


def test_the_companys_authority_takes_the_place_of_the_clusters_own(cluster: Cluster) -> None:
    key, certificate = make_authority("company")
    secrets.ensure(replace(cluster, variables={"cluster_ca_key": key, "cluster_ca_certificate": certificate}))
    given = secrets.load(cluster)
    assert (given[secrets.AUTHORITY_KEY], given[secrets.AUTHORITY_CERTIFICATE]) == (key, certificate)
    assert secrets.stages(cluster) == {}, "from the beginning: nobody has to be told of another one"
