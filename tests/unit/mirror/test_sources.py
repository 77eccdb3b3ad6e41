"""`provision sources`: what is served, what is not and why, and what to do about it."""

from __future__ import annotations

import functools
import gzip
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli import main as run
from provisioner.cluster import catalogue
from provisioner.context import Context
from provisioner.mirror.artefacts import needed
from provisioner.mirror.repository import public_key, signing_key
from provisioner.paths import project_dir

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="GnuPG is not installed; `lab up` installs it")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files, and manifests of a registry, which have a digest of their own."""

    def end_headers(self) -> None:
        if "/manifests/" in self.path:
            self.send_header("Docker-Content-Digest", "sha256:" + "d" * 64)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the test's output is for failures."""


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody outside of this machine is asked."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A mirror that has all that an inventory needs: its folder, and the inventory."""
    root = tmp_path / "www"
    root.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        place = f"127.0.0.1:{server.server_address[1]}"
        inventory = tmp_path / "inventory.yml"
        key = signing_key(tmp_path / "key", "a mirror")
        inventory.write_text(f"""
all:
  vars: {{cluster_name: site, cluster_mirror: "http://{place}", cluster_registry: "{place}", cluster_catalogue: catalogue.json,
         ansible_user: x}}
masters: {{hosts: {{m1: {{ansible_host: 192.0.2.1}}}}}}
agents: {{hosts: {{a1: {{ansible_host: 192.0.2.2}}}}}}
""")
        (tmp_path / "catalogue.json").write_text(json.dumps([
            {"component": "repository", "version": "bookworm", "kind": "repository", "uri": "apt", "suite": "bookworm",
             "components": ["main"], "key": "apt/key.asc", "key_fingerprint": key.fingerprint},
            {"component": "mesos", "version": "1.11.0", "kind": "package", "package": "mesos", "cgroup": "any", "docker": ""},
            {"component": "docker", "version": "20.10.24", "kind": "package", "packages": {"Debian": ["docker.io"]}},
            {"component": "logstash", "version": "9.5.6", "kind": "package", "package": "logstash"},
            {"component": "zookeeper", "version": "3.8.0", "kind": "package", "packages": {"Debian": ["libzookeeper-java"]}},
            {"component": "consul", "version": "1.10.0", "kind": "archive", "file": "archives/consul.zip", "sha256": "c" * 64},
            *({"component": name, "version": "1", "kind": "image", "image": f"{name}:1"} for name in
              ("marathon", "chronos", "registrator", "busybox"))]))
        _fill(root, inventory, public_key(key))
        yield root, inventory
        server.shutdown()


def _fill(root: Path, inventory: Path, key: str) -> None:
    wanted = needed(Context(inventory))
    packages = "".join(f"Package: {each.name}\nVersion: {each.version or '1.0'}\n\n" for each in wanted.packages)
    index = root / "apt/dists/bookworm/main/binary-amd64/Packages.gz"
    index.parent.mkdir(parents=True)
    index.write_bytes(gzip.compress(packages.encode()))
    (root / "apt/dists/bookworm/InRelease").write_text("Suite: bookworm\n")
    (root / "apt/key.asc").write_text(key)
    (root / "archives").mkdir()
    (root / "archives/consul.zip").write_bytes(b"x" * 1500000)
    for image in wanted.images:
        name, _, tag = image.image.partition("/")[2].rpartition(":")
        manifest = root / "v2" / name / "manifests" / tag
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text("{}")


def sources(inventory: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """The exit code, the artefacts, and what was said beside them."""
    code = run(["sources", "--hosts", str(inventory), "--json", *arguments])
    out, err = capsys.readouterr()
    return code, json.loads(out)["artefacts"], err


def test_without_a_way_out_each_server_is_named_and_what_is_dead_has_advice(capsys: pytest.CaptureFixture[str]) -> None:
    inventory = project_dir() / "inventory" / "example.yml"
    code, found, said = sources(inventory, capsys)
    assert code == 5 and "as if they were debian12/amd64" in said
    dead = {each["component"]: each for each in found if each["answer"] == "no"}
    assert dead.keys() == {"mesos", "registrator"}
    assert "rpm.aventer.biz" in dead["mesos"]["instead"] and "cluster_registry" in dead["registrator"]["instead"]
    assert {each["answer"] for each in found} == {"no", "not reached", "distribution"}
    run(["sources", "--hosts", str(inventory)])
    said = capsys.readouterr().err
    assert said.count("no way to ") == len({each["where"].split("/")[2] for each in found if each["answer"] == "not reached"})
    assert "aventer-mesos" in said and "→ " in said


def test_a_mirror_that_has_all_of_it(site: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    code, found, _ = sources(site[1], capsys, "--system", "debian12")
    assert [each for each in found if each["answer"] not in ("yes", "distribution")] == [] and code == 0
    by_name = {each["name"]: each for each in found}
    assert by_name["consul.zip"]["size"] == 1500000 and by_name["consul.zip"]["checksum"] == "sha256:" + "c" * 64
    assert next(each for each in found if each["component"] == "marathon")["checksum"] == "sha256:" + "d" * 64
    assert (by_name["mesos"]["version"], by_name["mesos"]["system"]) == ("1.11.0", "debian12/amd64")
    assert len(next(each for each in found if each["kind"] == "key")["checksum"]) == 40


@pytest.mark.parametrize(("gone", "component", "why"), [
    ("archives/consul.zip", "consul", "HTTP 404"), ("v2/marathon/manifests/1", "marathon", "HTTP 404"),
    ("apt/key.asc", "site", "HTTP 404"), ("apt/dists/bookworm/InRelease", "mesos", "HTTP 404"),
])
def test_what_is_not_served_is_named(
        site: tuple[Path, Path], capsys: pytest.CaptureFixture[str], gone: str, component: str, why: str) -> None:
    (site[0] / gone).unlink()
    code, found, _ = sources(site[1], capsys)
    assert code == 5
    assert [each["component"] for each in found if each["answer"] == "no" and why in each["why"]].count(component) == 1


def test_another_key_is_not_the_one(site: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    (site[0] / "apt/key.asc").write_text(public_key(signing_key(site[0].parent / "other", "somebody")))
    code, found, _ = sources(site[1], capsys)
    said = next(each for each in found if each["kind"] == "key")
    assert (code, said["answer"]) == (5, "no") and "has the key" in said["why"] and said["checksum"] in said["why"]


def test_a_repository_that_has_another_version(site: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    index = site[0] / "apt/dists/bookworm/main/binary-amd64/Packages.gz"
    index.write_bytes(gzip.compress(gzip.decompress(index.read_bytes()).replace(b"Version: 1.11.0\n", b"Version: 1.12.0\n")))
    code, found, _ = sources(site[1], capsys)
    assert code == 5 and [(e["component"], e["why"]) for e in found if e["answer"] == "no"] == [("mesos", "its repositories have 1.12.0")]


def test_a_repository_whose_signature_has_expired(site: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    (site[0] / "apt/dists/bookworm/InRelease").write_text("Valid-Until: Fri, 01 Jan 2021 00:00:00 UTC\n")
    code, found, _ = sources(site[1], capsys)
    said = {each["name"]: each["why"] for each in found if each["answer"] == "no"}
    assert code == 5 and said["site"] == "its signature has expired (Valid-Until)"


def test_a_system_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["sources", "--hosts", str(project_dir() / "inventory" / "example.yml"), "--system", "beos5"])
    assert code == 2 and "no such system" in capsys.readouterr().err


def test_whoever_decides_is_told_what_each_artefact_is() -> None:
    for entry in catalogue.load().entries:
        assert entry.get("licence"), entry
        assert entry.maintained in ("yes", "one-person", "no")
        assert entry.get("instead") or entry.maintained == "yes", f"what to use instead of {entry.component} {entry.version}"
