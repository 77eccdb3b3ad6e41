"""Downloads from a package source whose list of updates names a file that is gone: real apt, a real HTTP server on loopback."""

from __future__ import annotations

import functools
import hashlib
import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.mirror.apt import GoneError, call, fetch


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test's output is for failures."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that is served, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as serving:
        threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()


def publish(folder: Path, suite: str, version: str, *, there: bool) -> None:
    """A suite that lists version `version` of the package `thing`."""
    tree = folder / "trees" / version
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: thing\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@example.com>\nDescription: x\n")
    file = folder / f"thing_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(tree), str(file)], check=True, capture_output=True)
    content = file.read_bytes()
    index = folder / "dists" / suite / "main/binary-amd64"
    index.mkdir(parents=True)
    (index / "Packages").write_text(f"{(tree / 'DEBIAN/control').read_text()}Filename: {file.name}\nSize: {len(content)}\n"
                                    f"SHA256: {hashlib.sha256(content).hexdigest()}\n")
    packages = (index / "Packages").read_bytes()
    (folder / "dists" / suite / "Release").write_text(
        f"Codename: {suite}\nComponents: main\nArchitectures: amd64\nSHA256:\n"
        f" {hashlib.sha256(packages).hexdigest()} {len(packages)} main/binary-amd64/Packages\n")
    if not there:
        file.unlink()


@pytest.mark.parametrize("release_has_it", [True, False])
def test_what_a_list_of_updates_names_but_lost_is_taken_from_the_release_itself(
        server: tuple[Path, str], tmp_path: Path, release_has_it: bool) -> None:
    folder, address = server
    publish(folder, "old", "1.0", there=release_has_it)
    publish(folder, "old-security", "1.1", there=False)
    root, lists = tmp_path / "root", tmp_path / "lists"
    for made in (root / "archives/partial", lists / "partial"):
        made.mkdir(parents=True)
    (root / "status").touch()
    sources = (f"deb [trusted=yes arch=amd64] {address} {suite} main\n" for suite in ("old", "old-security"))
    (root / "sources.list").write_text("".join(sources))
    call(root, lists, "update")
    if release_has_it:
        fetch(root, lists, "old", ["thing"])
        assert [file.name for file in (root / "archives").glob("*.deb")] == ["thing_1.0_all.deb"]
    else:
        with pytest.raises(GoneError, match="404"):
            fetch(root, lists, "old", ["thing"])
