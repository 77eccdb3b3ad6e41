"""`provision mirror serve` as its clients see it: curl, apt and skopeo."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from provisioner.cluster.lock import IMAGE, Lock, Locked
from provisioner.errors import UsageError
from provisioner.mirror.folder import Folder
from provisioner.mirror.images import store
from provisioner.mirror.resolve import Apt
from provisioner.mirror.serve import Listening, address, serve
from provisioner.state.authority import make_authority
from provisioner_lab.vendors.certificates import certify
from tests.unit.mirror.served import image
from tests.unit.mirror.vendored import DEBIAN, Site

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "apt-ftparchive", "gpg", "dpkg-deb", "skopeo", "curl"))),
    reason="needs apt-utils, gnupg, dpkg, skopeo and curl")
ARCHIVE = "archives/consul/1.0/consul_2.0.4_linux_amd64.zip"


@dataclass
class Mirror:
    """One that is served."""

    folder: Folder
    files: str
    registry: str
    image: Locked
    served: subprocess.Popen[str]

    def curl(self, path: str, *flags: str, to: str = "") -> str:
        """What curl prints: the head and the body."""
        return subprocess.run(["curl", "--silent", "--include", "--max-time", "20", *flags, f"{to or self.files}/{path}"], check=True,
                              capture_output=True, text=True).stdout

    def end(self, by: signal.Signals) -> tuple[int, str]:
        """Its exit code, and all it said."""
        self.served.send_signal(by)
        said = self.served.communicate(timeout=20)[0]
        return self.served.returncode, said


def free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def started(folder: Path, *flags: str) -> tuple[subprocess.Popen[str], int, int]:
    """The command once both ports answer, and these."""
    files, images = free(), free()
    command = [str(Path(sys.executable).with_name("provision")), "mirror", "serve", str(folder), "--listen", f"127.0.0.1:{files}",
               "--registry-port", str(images), *flags]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "COLUMNS": "200"},
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert running.stdout
    for line in running.stdout:
        if "cluster_catalogue" in line:
            return running, files, images
    raise AssertionError(f"ended with {running.wait()}")


@pytest.fixture
def mirror(site: Site, tmp_path: Path) -> Iterator[Mirror]:
    site.pull(site.lock())
    made = image(tmp_path, "some/app", "1.0", "content")
    store([made], site.folder.registry)
    wanted = Locked(IMAGE, "some/app:1.0", "1.0", made.digest, 1000, "app")
    running, files, images = started(site.folder.root)
    with running:
        try:
            yield Mirror(site.folder, f"http://127.0.0.1:{files}", f"127.0.0.1:{images}", wanted, running)
        finally:
            running.kill()


def test_files_come_whole_in_parts_and_not_again(mirror: Mirror) -> None:
    whole = mirror.curl(ARCHIVE)
    assert " 200 " in whole.splitlines()[0] and whole.endswith("\n\nzip") and "Content-Length: 3" in whole
    part = mirror.curl(ARCHIVE, "--range", "1-")
    assert " 206 " in part.splitlines()[0] and part.endswith("\n\nip") and "Content-Range: bytes 1-2/3" in part
    assert mirror.curl(ARCHIVE, "--range", "-1").endswith("\n\np")
    assert " 416 " in mirror.curl(ARCHIVE, "--range", "3-").splitlines()[0]
    changed = next(line for line in whole.splitlines() if line.startswith("Last-Modified: ")).partition(": ")[2]
    assert " 304 " in mirror.curl(ARCHIVE, "--header", f"If-Modified-Since: {changed}").splitlines()[0]
    assert mirror.curl(ARCHIVE, "--range", "1-", "--header", "If-Range: Mon, 01 Jan 2001 00:00:00 GMT").endswith("\n\nzip")
    head = mirror.curl(ARCHIVE, "--head")
    assert "Content-Length: 3" in head and not head.endswith("zip")


def test_nothing_else_is_served_and_nobody_can_write(mirror: Mirror) -> None:
    (mirror.folder.www / "outside").symlink_to(mirror.folder.root / "key" / "pubring.kbx")
    for path in ("../key/pubring.kbx", "%2e%2e/key/pubring.kbx", "archives", "nothing", "a" * 5000, "%00", "outside"):
        assert " 404 " in mirror.curl(path, "--path-as-is").splitlines()[0], path
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        for to in (mirror.files, f"http://{mirror.registry}"):
            assert " 501 " in mirror.curl("v2/some/app/blobs/uploads/", "--request", method, to=to).splitlines()[0]


def test_apt_trusts_it(mirror: Mirror, tmp_path: Path) -> None:
    apt = Apt(DEBIAN, [f"deb [signed-by={mirror.folder.apt / 'key.asc'}] {mirror.files}/apt bookworm main"], tmp_path / "apt")
    apt.update()
    [found] = apt.closure(["docker-ce"], {})
    assert found.version == "5:29.1-1"


def test_skopeo_copies_an_image_and_reads_its_tags(mirror: Mirror, tmp_path: Path) -> None:
    def skopeo(*arguments: str) -> str:
        return subprocess.run(["skopeo", *arguments], check=True, capture_output=True, text=True).stdout

    source = f"docker://{mirror.registry}/some/app"
    raw = skopeo("inspect", "--raw", "--tls-verify=false", f"{source}:1.0")
    assert f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" == mirror.image.digest
    skopeo("copy", "--src-tls-verify=false", "--preserve-digests", f"{source}@{mirror.image.digest}", f"dir:{tmp_path / 'copied'}")
    assert (tmp_path / "copied" / "manifest.json").read_text() == raw
    assert json.loads(skopeo("list-tags", "--tls-verify=false", source))["Tags"] == ["1.0"]
    assert json.loads(mirror.curl("v2/_catalog", to=f"http://{mirror.registry}").splitlines()[-1]) == {"repositories": ["some/app"]}


def test_what_a_registry_does_not_have_is_said_as_registries_do(mirror: Mirror) -> None:
    for path, code in (
        ("v2/other/manifests/1.0", "NAME_UNKNOWN"), ("v2/some/app/manifests/2.0", "MANIFEST_UNKNOWN"),
        (f"v2/some/app/manifests/sha256:{'0' * 64}", "MANIFEST_UNKNOWN"), (f"v2/some/app/blobs/sha256:{'0' * 64}", "BLOB_UNKNOWN"),
        ("v2/some/app/blobs/..", "UNSUPPORTED"), ("v2/..%2f..%2fwww/manifests/x", "UNSUPPORTED"),
        ("v2/some/app/referrers/x", "UNSUPPORTED"),
    ):
        said = mirror.curl(path, "--path-as-is", to=f"http://{mirror.registry}")
        assert " 404 " in said.splitlines()[0] and json.loads(said.splitlines()[-1])["errors"][0]["code"] == code, path


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_asked_to_and_has_said_who_came(mirror: Mirror, by: signal.Signals) -> None:
    mirror.curl(ARCHIVE)
    code, said = mirror.end(by)
    assert code == 0, said
    assert f'127.0.0.1 "GET /{ARCHIVE} HTTP/1.1" 200' in said and "Traceback" not in said


def test_by_https(site: Site, tmp_path: Path) -> None:
    site.pull(site.lock())
    key, certificate = make_authority("test")
    certify(["localhost"], key, certificate, tmp_path / "tls")
    (tmp_path / "ca.pem").write_text(certificate)
    running, files, _ = started(site.folder.root, "--certificate", f"{tmp_path}/tls/certificate.pem", "--key", f"{tmp_path}/tls/key.pem")
    with running:
        url = ["--resolve", f"localhost:{files}:127.0.0.1", f"https://localhost:{files}/{ARCHIVE}"]
        got = subprocess.run(["curl", "--silent", "--cacert", f"{tmp_path}/ca.pem", *url], check=False, capture_output=True, text=True)
        running.terminate()
    assert got.stdout == "zip", got


def test_what_can_not_be_served(site: Site, tmp_path: Path) -> None:
    def refused(where: Listening) -> str:
        with pytest.raises(UsageError) as caught:
            serve(site.folder, where, lambda: None, print)
        return str(caught.value)

    where = Listening("127.0.0.1", free(), free())
    assert "this is no mirror" in refused(where)
    site.pull(Lock((DEBIAN,), ()))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "nothing can listen at 127.0.0.1" in refused(replace(where, port=taken.getsockname()[1]))
    assert "can't be used" in refused(replace(where, certificate=tmp_path / "no.pem", key=tmp_path / "no.key"))


@pytest.mark.parametrize(("text", "found"), [("", ("", 8080)), (":80", ("", 80)), ("10.0.0.5", ("10.0.0.5", 8080)),
                                             ("[fd00::5]:81", ("fd00::5", 81)), ("m.example:82", ("m.example", 82))])
def test_where_it_listens(text: str, found: tuple[str, int]) -> None:
    assert address(text, 8080) == found


@pytest.mark.parametrize("text", ["a:b", ":0", ":70000", "fd00::5"])
def test_where_it_can_not_listen(text: str) -> None:
    with pytest.raises(UsageError, match="not an address and a port"):
        address(text, 8080)
