"""`up` installs what `provision.lock` names, though the mirror has something newer, until `provision lock --upgrade` moves it.

Of ZooKeeper the mirror has a rebuilt package from some day on, and a catalogue that names the program's version, not the package's.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.cluster.lock import IMAGE, Lock, beside, read
from provisioner.context import Context
from provisioner.mirror import debs
from provisioner.mirror.apt import own_sources
from provisioner_lab.mirror.catalogue import upstream
from provisioner_lab.packages import download
from provisioner_lab.systems import architecture
from tests.lab.support.checkout import HOME, ClusterUnderTest, eventually, lab_name, provision
from tests.lab.support.next_versions import REBUILT, ZOOKEEPER

pytestmark = [pytest.mark.own_lab, pytest.mark.nightly]
LAB = lab_name("lock")
CODENAME = "bookworm"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the mirror has later: the package of ZooKeeper as it is, and rebuilt."""
    made = tmp_path_factory.mktemp("newer")
    (made / "deb").mkdir()
    before = download.single(CODENAME, ZOOKEEPER, print)
    shutil.copy(before, made / "deb")
    tree, version = made / "tree", debs.read(before).version
    subprocess.run(["dpkg-deb", "--raw-extract", str(before), str(tree)], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(control.read_text().replace(version, f"{version}{REBUILT}"))
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", str(tree), str(made / "deb")], check=True)
    return made


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterUnderTest]:
    """One master and one agent, on which nothing is yet."""
    provision("lab", "down", "--name", LAB, "--ignore-missing")
    provision("lab", "up", "--name", LAB, "--masters", "1", "--agents", "1", "--os", "debian12")
    open_catalogue(ClusterUnderTest(LAB, HOME))
    yield ClusterUnderTest(LAB, HOME)
    provision("lab", "down", "--name", LAB)


def open_catalogue(cluster: ClusterUnderTest) -> None:
    """It names the version of ZooKeeper, and leaves open which package of it."""
    path = cluster.inventory.parent / "catalogue.json"
    entries = json.loads(path.read_text())
    for entry in entries:
        if entry["component"] == "zookeeper":
            entry["version"] = upstream(entry["version"].removesuffix(REBUILT))
    path.write_text(json.dumps(entries))


def lock(cluster: ClusterUnderTest, *arguments: str) -> str:
    """What `provision lock` says. What is no artefact of ours is in this machine's own sources."""
    sources = [word for line in own_sources(CODENAME) for word in ("--from", line)]
    return cluster.run("lock", "--system", f"debian12/{architecture()}", *sources, *arguments).stderr


def locked(cluster: ClusterUnderTest) -> Lock:
    found = read(beside(cluster.inventory))
    assert found
    return found


def keep_stand_in(cluster: ClusterUnderTest, folder: Path) -> None:
    """A mirror that is filled anew makes its own of Logstash, in the same version with other bytes, unless one is brought."""
    url = next(a.url for a in locked(cluster).artefacts if a.name == "logstash")
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - of the lab's mirror
        (folder / "logstash.deb").write_bytes(answer.read())


def version(cluster: ClusterUnderTest) -> str:
    """Of ZooKeeper's package that is locked."""
    return next(a.version for a in locked(cluster).artefacts if a.name == ZOOKEEPER)


def installed(cluster: ClusterUnderTest) -> str:
    return cluster.host("m1").run(f"dpkg-query --show --showformat='${{Version}}' {ZOOKEEPER}")


def test_up_installs_what_is_locked_and_not_what_is_newest(cluster: ClusterUnderTest, folder: Path) -> None:
    lock(cluster)
    before = version(cluster)
    keep_stand_in(cluster, folder / "deb")
    provision("lab", "up", "--name", LAB, "--artifacts", str(folder))
    open_catalogue(cluster)
    cluster.up()
    assert f"{before}{REBUILT}" in cluster.host("m1").run(f"apt-cache policy {ZOOKEEPER}"), "it could have taken that"
    assert installed(cluster) == before == version(cluster)
    cluster.run("verify")
    assert cluster.up()["changed"] == 0


def test_images_run_by_digest_and_the_journal_names_the_lock(cluster: ClusterUnderTest) -> None:
    digests = {a.digest for a in locked(cluster).artefacts if a.kind == IMAGE}
    for name, host in (("marathon", "m1"), ("chronos", "m1"), ("registrator", "a1")):
        used = cluster.host(host).run("docker ps --format '{{.Image}}' --no-trunc --filter name=" + name)
        assert used.strip().partition("@")[2] in digests, used
    journal = max((Context(cluster.inventory).cluster.state_dir / "runs").glob("*/journal.jsonl"))
    assert f'"sha256": "{locked(cluster).sha256}"' in journal.read_text()
    assert all(row["state"] == "ok" for row in cluster.status()["components"])


def test_what_the_lock_lets_move_is_in_the_plan_and_then_on_the_hosts(cluster: ClusterUnderTest) -> None:
    before = version(cluster)
    said = lock(cluster, "--upgrade", "zookeeper")
    move = rf"package {ZOOKEEPER} \(debian12/\w+\): {re.escape(before)} → {re.escape(before + REBUILT)}"
    assert re.search(move, said), said
    first, second, *rest = cluster.run("plan").stdout.splitlines()
    assert first == "provision.lock has moved since the last 'up':" and re.search(move, "\n".join([second, *rest]))
    assert re.search(r"1\. .*ZooKeeper", "\n".join(rest))
    cluster.up()
    assert installed(cluster) == f"{before}{REBUILT}"
    eventually("all is well", 90, lambda: bool(cluster.status()["healthy"]))
    assert cluster.up()["changed"] == 0
    assert cluster.run("plan").stdout == "nothing to do\n"


def test_a_lock_that_does_not_fit_or_leads_back_is_refused(cluster: ClusterUnderTest) -> None:
    path = beside(cluster.inventory)
    text, now = path.read_text(), version(cluster)
    found = locked(cluster)
    path.write_text(str(replace(found, artefacts=tuple(a for a in found.artefacts if a.name != ZOOKEEPER))))
    refused = cluster.run("up", "--yes", check=False)
    assert (refused.returncode, f"it has no package {ZOOKEEPER} for debian12" in refused.stderr) == (3, True), refused.stderr
    path.write_text(text.replace(now, now.removesuffix(REBUILT)))
    refused = cluster.run("up", "--yes", check=False)
    assert refused.returncode == 5 and f"{REBUILT} is installed, newer than" in refused.stderr, refused.stderr
    path.write_text(text)
    assert cluster.up()["changed"] == 0
