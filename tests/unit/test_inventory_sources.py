"""Where artefacts come from: settings without an effect are refused, and what nobody offers is said before a host is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from provisioner.cluster import catalogue
from provisioner.cluster.model import Cluster
from provisioner.errors import InventoryError
from provisioner.inventory.load import load
from provisioner.inventory.sources import without

ARCHIVE = {"component": "consul", "version": "2.0.4", "kind": "archive", "file": "archives/consul.zip", "sha256": "00"}
REPOSITORY = {"component": "repository", "version": "1", "kind": "repository", "uri": "apt", "suite": "site", "components": ["main"],
              "key": "key.asc", "key_fingerprint": "AA"}
ELSEWHERE = {"component": "consul", "version": "2.0.4", "kind": "archive", "urls": ["http://other.example.com/consul.zip"], "sha256": "00"}
MIRROR = "cluster_mirror: http://mirror.example.com"
LISTED = "cluster_catalogue: c.json"


def cluster(folder: Path, *variables: str, entries: list[dict[str, Any]] | None = None) -> Cluster:
    """Of one master and one agent with these variables, the first in line 4, and a catalogue with these entries."""
    (folder / "inventory.yml").write_text("".join(f"{line}\n" for line in (
        "all:", "  vars:", "    cluster_name: demo", *(f"    {line}" for line in variables), "  children:",
        "    masters: {hosts: {m1: {ansible_host: 198.51.100.11}}}", "    agents: {hosts: {a1: {ansible_host: 198.51.100.21}}}")))
    if entries is not None:
        (folder / "c.json").write_text(json.dumps(entries))
    return load(folder / "inventory.yml")


@pytest.mark.parametrize(("variables", "entries", "line", "sentence"), [
    ([MIRROR], None, 4, "cluster_mirror is set without cluster_catalogue"),
    ([MIRROR, LISTED], [], 5, "cluster_catalogue has neither files nor a repository on cluster_mirror"),
    ([MIRROR, LISTED], [ELSEWHERE], 5, "cluster_catalogue has neither files nor a repository on cluster_mirror"),
    ([LISTED], [ARCHIVE, REPOSITORY], 4, "cluster_catalogue has consul, repository on a mirror"),
    (["cluster_profile: legacy-mirror"], None, 4, "legacy-mirror installs software without security updates"),
    (["repos_profile: legacy-mirror"], None, 4, "repos_profile can't be set: the driver computes it"),
])
def test_a_setting_without_effect_is_refused(tmp_path: Path, variables: list[str], entries: Any, line: int, sentence: str) -> None:
    with pytest.raises(InventoryError) as error:
        cluster(tmp_path, *variables, entries=entries)
    assert sentence in str(error.value) and error.value.where.endswith(f"inventory.yml:{line}")
    assert error.value.hint


@pytest.mark.parametrize(("variables", "entries"), [
    ([MIRROR, LISTED], [ARCHIVE]), ([MIRROR, LISTED], [REPOSITORY]), ([LISTED], [ELSEWHERE]), ([], None),
    (["cluster_profile: legacy-mirror", "cluster_accept_eol: true"], None), ([MIRROR, "cluster_catalogue: not-there.json"], None),
])
def test_settings_that_go_together(tmp_path: Path, variables: list[str], entries: Any) -> None:
    assert [w for w in cluster(tmp_path, *variables, entries=entries).warnings if "cluster_" in w] == []


def test_a_word_that_changes_nothing_is_a_warning(tmp_path: Path) -> None:
    said = "cluster_accept_eol changes nothing without cluster_profile: legacy-mirror"
    assert said in cluster(tmp_path, "cluster_accept_eol: true").warnings


def test_a_variable_that_the_driver_computes_names_the_one_to_set(tmp_path: Path) -> None:
    for variable, instead in (("repos_profile: current", "cluster_profile"), ("repos_accept_eol: true", "cluster_accept_eol"),
                              ("docker_registry: 'a:1'", "cluster_registry"), ("consul_version: '2'", "cluster_versions")):
        with pytest.raises(InventoryError) as error:
            cluster(tmp_path, variable)
        assert error.value.hint == f"set {instead} instead"


def test_what_nobody_offers_is_said_with_what_to_do(tmp_path: Path) -> None:
    fresh = cluster(tmp_path)
    mesos, registrator = without(fresh, catalogue.of(fresh))
    assert "the package aventer-mesos: set cluster_mirror and cluster_catalogue" in mesos
    assert "the image registrator:7.4.0" in registrator and "cluster_registry" in registrator


def test_what_the_site_has_or_nobody_runs_is_not_said(tmp_path: Path) -> None:
    with_both = cluster(tmp_path, MIRROR, LISTED, "cluster_registry: 'mirror.example.com:5000'", entries=[REPOSITORY])
    assert list(without(with_both, catalogue.of(with_both))) == []
    image = {"component": "registrator", "version": "8", "kind": "image", "image": "r:8"}
    own = cluster(tmp_path, MIRROR, LISTED, entries=[ARCHIVE, image])
    (said,) = without(own, catalogue.of(own))
    assert said.startswith("mesos"), "a mirror without a repository has no packages"


@pytest.mark.parametrize(("variables", "words"), [
    (["http_proxy: http://proxy:3128"], ["http_proxy is a variable of yours, which no role reads: set cluster_http_proxy"]),
    (["no_proxy: localhost", "proxy_env: {http_proxy: http://proxy:3128}"], ["no_proxy is a variable", "proxy_env is a variable"]),
    (["http_proxy: http://proxy:3128", 'cluster_http_proxy: "{{ http_proxy }}"'], []),
    (["cluster_no_proxy: .example.com"], ["cluster_no_proxy changes nothing without"]),
    (["cluster_https_proxy: http://proxy:3128", "cluster_no_proxy: .example.com"], []),
])
def test_proxies_by_the_names_of_other_tools_are_told_ours(tmp_path: Path, variables: list[str], words: list[str]) -> None:
    said = [warning for warning in cluster(tmp_path, *variables).warnings if "proxy" in warning]
    assert [one in warning for one, warning in zip(words, said, strict=True)] == [True] * len(words), said


def test_a_password_for_a_proxy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="must not carry a password"):
        cluster(tmp_path, "cluster_http_proxy: http://user:word@proxy:3128")
