"""The mirror's name server, and where its packages come from."""

from __future__ import annotations

import importlib.util
import struct
from types import ModuleType

import pytest

from provisioner.errors import UsageError
from provisioner.mirror.apt import refused, source_lines
from provisioner_lab.images.bootstrap import node_recipe, python_recipe
from provisioner_lab.packages.lists import list_path, read_packages
from provisioner_lab.paths import lab_dir
from provisioner_lab.systems import SYSTEMS, system

HOSTS = {"m1": bytes([198, 18, 0, 11])}


def serve() -> ModuleType:
    """The program that runs in the mirror."""
    spec = importlib.util.spec_from_file_location("serve", lab_dir() / "mirror" / "serve.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def question(name: str, kind: int = 1) -> bytes:
    """A DNS query as a resolver sends it."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">HHHHHH", 0x1234, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


@pytest.mark.parametrize(
    ("name", "kind", "code", "answers"),
    [("m1", 1, 0, 1), ("M1", 1, 0, 1), ("m1", 28, 0, 0), ("deb.example", 1, 3, 0), ("m1.example", 1, 3, 0)],
)
def test_it_knows_the_labs_hosts_and_nobody_else(name: str, kind: int, code: int, answers: int) -> None:
    reply: bytes = serve().answer(question(name, kind), HOSTS)
    identity, flags, questions, found, _, _ = struct.unpack_from(">HHHHHH", reply)
    assert (identity, flags & 0x8000, flags & 0x000F, questions, found) == (0x1234, 0x8000, code, 1, answers)
    if answers:
        assert reply.endswith(HOSTS["m1"])


@pytest.mark.parametrize("data", [b"", b"\x12\x34", question("m1")[:14], b"\xff" * 30])
def test_a_datagram_that_is_no_question_does_not_stop_it(data: bytes) -> None:
    with pytest.raises((IndexError, struct.error)):
        serve().answer(data, HOSTS)


def test_sources_are_those_of_this_machine_for_the_wanted_release() -> None:
    targets = [
        ("http://a/debian/", "Debian", "bookworm"), ("http://a/debian/", "Debian", "bookworm-updates"),
        ("http://a/debian/", "Debian", "bookworm"), ("http://s/security/", "Debian", "bookworm-security"),
        ("http://x/", "Docker", "bookworm"), ("http://a/debian/", "Debian", "bookworm-proposed"),
    ]
    assert source_lines(targets, "trixie") == (
        "deb http://a/debian trixie main", "deb http://a/debian trixie-updates main", "deb http://s/security trixie-security main",
    )
    assert source_lines([], "trixie") == ()


def test_a_file_that_the_package_source_lost_is_named_with_advice() -> None:
    said = "W: noise\nE: Failed to fetch http://a/x.deb  404  Not Found [IP: 1]\nE: Unable to fetch some archives\n"
    error = refused("apt-get install x", 100, said)
    assert "x.deb  404" in str(error)
    assert "noise" not in str(error)
    assert "choose another --os" in error.hint
    other = refused("apt-get install x", 100, "no space")
    assert "no space" in str(other)
    assert "--os" not in other.hint


def test_an_unknown_operating_system_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="debian99") as caught:
        system("debian99")
    assert all(known.name in caught.value.hint for known in SYSTEMS)


def test_every_image_has_a_name_of_its_own_that_follows_its_recipe() -> None:
    tags = [node_recipe(which).tag for which in SYSTEMS] + [python_recipe().tag]
    assert len(set(tags)) == len(tags)
    assert tags == [node_recipe(which).tag for which in SYSTEMS] + [python_recipe().tag]


def test_the_mirror_holds_what_the_roles_install() -> None:
    named = {name for line in read_packages(list_path(system("debian12"))) for name in line}
    assert {"docker.io", "libzookeeper-java", "java-runtime", "rsyslog", "dnsmasq", "firewalld", "ufw", "python3-kazoo"} <= named
