"""Snapshots of labs without an engine: what is kept about them, what is refused, and what is taken back."""

from __future__ import annotations

import ipaddress
import stat
from pathlib import Path

import pytest

from provisioner.errors import ProvisionError, UsageError
from provisioner.inventory.load import load
from provisioner.mirror.programs import run
from provisioner_lab import restore
from provisioner_lab.commands import piped
from provisioner_lab.freeze import take
from provisioner_lab.hosts import inventory
from provisioner_lab.model import Lab
from provisioner_lab.snapshots import store
from provisioner_lab.snapshots.store import Snapshot

SUBNET = ipaddress.IPv4Network("198.18.7.0/24")
KEPT = Snapshot("mine", "0123456789ab", "2026-01-02T03:04:05Z", "demo", "demo", "debian12", str(SUBNET), "/w", (1, 1), ("m1", "a1"),
                "content-debian12-1", "mirror-1", healthy=False)
#: A Docker client that notes what it is told to do. Its engine has the lab in the file `lab`, and images and
#: disks of two snapshots; `broken` names a command that fails.
DOCKER = """#!/bin/sh
cd "$(dirname "$0")"
case "$1 $2" in
  "info "*) echo 28 ;;
  "network ls") [ ! -e lab ] || cat lab ;;
  "network inspect") echo '[{"IPAM": {"Config": [{"Subnet": "198.18.7.0/24"}]}}]' ;;
  "network create") echo 'provisioner-lab-copy|copy|'"$(dirname "$PWD")"'|debian12|docker|demo' >lab ;;
  "network rm") rm lab ;;
  "ps "*) [ ! -e lab ] || printf '%s\\n' 'm1 running' 'a1 paused' 'mirror running' ;;
  "image ls") printf '%s\\n' "$5:0123456789ab-m1" "$5:ffff00000000-m1" ;;
  "volume ls") printf '%s\\n' "${5#name=}-0123456789ab-m1" "${5#name=}-ffff00000000-m1" "other-ffff00000000-m1" ;;
esac
echo "$*" >>did
[ ! -e broken ] || ! echo "$*" | grep -q "$(cat broken)"
"""


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the snapshots of this test."""
    monkeypatch.setattr(store, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setattr("provisioner_lab.cache.cache_dir", lambda: tmp_path)
    return tmp_path / "cache" / "snapshots"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the Docker client above."""
    client = tmp_path / "bin" / "docker"
    client.parent.mkdir()
    client.write_text(DOCKER)
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(client.parent), prepend=":")
    return client.parent


def put(snapshot: Snapshot, lab: Lab | None = None) -> None:
    """On the shelf, with the folder of a lab."""
    place = store.parts(snapshot.name)
    place.folder.mkdir()
    place.about.write_text(snapshot.as_json())
    if lab:
        run(["tar", "-C", str(lab.home), "-cf", str(place.home), "."], what="home")


def lab_of(folder: Path, name: str = "demo", origin: str = "demo") -> Lab:
    return Lab(name, folder, "debian12", SUBNET, origin=origin)


def test_what_is_written_is_read_again() -> None:
    put(KEPT)
    assert store.snapshots() == (KEPT,)
    assert store.find("mine") == KEPT


@pytest.mark.parametrize(("text", "said"), [
    ("", "does not tell of a snapshot"), ("[]", "does not tell of a snapshot"), ('{"format": 1}', "does not tell of a snapshot"),
    (KEPT.as_json().replace('"format": 1', '"format": 9'), "another version of the tool"),
    (KEPT.as_json().replace('"stamp"', '"stamps"'), "does not tell of a snapshot"),
])
def test_what_can_not_be_read_says_how_to_get_rid_of_it(text: str, said: str) -> None:
    put(KEPT)
    store.parts("mine").about.write_text(text)
    with pytest.raises(ProvisionError, match=said) as error:
        store.find("mine")
    assert "provision lab snapshots --remove mine" in error.value.hint


def test_one_that_is_not_there_is_refused_with_those_that_are() -> None:
    put(KEPT)
    for verb in (store.find, store.remove):
        with pytest.raises(UsageError, match=r"no snapshot 'yours'.*mine"):
            verb("yours")
    with pytest.raises(UsageError, match="can't be the name of a snapshot"):
        store.find("../mine")


def test_others_can_not_look_into_the_shelf(shelf: Path) -> None:
    assert stat.S_IMODE(store.shelf().stat().st_mode) == 0o700
    assert store.shelf() == shelf


def test_the_engine_keeps_only_what_is_on_the_shelf_and_what_others_have(engine: Path) -> None:
    put(KEPT)
    store.tidy()
    gone = [line for line in (engine / "did").read_text().splitlines() if " rm " in line]
    assert [line.split()[0] for line in gone] == ["image", "volume"]
    assert all("ffff00000000-m1" in line and "other" not in line for line in gone)


def test_a_network_that_somebody_uses_is_refused_by_name() -> None:
    copy = lab_of(Path("/w"), "copy")
    restore.check_room(copy, [], [ipaddress.IPv4Network("198.18.8.0/24")])
    with pytest.raises(UsageError, match=r"the lab 'demo' uses the network 198\.18\.7\.0/24") as error:
        restore.check_room(copy, [lab_of(Path("/x"))], [SUBNET])
    assert "provision lab down --name demo" in error.value.hint
    with pytest.raises(UsageError, match="something else on this machine uses the network"):
        restore.check_room(copy, [], [ipaddress.IPv4Network("198.18.0.0/16")])
    with pytest.raises(UsageError, match="there is a lab 'copy' already"):
        restore.check_room(copy, [copy], [SUBNET])


def test_a_lab_that_does_not_run_is_not_kept(engine: Path) -> None:
    (engine / "lab").write_text("provisioner-lab-demo|demo|/w|debian12|docker|\n")
    with pytest.raises(UsageError, match="not all of the lab 'demo' runs: a1 is paused"):
        take("mine", "demo", again=False, say=print)
    put(KEPT)
    with pytest.raises(UsageError, match="there is a snapshot 'mine' already"):
        take("mine", "demo", again=False, say=print)


def test_a_copy_has_the_same_cluster_in_another_folder(tmp_path: Path) -> None:
    first, copy = lab_of(tmp_path / "first"), lab_of(tmp_path / "second", "copy")
    inventory.save(first.inventory, inventory.merged("", first, [first.node("m1")]))
    inventory.save(first.cluster_state / "secrets.yml", "secret")
    snapshot = Snapshot(**{**vars(KEPT), "directory": str(tmp_path / "first")})
    put(snapshot, first)
    restore.open_home(copy, snapshot)
    cluster = load(copy.inventory)
    assert (cluster.name, cluster.state_dir, cluster.host("m1").address) == ("lab-demo", copy.cluster_state, "198.18.7.11")
    assert str(first.home) not in copy.inventory.read_text()
    assert (copy.cluster_state / "secrets.yml").read_text() == "secret"
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in copy.home.rglob("*")} == {0}


def test_a_restore_that_fails_leaves_nothing(engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lab_of(tmp_path / "first")
    inventory.save(first.inventory, inventory.merged("", first, [first.node("m1")]))
    put(KEPT, first)
    monkeypatch.setattr(restore, "networks_in_use", list)
    monkeypatch.setattr(restore, "allow_watchers", lambda hosts: None)
    monkeypatch.setattr("provisioner_lab.hosts.engine.ensure", lambda say: None)
    (engine / "broken").write_text("^volume create .*copy-a1")
    with pytest.raises(ProvisionError, match="disk of copy-a1 failed"):
        restore.restore("mine", "copy", directory=tmp_path, say=print)
    did = (engine / "did").read_text().splitlines()
    assert not lab_of(tmp_path, "copy").home.exists()
    assert "network rm provisioner-lab-copy" in did


@pytest.mark.parametrize(("source", "target", "said"), [
    (["sh", "-c", "echo out of paper >&2; exit 3"], ["cat"], r"it failed \(exit 3\):\nout of paper"),
    (["yes"], ["sh", "-c", "echo full >&2; exit 4"], r"it failed \(exit 4\):\nfull"),
    (["true"], ["no-such-program"], "the program no-such-program is not installed"),
])
def test_of_two_programs_in_a_row_the_one_that_failed_speaks(source: list[str], target: list[str], said: str) -> None:
    with pytest.raises(ProvisionError, match=said):
        piped(source, target, what="it")


def test_two_programs_in_a_row(tmp_path: Path) -> None:
    piped(["echo", "through"], ["tee", str(tmp_path / "file")], what="it")
    assert (tmp_path / "file").read_text() == "through\n"
