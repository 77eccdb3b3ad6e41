"""The addresses of package sources as role `repos` writes them: those of the catalogue, with the words of the host's release in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from provisioner.cluster import catalogue
from provisioner.paths import roles_dir
from tests.unit.ansible_playbook import ansible_playbook


def written(folder: Path, template: str, facts: Mapping[str, str], told: Mapping[str, object]) -> list[str]:
    """The lines that the role writes on a host with these facts."""
    tasks = [{"ansible.builtin.set_fact": {"cacheable": True, **{f"ansible_{name}": value for name, value in facts.items()}}},
             {"ansible.builtin.template": {"src": str(roles_dir() / "repos/templates" / template), "dest": str(folder / "found")}}]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks, "vars": {"repos_apt": [], **told},
            "vars_files": [str(roles_dir() / "repos/vars/main.yml")]}
    (folder / "play.yml").write_text(json.dumps([play]))
    ansible_playbook(folder / "play.yml", log=folder / "log")
    return (folder / "found").read_text().splitlines()


@pytest.mark.parametrize(("distribution", "release"), [("Debian", "bookworm"), ("Ubuntu", "noble")])
def test_what_the_catalogue_writes_once_for_all_releases_is_filled_in(tmp_path: Path, distribution: str, release: str) -> None:
    facts = {"distribution": distribution, "distribution_release": release, "os_family": "Debian"}
    found = written(tmp_path, "apt.sources.j2", facts, {"repos_apt": [{"name": "docker", **catalogue.load().pick("docker").get("apt")}]})
    assert [line for line in found if line.startswith(("URIs", "Suites", "Components"))] == [
        f"URIs: https://download.docker.com/linux/{distribution.lower()}", f"Suites: {release}", "Components: stable"]


@pytest.mark.parametrize(("distribution", "folder"), [("Rocky", "rocky"), ("RedHat", "rhel")])
def test_a_mirror_of_rpms_is_trusted_by_its_index_and_a_vendor_by_its_packages(tmp_path: Path, distribution: str, folder: str) -> None:
    site = {"name": "site", "baseurl": "http://mirror/yum/{distribution}$releasever/$basearch", "repo_gpgcheck": True, "gpgcheck": False}
    told = [site, {"name": "docker", **catalogue.load().pick("docker").get("yum")}]
    facts = {"distribution": distribution, "distribution_release": "x", "os_family": "RedHat"}
    found = written(tmp_path, "yum.repo.j2", facts, {"repos_yum": told})
    assert [line for line in found if line.startswith(("baseurl", "gpgcheck", "repo_gpgcheck", "gpgkey"))] == [
        f"baseurl=http://mirror/yum/{folder}$releasever/$basearch", "gpgcheck=0", "repo_gpgcheck=1",
        "gpgkey=file:///etc/pki/rpm-gpg/provisioner-site.asc",
        "baseurl=https://download.docker.com/linux/centos/$releasever/$basearch/stable", "gpgcheck=1",
        "gpgkey=file:///etc/pki/rpm-gpg/provisioner-docker.asc"]
