"""A lab kept and started again: its host, the way in, what a failed restore leaves. `test_rebuild.py` does it with a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.errors import ProvisionError, UsageError
from provisioner.mirror.programs import run
from provisioner_lab import restore, work
from provisioner_lab.snapshots import store
from provisioner_lab.under_test import LabHost
from tests.lab.support.checkout import HOME, lab_name, provision

pytestmark = pytest.mark.own_lab
LAB, COPY, NAME = lab_name("kept"), lab_name("copy"), lab_name("e2e")
# On the disk, what only the engine of a host makes: a deleted file of a layer, and a folder that hides the layer's.
CHANGE = """
set -e
echo 192.0.2.1 somewhere >>/etc/hosts
touch /etc/owned && chown operator:operator /etc/owned && rm /etc/issue
cd /var/lib/docker && mknod deleted c 0 0 && mkdir hides
python3 -c 'import os; os.setxattr("hides", "trusted.overlay.opaque", b"y")'
"""
LOOK = """
tail -n 1 /etc/hosts; stat -c '%U %Y' /etc/owned; ls /etc/issue 2>&1
cd /var/lib/docker && stat -c '%F %t %T %Y' deleted
python3 -c 'import os; print(os.getxattr("hides", "trusted.overlay.opaque"))'
cat /etc/machine-id /etc/resolv.conf /etc/ssh/ssh_host_ed25519_key.pub
"""


def clean_up() -> None:
    """What this run made, or an earlier one that was cut off."""
    for name in (LAB, COPY):
        with contextlib.suppress(UsageError):
            work.down(name, say=print)
    with contextlib.suppress(UsageError):
        store.remove(NAME)


def left_of(name: str) -> str:
    """Containers, disks and networks of a lab."""
    mine = ["--quiet", "--filter", f"label=provisioner.lab={name}"]
    return "".join(run(["docker", *kind, *mine], what="look") for kind in (("ps", "--all"), ("volume", "ls"), ("network", "ls")))


@pytest.fixture(scope="module")
def before() -> Iterator[str]:
    """What the one host of a lab said that was then kept, and removed."""
    clean_up()
    work.up(LAB, masters=1, agents=0, directory=HOME, say=print)
    host = LabHost(LAB, "m1")
    host.run(CHANGE)
    said = host.run(LOOK)
    provision("lab", "snapshot", NAME, "--name", LAB)
    assert host.run(LOOK) == said, "it goes on"
    refused = provision("lab", "restore", NAME, "--name", COPY, check=False)
    assert (refused.returncode, f"the lab '{LAB}' uses the network" in refused.stderr) == (2, True), refused.stderr
    work.down(LAB, say=print)
    yield said
    clean_up()


def test_a_copy_is_the_same_host_under_another_name(before: str) -> None:
    provision("lab", "restore", NAME, "--name", COPY)
    assert LabHost(COPY, "m1").run(LOOK) == before
    assert "m1 | m1\n" in provision("run", "--lab", COPY, "hostname").stdout
    provision("lab", "down", "--name", COPY)
    assert left_of(COPY) == ""


def test_an_engine_that_never_saw_it_takes_it_from_the_files(before: str) -> None:
    kept = store.find(NAME)
    run(["docker", "image", "rm", kept.image("m1")], what="another engine")
    run(["docker", "volume", "rm", kept.volume("m1")], what="another engine")
    provision("lab", "restore", NAME)
    assert LabHost(LAB, "m1").run(LOOK) == before
    work.down(LAB, say=print)


def test_a_restore_that_fails_half_way_leaves_nothing(before: str, tmp_path: Path) -> None:
    kept = store.parts(NAME).files("m1")
    whole = kept.read_bytes()
    kept.write_bytes(b"no archive")
    try:
        with pytest.raises(ProvisionError, match="files of"):
            restore.restore(NAME, COPY, directory=tmp_path, say=print)
    finally:
        kept.write_bytes(whole)
    assert left_of(COPY) == ""
    assert not (tmp_path / ".provision/labs" / COPY).exists()


def test_a_removed_one_leaves_nothing_in_the_engine(before: str) -> None:
    kept = store.find(NAME)
    provision("lab", "snapshots", "--remove", NAME)
    assert kept.image("m1") not in run(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], what="look")
    assert kept.volume("m1") not in run(["docker", "volume", "ls", "--quiet"], what="look")
    assert not store.parts(NAME).folder.exists()
