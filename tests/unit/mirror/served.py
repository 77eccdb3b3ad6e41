"""A vendor on loopback: a folder served by HTTP, package repositories in it, signed by GnuPG and indexed by apt's own tool, a registry."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioner.mirror import repository
from provisioner.mirror.images import Image, Settings, configuration, layer_of_folder

_PUBLISHED: dict[tuple[object, ...], dict[str, bytes]] = {}


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
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Served(folder, f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()


@contextmanager
def signing() -> Iterator[repository.Key]:
    """A key; in a short path, as GnuPG's socket needs one."""
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        yield repository.signing_key(Path(home) / "key", "Tester <tester@example.com>")


def deb(folder: Path, name: str, version: str, depends: str = "", architecture: str = "all", word: str = "") -> Path:
    """A package with nothing in it but its description, in which `word` makes another file of it; without it always the same bytes."""
    file = folder / f"{name}_{version.replace(':', '%3a')}_{architecture}.deb"
    file.write_bytes(_deb(name, version, depends, architecture, word))
    return file


@functools.cache
def _deb(name: str, version: str, depends: str, architecture: str, word: str) -> bytes:
    """Built once: the sites of all tests have the same packages."""
    with tempfile.TemporaryDirectory() as folder:
        tree, file = Path(folder) / "tree", Path(folder) / "deb"
        (tree / "DEBIAN").mkdir(parents=True)
        needs = f"Depends: {depends}\n" if depends else ""
        (tree / "DEBIAN" / "control").write_text(f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n{needs}"
                                                 f"Maintainer: Tester <tester@example.com>\nDescription: empty {word}\n")
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(tree), str(file)], check=True, capture_output=True,
                       env={**os.environ, "SOURCE_DATE_EPOCH": "0"})
        return file.read_bytes()


def apt_repository(served: Served, name: str, key: repository.Key, *packages: Path, suite: str = "bookworm") -> str:
    """A repository of these packages and no others; gives its address. Made once: the sites of many tests have the same."""
    root = served.folder / name
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    what = (name, suite, key, tuple((package.name, package.read_bytes()) for package in packages))
    if what in _PUBLISHED:
        for path, content in _PUBLISHED[what].items():
            served.file(f"{name}/{path}", content)
    else:
        repository.add(root, suite, repository.OWN, packages)
        repository.publish(root, suite, "amd64", key, root / "memory", label=name)
        _PUBLISHED[what] = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return f"{served.address}/{name}"


def rpm(folder: Path, name: str, version: str, requires: str = "", *, key: repository.Key | None = None, word: str = "",
        architecture: str = "noarch") -> Path:
    """The same for RedHat's kin, `version` as epoch:version-release; signed where there is a key."""
    epoch, _, rest = version.rpartition(":")
    number, _, release = rest.partition("-")
    top = folder / f"rpm-{name}-{version}-{word}"
    top.mkdir(parents=True)
    needs = f"Requires: {requires}\n" if requires else ""
    (top / "spec").write_text(f"Name: {name}\nEpoch: {epoch or 0}\nVersion: {number}\nRelease: {release or 1}\nSummary: empty {word}\n"
                              f"License: none\n{needs}%description\nempty\n%files\n")
    settings: dict[str, object] = {
        "_topdir": top, "_rpmdir": top, "_rpmfilename": "%{NAME}-%{VERSION}-%{RELEASE}.rpm", "_buildhost": "localhost",
        "clamp_mtime_to_source_date_epoch": 1, "use_source_date_epoch_as_buildtime": 1}
    defined = [flag for name, value in settings.items() for flag in ("--define", f"{name} {value}")]
    subprocess.run(["rpmbuild", "-bb", "--quiet", "--target", architecture, *defined, str(top / "spec")],
                   check=True, capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": "0"})
    (file,) = top.glob("*.rpm")
    if key:
        settings = {"_gpg_name": key.fingerprint, "_gpg_path": key.home, "__gpg": shutil.which("gpg")}  # Debian's rpm looks for a gpg2
        defined = [flag for name, value in settings.items() for flag in ("--define", f"{name} {value}")]
        subprocess.run(["rpmsign", *defined, "--addsign", str(file)], check=True, capture_output=True)
    return file


def yum_repository(served: Served, name: str, key: repository.Key | None, *packages: Path) -> str:
    """A repository of these RPMs and no others, whose index is signed where there is a key; gives its address."""
    root = served.folder / name
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for each in packages:
        shutil.copy2(each, root)

    def index(arguments: Sequence[str]) -> None:
        subprocess.run(["createrepo_c", *arguments, str(root)], check=True, capture_output=True)

    if key is None:
        index(())
    else:
        repository.publish_yum(root, key, index)
        (root / "key.asc").write_text(repository.public_key(key))
    return f"{served.address}/{name}"


def image(folder: Path, name: str, tag: str, word: str = "", architecture: str = "amd64") -> Image:
    """A tiny one, in which `word` makes another of it."""
    content = folder / f"content-{name.replace('/', '-')}-{tag}-{word}"
    content.mkdir(parents=True)
    (content / "file").write_text(f"{name} {word}")
    layer = layer_of_folder(content, folder / f"{content.name}.tar.gz", on_base=False)
    return Image(name, tag, configuration(architecture, Settings(), [layer]), (layer,))


@contextmanager
def registry_of(root: Path) -> Iterator[str]:
    """A registry of what is stored there: its name."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{free.getsockname()[1]}"
    settings = root / "registry.yml"
    settings.write_text(json.dumps({"version": 0.1, "log": {"level": "error"}, "http": {"addr": name},
                                    "storage": {"filesystem": {"rootdirectory": str(root)}}}))
    with subprocess.Popen(["docker-registry", "serve", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as serving:
        try:
            for _ in range(200):
                if _answers(name):
                    break
                time.sleep(0.1)
            yield name
        finally:
            serving.terminate()


def _answers(name: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{name}/v2/") as answer:
        return bool(answer.status == 200)
    return False
