"""A vendor on loopback: a folder that is served by HTTP, and package repositories in it, signed by GnuPG and indexed by apt's own tool."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioner.mirror import repository


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test's output is for failures."""


@dataclass(frozen=True)
class Served:
    """A folder and where it is served."""

    folder: Path
    address: str

    def file(self, path: str, content: bytes) -> str:
        """A file in it; gives its address."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return f"{self.address}/{path}"


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """While it lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Served(folder, f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()


@contextmanager
def signing() -> Iterator[repository.Key]:
    """A key; in a short path, as GnuPG's socket needs one."""
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        yield repository.signing_key(Path(home) / "key", "Tester <tester@example.com>")


def deb(folder: Path, name: str, version: str, depends: str = "", architecture: str = "all", word: str = "") -> Path:
    """A package with nothing in it but its description, in which `word` makes another file of it."""
    tree = folder / f"{name}-{version}"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "DEBIAN").mkdir(parents=True)
    needs = f"Depends: {depends}\n" if depends else ""
    (tree / "DEBIAN" / "control").write_text(f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n{needs}"
                                             f"Maintainer: Tester <tester@example.com>\nDescription: empty {word}\n")
    file = folder / f"{name}_{version.replace(':', '%3a')}_{architecture}.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(tree), str(file)], check=True, capture_output=True)
    return file


def apt_repository(served: Served, name: str, key: repository.Key, *packages: Path, suite: str = "bookworm") -> str:
    """A repository of these packages and no others; gives its address."""
    root = served.folder / name
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    repository.add(root, suite, repository.OWN, packages)
    repository.publish(root, suite, "amd64", key, root / "memory", label=name)
    return f"{served.address}/{name}"
