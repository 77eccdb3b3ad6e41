"""What each host is to fetch, and what its answers about it mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provisioner.cluster.version_range import same_version
from provisioner.components import SERVER_GROUPS, component_names
from provisioner.observe.preflight.report import Finding
from provisioner.observe.preflight.sources import Sources, reached, split_image
from tests.unit.builders import seen

ALL = (*component_names(), *SERVER_GROUPS)

SITE = {
    "repos_apt": [{"name": "site", "uri": "http://mirror/apt", "suite": "bookworm", "components": ["main"], "key_url": "http://mirror/key"}],
    "repos_yum": [{"name": "site", "baseurl": "http://mirror/yum", "key_url": "http://mirror/key"}],
    "mesos_package": "mesos", "mesos_version": "1.11.0", "logstash_package": "logstash", "logstash_version": "1:9.5.6",
    "consul_archive_url": "http://mirror/consul.zip", "consul_archive_sha256": "aa", "zookeeper_source": "package",
    "zookeeper_archive_url": "http://mirror/zk.tar.gz",
    "marathon_image": "reg:5000/marathon:1", "chronos_image": "mesosphere/chronos:v3", "registrator_image": "reg:5000/r@sha256:bb",
    "docker_registry": "reg:5000", "docker_registry_insecure": True, "docker_packages": ["docker-ce"], "docker_version": "29",
    "common_packages": ["git", "netcat"], "zookeeper_packages": {"Debian": ["rsyslog"], "RedHat": ["java"]}, "zookeeper_version": "",
}


#: What a repository that lacks nothing answers, and a host that has no source of its own.
HAS: dict[str, dict[str, Any]] = {
    "apt": {"packages": {"mesos": ["1.11.0-1"], "logstash": ["1:9.5.6-1"], "docker-ce": ["5:29.0.1-1~debian"], "git": ["1"]}},
    "own": {"packages": {"rsyslog": ["8"]}, "known": True},
}


def asked(**changes: Any) -> Sources:
    return Sources.of(frozenset(ALL), {**SITE, **changes}, "http://mirror")


def judged(expected: Sources, **answers: dict[str, Any]) -> list[Finding]:
    """The findings when every question is answered well, except those whose kind is given."""
    good = [{"question": q["question"], "url": q["url"], "status": 200, "error": "", **HAS.get(q["kind"], {}), **answers.get(q["kind"], {})}
            for q in expected.questions if q.get("manager", q["kind"]) != "yum"]
    return list(reached(replace(seen(*ALL, sources=good), sources=expected)))


def test_what_is_asked_of_the_sources() -> None:
    questions = asked().questions
    assert [(q["kind"], q["url"]) for q in questions] == [
        ("apt", "http://mirror/apt"), ("yum", "http://mirror/yum"), ("file", "http://mirror/key"), ("own", ""), ("own", ""),
        ("file", "http://mirror/consul.zip"), ("image", "http://reg:5000"), ("image", "https://registry-1.docker.io"),
        ("image", "http://reg:5000"),
    ]
    assert [sorted(q["packages"]) for q in questions if "packages" in q] == [
        ["docker-ce", "git", "logstash", "mesos", "rsyslog"], ["docker-ce", "git", "java", "logstash", "mesos"]] * 2
    assert questions[5]["hash"] is True
    assert [q["tag"] for q in questions[6:]] == ["1", "v3", "sha256:bb"]


def test_a_file_is_hashed_once_and_only_from_the_mirror() -> None:
    again = Sources.of(frozenset(ALL), SITE, "http://mirror", {"http://mirror/consul.zip"})
    assert [q["hash"] for q in again.questions if q["url"].endswith(".zip")] == [False]
    vendor = asked(consul_archive_url="https://vendor/consul.zip")
    assert [q["hash"] for q in vendor.questions if q["url"].endswith(".zip")] == [False]


def test_a_key_that_only_rpms_are_signed_with_is_asked_for_by_their_hosts() -> None:
    questions = asked(repos_yum=[{"name": "docker", "baseurl": "https://vendor/yum", "key_url": "https://vendor/rpm-key"}]).questions
    assert [(q["url"], q.get("manager"), q["by"]) for q in questions if q["kind"] == "file" and "by" in q] == [
        ("http://mirror/key", "apt", "apt"), ("https://vendor/rpm-key", "yum", "yum")]
    assert [("manager" in q) for q in asked().questions if q["kind"] == "file" and "by" in q] == [False], "both trust the same one"


def test_an_archive_is_looked_for_at_all_its_addresses_and_a_list_of_checksums_is_none() -> None:
    questions = asked(consul_archive_others=["http://other/consul.zip"], consul_archive_sha256="http://mirror/SHA256SUMS").questions
    (question,) = (q for q in questions if q["url"].endswith("consul.zip"))
    assert (question["others"], question["hash"]) == (["http://other/consul.zip"], False)


def test_a_package_is_looked_for_in_every_repository_and_on_the_host() -> None:
    vendors = ("docker", "logstash", "mesos")
    repositories: list[dict[str, Any]] = [{"name": n, "uri": f"http://{n}", "suite": "s", "components": []} for n in vendors]
    questions = asked(repos_apt=repositories, repos_yum=[], mesos_package="aventer-mesos").questions
    assert all("aventer-mesos" in q["packages"] for q in questions[:4])


def test_sources_that_are_all_there() -> None:
    assert [f.severity for f in judged(asked())] == ["ok"]


@pytest.mark.parametrize(("kind", "answer", "severity", "words"), [
    ("apt", {"error": "timed out"}, "fail", "timed out"),
    ("apt", {"expired": True}, "fail", "no longer valid"),
    ("apt", {"packages": {**HAS["apt"]["packages"], "mesos": []}}, "fail", "no package source of this host has mesos"),
    ("apt", {"packages": {**HAS["apt"]["packages"], "git": []}}, "fail", "no package source of this host has git"),
    ("apt", {"packages": {**HAS["apt"]["packages"], "mesos": ["1.10.0"]}}, "fail", "have mesos 1.10.0, not 1.11.0"),
    ("apt", {"packages": {**HAS["apt"]["packages"], "docker-ce": ["5:30.0.0-1"]}}, "fail", "have docker-ce 5:30.0.0-1, not 29"),
    ("file", {"sha256": "cc"}, "fail", "has the checksum cc, the catalogue says aa"),
    ("image", {"status": 404, "error": "HTTP 404"}, "fail", "has no image"),
    ("image", {"status": 401, "error": "HTTP 401", "login": "helper"}, "warn", "asks for a login"),
    ("image", {"status": 401, "error": "HTTP 401", "login": "root"}, "fail", "refuses the login of root"),
    ("image", {"status": 0, "error": "refused"}, "fail", "refused"),
    ("image", {"digest": "sha256:cc"}, "fail", "is sha256:cc there"),
])
def test_sources_that_are_not(kind: str, answer: dict[str, Any], severity: str, words: str) -> None:
    findings = judged(asked(), **{kind: answer})
    assert findings
    assert {f.severity for f in findings} == {severity}
    assert all(words in f.message for f in findings)


def test_what_a_lock_names_is_to_be_there_in_just_that_version() -> None:
    engine = {"docker_locked": {"docker-ce": "5:29.0.1-1~debian"}}
    assert [f.severity for f in judged(asked(**engine))] == ["ok"]
    newer = {"packages": {**HAS["apt"]["packages"], "docker-ce": ["5:29.0.1-1~debian.1", "5:29.0.2-1~debian"]}}
    (finding,) = judged(asked(**engine), apt=newer)
    assert finding.message == ("its package sources have docker-ce 5:29.0.1-1~debian.1, 5:29.0.2-1~debian, not 5:29.0.1-1~debian, "
                               "which provision.lock names")
    assert "provision lock" in finding.hint
    assert [f.severity for f in judged(asked(), apt=newer)] == ["ok"], "without a lock any 29 will do"


def test_a_host_that_has_a_newer_package_than_is_locked_is_not_brought_back() -> None:
    engine = {"docker_locked": {"docker-ce": "5:29.0.1-1~debian"}}
    has = {"packages": {**HAS["own"]["packages"], "docker-ce": ["5:29.0.1-2~debian", "5:29.0.1-1~debian"]},
           "installed": {"docker-ce": "5:29.0.1-2~debian"}}
    (finding,) = judged(asked(**engine), own=has)
    assert finding.message == "docker-ce 5:29.0.1-2~debian is installed, newer than 5:29.0.1-1~debian, which provision.lock names"
    for there in ("5:29.0.1-1~debian", "5:28.0.1-1~debian"):
        assert [f.severity for f in judged(asked(**engine), own={**has, "installed": {"docker-ce": there}})] == ["ok"]


def test_an_image_that_docker_hub_does_not_have_is_not_fine() -> None:
    findings = judged(asked(registrator_image="registrator:7.4.0", docker_registry=""), image={"status": 401, "error": "HTTP 401"})
    assert [f.severity for f in findings] == ["fail"] * 3
    assert "Docker Hub has no image registrator:7.4.0 for everybody" in [f.message for f in findings]
    assert any("refuses to answer without a login" in f.message for f in findings), "a registry of the site"


def test_a_host_without_package_lists_says_nothing_of_its_distribution() -> None:
    unknown = {"packages": {}, "known": False}
    assert [f.severity for f in judged(asked(), own=unknown)] == ["ok"]
    (finding,) = judged(asked(mesos_package="aventer-mesos"), own=unknown)
    assert finding.message == "no package source of this host has aventer-mesos", "no distribution has it"
    assert "cluster_mirror" in finding.hint


def test_answers_to_questions_that_were_not_asked_are_ignored() -> None:
    expected = asked()
    answers = [{"question": n, "url": "x", "status": 0, "error": "boom"} for n in (-1, 99)]
    assert list(reached(replace(seen(sources=answers), sources=expected))) == []


def test_a_server_that_does_not_answer_is_one_finding() -> None:
    findings = judged(asked(), file={"status": 0, "error": "timed out"}, apt={"status": 0, "error": "timed out"})
    assert [(f.severity, f.message) for f in findings] == [("fail", "mirror: timed out (3 of 6 sources are on it)")]


@pytest.mark.parametrize(("image", "parts"), [
    ("marathon", ("", "library/marathon", "latest")), ("mesosphere/marathon:v1", ("", "mesosphere/marathon", "v1")),
    ("reg:5000/marathon", ("reg:5000", "marathon", "latest")), ("reg.example.org/a/b:1", ("reg.example.org", "a/b", "1")),
    ("localhost/a@sha256:ff", ("localhost", "a", "sha256:ff")), ("reg:5000/a:1@sha256:ff", ("reg:5000", "a", "sha256:ff")),
])
def test_images(image: str, parts: tuple[str, str, str]) -> None:
    assert split_image(image) == parts


@pytest.mark.parametrize(("served", "wanted", "yes"), [
    ("1:9.5.6-1", "9.5.6", True), ("1:9.5.6-1", "1:9.5.6-1", True), ("1:9.5.6-1", "1:9.5.6", True), ("9.5.60", "9.5.6", False),
    ("5:29.0.1-1~debian", "29", True), ("1.11.0+standin", "1.11.0+standin", True), ("2:1.0", "1:1.0", False),
])
def test_versions(served: str, wanted: str, yes: bool) -> None:
    assert same_version(served, wanted) is yes


@pytest.mark.parametrize(("served", "wanted", "yes"), [
    ("9.5.6+standin-1", "1:9.5.6+standin", True), ("1:9.5.6-1", "1:9.5.6-1", True), ("3:28.0.1-1.el9", "28.0.1-1.el9", True),
    ("9.5.7-1", "1:9.5.6-1", False),
])
def test_versions_of_rpms_have_not_debians_epoch_and_revision(served: str, wanted: str, yes: bool) -> None:
    assert same_version(served, wanted, "yum") is yes
