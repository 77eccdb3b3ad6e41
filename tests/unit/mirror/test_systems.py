"""Which systems a lock is made for: as they are named, else as the hosts told, and what in it does not fit them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.cluster.lock import ARCHIVE, KEY, PACKAGE, Lock, Locked, System
from provisioner.context import Context
from provisioner.errors import UsageError
from provisioner.inventory.starter import write_inventory
from provisioner.mirror.constraints import foreign, violated
from provisioner.mirror.locking import refuse_changed
from provisioner.mirror.moved import moved
from provisioner.mirror.systems import CODENAMES, named, of_facts, systems
from provisioner.observe.preflight.system import SYSTEMS
from provisioner.state import fact_cache
from provisioner_lab.testing import FakeTransport

DEBIAN = System("debian", "12", "bookworm", "amd64")


def told(distribution: str, version: str, machine: str = "x86_64") -> dict[str, str]:
    """A host's facts in Ansible's words."""
    return {"ansible_distribution": distribution, "ansible_distribution_version": version,
            "ansible_distribution_major_version": version.split(".")[0], "ansible_architecture": machine}


@pytest.mark.parametrize(("word", "found"), [
    ("debian12", DEBIAN), ("debian12/amd64", DEBIAN), ("debian12/x86_64", DEBIAN),
    ("ubuntu24.04/arm64", System("ubuntu", "24.04", "noble", "arm64")), ("rocky9", System("rocky", "9", "", "amd64")),
])
def test_words(word: str, found: System) -> None:
    assert named(word) == found


@pytest.mark.parametrize("word", ["", "debian", "debian9", "ubuntu24", "debian12/", "debian12/s390x"])
def test_words_that_name_none(word: str) -> None:
    with pytest.raises(UsageError, match="no such system") as caught:
        named(word)
    assert "debian12" in caught.value.hint


@pytest.mark.parametrize(("facts", "name"), [
    (told("Debian", "12.5"), "debian12/amd64"), (told("Ubuntu", "22.04", "aarch64"), "ubuntu22.04/arm64"),
    (told("RedHat", "9.4"), "rhel9/amd64"), (told("AlmaLinux", "8.10"), "almalinux8/amd64"),
])
def test_facts(facts: dict[str, str], name: str) -> None:
    assert of_facts(facts).name == name


def test_every_release_of_debians_family_has_the_name_that_sources_use() -> None:
    assert {f"{name}{number}" for name in ("debian", "ubuntu") for number in SYSTEMS[name]} == CODENAMES.keys()


def test_hosts_are_of_the_systems_that_they_told(tmp_path: Path) -> None:
    context = Context(write_inventory(tmp_path), transport=FakeTransport())
    names = [h.name for h in context.cluster.hosts]
    fact_cache.keep(context.cluster, {name: told("Debian", "12.5" if name.startswith("m") else "13.1") for name in names})
    found = systems(context)
    assert {system.name: [h.name for h in hosts] for system, hosts in found.items()} == {
        "debian12/amd64": ["m1", "m2", "m3"], "debian13/amd64": ["a1", "a2"]}
    assert [system.name for system in systems(context, ("ubuntu24.04", "debian12"))] == ["debian12/amd64", "ubuntu24.04/amd64"]


def package(name: str, version: str, component: str = "") -> Locked:
    return Locked(PACKAGE, name, version, f"sha256:{name}{version}", 1, component, DEBIAN.name)


@pytest.mark.parametrize(("artefact", "said"), [
    (package("openjdk-21-jre-headless", "21", "zookeeper"), "zookeeper 3.9.6 needs Java 11 or 17, locked is openjdk-21-jre-headless"),
    (package("openjdk-17-jre-headless", "17", "zookeeper"), ""), (package("openjdk-21-jre-headless", "21", "logstash"), ""),
    (package("docker-ce", "5:25.0.1-1"), "mesos 1.11.0-0.9.0 needs Docker >=26, locked is docker-ce 5:25.0.1-1"),
    (package("docker-ce", "5:29.0.1-1"), ""),
])
def test_what_entries_demand_of_others(tmp_path: Path, artefact: Locked, said: str) -> None:
    found = violated(Lock((DEBIAN,), (artefact,)), Context(write_inventory(tmp_path)))
    assert len(found) == bool(said) and all(said in sentence for sentence in found)


def test_an_archive_for_another_processor() -> None:
    archive = Locked(ARCHIVE, "consul_2.0.4_linux_amd64.zip", "2.0.4", "sha256:aa", 1, "consul")
    arm = System("debian", "12", "bookworm", "arm64")
    assert foreign(Lock((DEBIAN,), (archive,))) == []
    (sentence,) = foreign(Lock((DEBIAN, arm), (archive,)))
    assert sentence.startswith("consul 2.0.4: consul_2.0.4_linux_amd64.zip is not for debian12/arm64")
    both = (archive, replace(archive, name="consul_2.0.4_linux_arm64.zip"))
    assert foreign(Lock((DEBIAN, arm), both)) == [], "one for each"


def test_a_key_that_is_served_with_a_later_end_is_the_same_key() -> None:
    old, new = (Lock((), (Locked(KEY, "docker", "AB" * 20, digest, 1, fingerprint="AB" * 20),)) for digest in ("sha256:aa", "sha256:bb"))
    refuse_changed(old, new)
    assert moved(old, new) == [f"key docker: {'AB' * 8}, sha256:aa → sha256:bb"]


def test_what_moved_in_lines() -> None:
    before = Lock((), (package("a", "1"), package("b", "1"), Locked("image", "reg:5000/x:1", "1", "sha256:aa")))
    now = Lock((), (package("a", "2"), package("c", "1"), Locked("image", "reg:5000/x:2", "2", "sha256:bb")))
    assert moved(before, now) == ["image reg:5000/x: 1 → 2", "package a (debian12/amd64): 1 → 2",
                                  "package b (debian12/amd64): no longer needed", "package c (debian12/amd64): new, 1"]
    assert moved(now, now) == []
