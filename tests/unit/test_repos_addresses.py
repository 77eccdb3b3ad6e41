"""The addresses of package sources as role `repos` writes them: those of the catalogue, with the words of the host's release in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provisioner.cluster import catalogue
from provisioner.paths import roles_dir
from tests.unit.ansible_playbook import ansible_playbook


@pytest.mark.parametrize(("distribution", "release"), [("Debian", "bookworm"), ("Ubuntu", "noble")])
def test_what_the_catalogue_writes_once_for_all_releases_is_filled_in(tmp_path: Path, distribution: str, release: str) -> None:
    entry = catalogue.load().pick("docker")
    tasks = [
        {"ansible.builtin.set_fact": {"cacheable": True, "ansible_distribution": distribution, "ansible_distribution_release": release,
                                      "ansible_os_family": "Debian"}},
        {"ansible.builtin.template": {"src": str(roles_dir() / "repos/templates/apt.sources.j2"), "dest": str(tmp_path / "found")}},
    ]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks,
            "vars": {"repos_apt": [{"name": "docker", **entry.get("apt")}]}, "vars_files": [str(roles_dir() / "repos/vars/main.yml")]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    ansible_playbook(tmp_path / "play.yml", log=tmp_path / "log")
    found = (tmp_path / "found").read_text().splitlines()
    assert [line for line in found if line.startswith(("URIs", "Suites", "Components"))] == [
        f"URIs: https://download.docker.com/linux/{distribution.lower()}", f"Suites: {release}", "Components: stable"]
