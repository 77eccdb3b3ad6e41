"""What an inventory needs from outside, by what its roles are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.components import COMPONENTS
from provisioner.components.model import Component
from provisioner.context import Context
from provisioner.inventory.starter import write_inventory
from provisioner.mirror.artefacts import NeededArchive, NeededPackage, needed
from provisioner.paths import roles_dir


def written(folder: Path, **variables: str) -> Context:
    """The inventory of `provision init` with these variables of all."""
    path = write_inventory(folder)
    own = "".join(f"    {name}: {value}\n" for name, value in variables.items())
    path.write_text(path.read_text().replace("  vars:\n", f"  vars:\n{own}", 1))
    return Context(path)


def test_what_a_new_cluster_needs(tmp_path: Path) -> None:
    found = needed(written(tmp_path))
    assert {"docker-ce", "logstash", "aventer-mesos", "openjdk-17-jre-headless"} <= {p.name for p in found.packages if p.manager == "apt"}
    assert NeededPackage("docker", "docker-ce", "29", "apt") in found.packages
    assert {a.component: len(a.urls) for a in found.archives} == {"consul": 1, "zookeeper": 2}
    assert {i.component: (i.image, i.version) for i in found.images} == {
        "marathon": ("mesosphere/marathon:v1.11.24", "1.11.24"), "chronos": ("mesosphere/chronos:v3.0.2", "3.0.2"),
        "registrator": ("registrator:7.4.0", "7.4.0"), "verify": ("busybox:1.36", "1.36")}
    assert {(r.name, r.manager) for r in found.repositories} == {(n, m) for n in ("docker", "logstash") for m in ("apt", "yum")}
    assert all(r.key_url and r.key_fingerprint for r in found.repositories)
    assert [sentence.split(":")[0] for sentence in found.nowhere] == ["mesos 1.11.0-0.9.0", "registrator 7.4.0"]


def test_some_hosts_need_less(tmp_path: Path) -> None:
    context = written(tmp_path)
    found = needed(context, (context.host("a1"),))
    assert "marathon" not in {i.component for i in found.images}
    assert [a.component for a in found.archives] == ["consul"]


def test_a_registry_of_the_site_has_the_images(tmp_path: Path) -> None:
    found = needed(written(tmp_path, cluster_registry="mirror.example:5000"))
    assert all(i.image.startswith("mirror.example:5000/") and i.plain for i in found.images)
    assert not any("registrator" in sentence for sentence in found.nowhere)


def test_zookeeper_of_the_distribution_is_no_archive(tmp_path: Path) -> None:
    found = needed(written(tmp_path, cluster_versions="{zookeeper: distribution}"))
    assert {a.component for a in found.archives} == {"consul"}
    assert isinstance(found.archives[0], NeededArchive)
    assert "libzookeeper-java" in {p.name for p in found.packages}


@pytest.mark.parametrize("component", [c for c in COMPONENTS if c.part("packages")], ids=lambda c: c.name)
@pytest.mark.parametrize(("release", "family"), [("debian13", "Debian"), ("rocky9", "RedHat")])
def test_what_no_variable_names_stands_in_the_role(component: Component, release: str, family: str) -> None:
    told = {"common_packages": ["netcat"], "common_firewall": "managed", "common_networks": ["x"], "logstash_tls": {"key": "x"},
            "logstash_server": True,
            "docker_packages": ["docker.io"]}
    part = component.part("packages")
    assert part
    files = [*(roles_dir() / component.role / "vars").glob("*.yml"), *(roles_dir() / component.role / "tasks").glob("*.yml")]
    text = "".join(path.read_text() for path in files)
    names = part.further(told, release, family)
    assert names and [name for name in names if name not in text] == []


def test_the_command_line_of_docker_is_a_package_of_its_own_from_debian_13_on(tmp_path: Path) -> None:
    context = written(tmp_path, cluster_versions="{docker: distribution}")
    assert [any(p.name == "docker-cli" for p in needed(context, release=release).packages)
            for release in ("debian12", "debian13", "ubuntu24.04")] == [False, True, False]
