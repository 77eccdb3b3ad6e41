"""Which packages of the engine role `docker` asks for, as the vendor's and the distribution's repositories write their versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.plugin_utils.installed import Packages

from provisioner.paths import roles_dir
from tests.unit.ansible_playbook import ansible_playbook

VENDOR = tuple(f"5:{version}-1~debian.12~bookworm" for version in ("30.0.0", "29.1.3", "29.1.2", "28.29.0"))
DEBIAN = ("20.10.24+dfsg1-1+deb12u1+b6",)


def asked(folder: Path, version: str, packages: list[str]) -> Mapping[str, list[str]]:
    """What it asks apt and dnf for."""
    names = {"apt": "{{ __docker_apt_names }}", "dnf": "{{ __docker_dnf_names }}"}
    facts = {"cacheable": True, "ansible_distribution": "Debian", "ansible_distribution_major_version": "12"}
    tasks: list[dict[str, Any]] = [{"ansible.builtin.set_fact": facts},
                                   {"ansible.builtin.debug": {"msg": names}}]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks,
            "vars": {"docker_version": version, "docker_packages": packages}, "vars_files": [str(roles_dir() / "docker/vars/main.yml")]}
    (folder / "play.yml").write_text(json.dumps([play]))
    said = ansible_playbook(folder / "play.yml", log=folder / "log")
    found: Mapping[str, list[str]] = json.JSONDecoder().raw_decode(said.partition("=> ")[2])[0]["msg"]
    return found


def offered(wanted: str, versions: tuple[str, ...]) -> list[str]:
    """The versions that it would be content with."""
    name = wanted.partition("=")[0]
    said = [f"{name}:\n  Candidate: {version}\n  Version table:\n     {version} 500\n" for version in versions]
    return [version for version, text in zip(versions, said, strict=True) if Packages("apt", text).offered(wanted)]


@pytest.mark.parametrize(("version", "package", "versions", "fits", "rpm"), [
    ("29", "docker-ce", VENDOR, VENDOR[1:3], "docker-ce-29.*"),
    ("29.1", "docker-ce", VENDOR, VENDOR[1:3], "docker-ce-29.1.*"),
    ("29.1.3", "docker-ce", VENDOR, VENDOR[1:2], "docker-ce-29.1.3"),
    ("5:29.1.2-1~debian.12~bookworm", "docker-ce", VENDOR, VENDOR[2:3], None),
    ("20.10.24", "docker.io", DEBIAN, DEBIAN, None),
    ("20", "docker.io", DEBIAN, DEBIAN, None),
    ("20.10.24+dfsg1-1+deb12u1+b6", "docker.io", DEBIAN, DEBIAN, None),
])
def test_a_version_fits_what_its_repository_calls_it(tmp_path: Path, version: str, package: str, versions: tuple[str, ...],
                                                     fits: tuple[str, ...], rpm: str | None) -> None:
    found = asked(tmp_path, version, [package, "containerd.io"])
    wanted = found["apt"][0]
    assert offered(wanted, versions) == [*fits]
    # All that apt's own pins understand.
    assert set("*?[") & set(wanted.removesuffix("*")) == set()
    assert rpm in (None, found["dnf"][0])
