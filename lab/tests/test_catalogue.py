"""The mirror's catalogue says what it serves, in the words that the driver's own catalogue reads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.cluster import catalogue as driver
from provisioner.mirror.debs import Deb
from provisioner_lab.mirror.catalogue import Archive, Published, entries, upstream
from provisioner_lab.systems import system

PUBLISHED = Published(
    system=system("debian12"),
    key_fingerprint="A" * 40,
    distribution=(Deb(Path("d"), "docker.io", "20.10.24+dfsg1-1+deb12u1+b6"), Deb(Path("z"), "libzookeeper-java", "3.8.0-11+deb12u2")),
    own=(Deb(Path("m"), "mesos", "1.11.0-lab1"), Deb(Path("l"), "logstash", "1:9.5.6+standin")),
    images=(("busybox", "1.35", "sha256:1"), ("marathon", "1.11.24-standin", "sha256:2"), ("mesosphere/chronos", "v3.0.2", "sha256:3")),
    archives=(Archive("consul", "1.8.7", "consul_1.8.7_linux_amd64.zip", "b" * 64),),
    stand_ins=frozenset({"logstash", "marathon"}),
    notes={"mesos": "executors are ours"},
)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("20.10.24+dfsg1-1+deb12u1+b6", "20.10.24"),
        ("1:9.5.6+standin", "9.5.6"),
        ("3.8.0-11+deb12u2", "3.8.0"),
        ("1.8.7+dfsg1-2+b3", "1.8.7"),
        ("1:1.35.0-4+b3", "1.35.0"),
        ("2.0~rc1-1", "2.0"),
        ("7", "7"),
    ],
)
def test_upstream_part_of_a_debian_version(version: str, expected: str) -> None:
    assert upstream(version) == expected


def test_the_driver_picks_what_the_mirror_serves(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps(entries(PUBLISHED)))
    found = driver.load(path)
    assert {name: found.pick(name).version for name in ("docker", "zookeeper", "consul", "mesos", "logstash", "marathon", "chronos")} == {
        "docker": "20.10.24+dfsg1-1+deb12u1+b6", "zookeeper": "3.8.0-11+deb12u2", "consul": "1.8.7", "mesos": "1.11.0-lab1",
        "logstash": "1:9.5.6+standin", "marathon": "1.11.24-standin", "chronos": "3.0.2",
    }
    own = found.repository()
    assert own is not None
    assert (own.get("uri"), own.get("suite"), own.get("key"), own.get("key_fingerprint")) == ("apt", "bookworm", "apt/key.asc", "A" * 40)
    assert found.pick("consul").get("file") == "archives/consul_1.8.7_linux_amd64.zip"
    assert found.pick("chronos").get("image") == "mesosphere/chronos:v3.0.2"
    assert found.pick("docker").get("packages") == {"Debian": ["docker.io"]}
    assert found.pick("zookeeper").get("packages") == {"Debian": ["libzookeeper-java", "openjdk-17-jre-headless"]}


@pytest.mark.parametrize(("version", "cgroup", "api"), [
    ("1.11.0-lab1", "v1-optional", "1.44"), ("1.10.0-lab1", "v1-optional", "1.44"), ("1.11.0-2.0.1", "any", "")])
def test_needs_of_the_labs_builds_of_mesos_are_known_when_they_are_brought(tmp_path: Path, version: str, cgroup: str, api: str) -> None:
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps(entries(replace(PUBLISHED, own=(Deb(Path("m"), "mesos", version),), notes={}))))
    found = driver.load(path).pick("mesos")
    assert (found.get("cgroup"), found.get("docker_api")) == (cgroup, api)


def test_an_engine_that_was_brought_takes_the_place_of_the_distributions_with_its_command_line(tmp_path: Path) -> None:
    brought = (Deb(Path("d"), "docker.io", "26.1.5+dfsg1-9"), Deb(Path("c"), "docker-cli", "26.1.5+dfsg1-9"))
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps(entries(replace(PUBLISHED, own=(*PUBLISHED.own, *brought)))))
    found = driver.load(path).pick("docker")
    assert (found.version, found.get("packages"), found.stand_in) == ("26.1.5+dfsg1-9", {"Debian": ["docker.io", "docker-cli"]}, False)


def test_only_stand_ins_are_called_so() -> None:
    called = {entry["component"] for entry in entries(PUBLISHED) if entry["stand_in"]}
    assert called == {"logstash", "marathon"}


def test_a_note_goes_with_the_package_that_it_is_about() -> None:
    assert {entry["component"]: entry["note"] for entry in entries(PUBLISHED) if "note" in entry} == {"mesos": "executors are ours"}
