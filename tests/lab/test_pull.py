"""From played vendors to a cluster on hosts with no route out: lock, pull, bundle, load, serve, up; and what goes wrong on the way."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.mirror.apt import own_sources
from provisioner_lab.faults import Wrong, spoil
from provisioner_lab.hosts import nodes
from provisioner_lab.model import Lab
from provisioner_lab.work import find
from tests.lab.support.checkout import HOME, PROVISION, ClusterUnderTest, lab_name, provision

pytestmark = [pytest.mark.own_lab, pytest.mark.nightly]
LAB = lab_name("pull")
SYSTEM = "debian12/amd64"
#: What of a folder of `mirror pull` is not the same in two of them: who signs, when, and by which key.
SIGNED = ("InRelease", "Release", "Release.gpg", "key.asc", "catalogue.json")
CONSUL, MARATHON = "releases.hashicorp.com/consul/*", "registry-1.docker.io/v2/mesosphere/marathon"
PORT, REGISTRY = 8099, 5099
SECONDS = 1500.0


class Operator:
    """Someone at this machine, who reaches the vendors' names by the proxy of their container and trusts their authority."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.folder, self.lab = folder, lab
        self.inventory = folder / "inventory.yml"
        source = lab.home / "inventory.yml"
        self.inventory.write_text(source.read_text())
        shutil.copy(lab.home / "vendors.json", folder)
        proxy = f"http://{lab.vendors}:3128"
        own = {line.split("/")[2].partition(":")[0] for line in own_sources("bookworm")}
        self.online = os.environ | {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": ",".join(sorted(own)),
                                    "SSL_CERT_FILE": str(lab.vendors_folder / "ca.pem")}

    def run(self, *arguments: str, program: str = PROVISION, network: bool = True, vendors: bool = True, exit_code: int = 0) -> str:
        """All that a command says; without `network` it has no interface but a dead loopback, without `vendors` it is as on any machine."""
        command = [*([] if network else ["unshare", "--map-root-user", "--net"]), program, *arguments]
        done = subprocess.run(command, cwd=self.folder, env=self.online if network and vendors else None, stdin=subprocess.DEVNULL,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
        assert done.returncode == exit_code, done.stdout
        return done.stdout

    def pull(self, target: str, *, network: bool = True, exit_code: int = 0) -> str:
        """`mirror pull` for this inventory."""
        return self.run("mirror", "pull", target, "--hosts", "inventory.yml", network=network, exit_code=exit_code)

    def files(self, target: str) -> dict[str, str]:
        """Path → SHA-256 of what a mirror serves."""
        root = self.folder / target
        return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
                for part in ("www", "registry") for path in sorted((root / part).rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """One master and one agent, new, and an operator who has only their inventory."""
    provision("lab", "down", "--name", LAB, "--ignore-missing")
    provision("lab", "up", "--name", LAB, "--masters", "1", "--agents", "1", "--vendors")
    yield Operator(find(LAB), tmp_path_factory.mktemp("operator"))
    provision("lab", "down", "--name", LAB)


def test_sources_says_where_all_of_it_comes_from(operator: Operator) -> None:
    said = operator.run("sources", "--hosts", "inventory.yml", "--system", SYSTEM)
    for vendor in ("releases.hashicorp.com", "download.docker.com", "rpm.aventer.biz"):
        assert vendor in said


def test_all_of_it_is_pulled(operator: Operator) -> None:
    operator.run("lock", "--hosts", "inventory.yml", "--system", SYSTEM)
    begin = time.monotonic()
    assert re.search(r"\d+ artefacts came", operator.pull("mirror"))
    print(f"pulled in {time.monotonic() - begin:.0f} s")
    assert "all as locked" in operator.run("mirror", "check", "mirror")


def test_the_second_time_without_network_there_is_nothing_to_do(operator: Operator) -> None:
    before = operator.files("mirror")
    assert "nothing to do" in operator.pull("mirror", network=False)
    assert operator.files("mirror") == before


def test_another_pull_by_the_same_lock_gives_the_same_bytes(operator: Operator) -> None:
    operator.pull("again")
    one, two = ({path: digest for path, digest in operator.files(name).items() if Path(path).name not in SIGNED}
                for name in ("mirror", "again"))
    assert one == two and len(one) > 150
    shutil.rmtree(operator.folder / "again")


def _lacks(operator: Operator, what: str) -> None:
    """Another mirror, `part`, which has all but the files of this pattern."""
    shutil.rmtree(operator.folder / "part", ignore_errors=True)
    shutil.copytree(operator.folder / "mirror", operator.folder / "part", copy_function=os.link)
    found = [path for path in (operator.folder / "part").glob(what) if path.is_file()]
    assert found, what
    for path in found:
        path.unlink()


ARCHIVE, DEB, BLOB = "www/archives/**/consul*", "www/apt/pool/**/docker-ce_*", "registry/**/mesosphere/marathon/_manifests/**/link"


@pytest.mark.parametrize(("lacks", "where", "what", "amount", "said"), [
    (ARCHIVE, f"{CONSUL}.zip", "status", 404, "consul.*: HTTP 404"),
    (ARCHIVE, f"{CONSUL}.zip", "status", 500, "consul.*: HTTP 500"),
    (ARCHIVE, f"{CONSUL}.zip", "damaged", 0, "consul.* SHA-256 [0-9a-f]{64}, locked is [0-9a-f]{64}"),
    (ARCHIVE, f"{CONSUL}.zip", "loop", 0, "consul.*redirect"),
    (ARCHIVE, "proxy/*", "status", 407, "consul.*407"),
    (DEB, "download.docker.com/*.deb", "status", 404, "docker-ce_.*HTTP 404"),
    (DEB, "download.docker.com/*.deb", "damaged", 0, "docker-ce_.* SHA-256 [0-9a-f]{64}, locked is [0-9a-f]{64}"),
    (BLOB, f"{MARATHON}/manifests/*", "status", 404, "mesosphere/marathon"),
    (BLOB, f"{MARATHON}/blobs/*", "damaged", 0, "mesosphere/marathon"),
    (BLOB, "auth.docker.io/*", "status", 500, "mesosphere/marathon.*500"),
])
def test_what_goes_wrong_is_named_and_the_same_command_goes_on(operator: Operator, lacks: str, where: str, what: Wrong, amount: int,
                                                               said: str) -> None:
    _lacks(operator, lacks)
    before = operator.files("part")
    with spoil(operator.lab, where, what, amount):
        found = operator.pull("part", exit_code=5)
    assert re.search(said, found), found
    assert "Traceback" not in found
    after = operator.files("part")
    assert {path: after.get(path) for path in before} == before, "what was served before still is"
    assert "came" in operator.pull("part")
    assert operator.files("part") == operator.files("mirror")


def test_what_is_cut_again_and_again_arrives_all_the_same(operator: Operator) -> None:
    _lacks(operator, ARCHIVE)
    with spoil(operator.lab, f"{CONSUL}.zip", "cut", 3_000_000):
        operator.pull("part")
    assert operator.files("part") == operator.files("mirror")


@pytest.mark.parametrize(("where", "what", "amount", "said"), [
    ("download.docker.com/linux/debian/gpg", "expired", 0, "gpg has the key [0-9A-F]+, which has expired"),
    ("download.docker.com/linux/debian/dists/*", "status", 500, "InRelease.*500"),
    (f"{CONSUL}SHA256SUMS", "status", 404, "consul.*404"),
    ("registry-1.docker.io/v2/*", "status", 500, "mesosphere/marathon"),
])
def test_a_lock_is_written_whole_or_not_at_all(operator: Operator, where: str, what: Wrong, amount: int, said: str) -> None:
    path = operator.folder / "provision.lock"
    before = path.read_text()
    with spoil(operator.lab, where, what, amount):
        found = operator.run("lock", "--upgrade", "--hosts", "inventory.yml", "--system", SYSTEM, exit_code=5)
    assert re.search(said, found), found
    assert path.read_text() == before


@contextlib.contextmanager
def served(command: list[str], folder: Path) -> Iterator[None]:
    """A command that serves, as long as this lasts; it ends when it is asked to."""
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield
    finally:
        server.send_signal(signal.SIGTERM)
        said, _ = server.communicate(timeout=30)
    assert server.returncode == 0, said


def test_a_bundle_brings_up_hosts_that_have_no_route_out(operator: Operator) -> None:
    begin = time.monotonic()

    def took(what: str) -> None:
        nonlocal begin
        print(f"{what}: {time.monotonic() - begin:.0f} s")
        begin = time.monotonic()

    said = operator.run("bundle", "save", "site.bundle", "--mirror", "mirror", "--hosts", "inventory.yml", vendors=False)
    signer = re.search(r"--fingerprint (\w+)", said)
    assert signer, said
    took(f"bundle of {(operator.folder / 'site.bundle').stat().st_size / 1e6:.0f} MB saved")
    there = operator.folder / "there"  # another machine: nothing of this one's Python, no network
    there.mkdir()
    script = (f"set -e; tar xf ../site.bundle start.py; python3 start.py ../site.bundle VENV; "
              f"VENV/bin/provision bundle load ../site.bundle MIRROR --fingerprint {signer[1]}")
    bare = ["env", "-i", "PATH=/usr/bin:/bin", f"HOME={there}", "unshare", "--map-root-user", "--net", "sh", "-c", script]
    subprocess.run(bare, cwd=there, check=True, timeout=SECONDS)
    took("loaded")
    lab = operator.lab
    for gone in ("vendors", "mirror"):
        nodes.kill(lab, gone)
    for node in ("m1", "a1"):
        nodes.exec_in(lab, node, ["ip", "route", "del", "default"])
    here = str(next(lab.subnet.hosts()))
    sites = (f"    cluster_mirror: http://{here}:{PORT}\n    cluster_registry: {here}:{REGISTRY}\n"
             "    cluster_catalogue: catalogue.json\n")
    text = (lab.home / "inventory.yml").read_text().replace("    cluster_catalogue: vendors.json\n", sites)
    (lab.home / "inventory.yml").write_text(text)
    for name in ("catalogue.json", "provision.lock"):
        shutil.copy(there / "MIRROR" / "www" / name, lab.home)
    program = str(there / "VENV" / "bin" / "provision")
    serve = [program, "mirror", "serve", "MIRROR", "--listen", f"{here}:{PORT}", "--registry-port", str(REGISTRY)]
    hosts = ("--hosts", str(lab.home / "inventory.yml"))
    with served(serve, there):
        operator.run("preflight", *hosts, program=program, vendors=False)
        operator.run("up", *hosts, "--yes", program=program, vendors=False)
        took("up")
        operator.run("verify", *hosts, program=program, vendors=False)
        took("verified")
        cluster = ClusterUnderTest(LAB, HOME)
        policy = cluster.host("a1").run("apt-cache policy docker-ce")
        assert f"http://{here}:{PORT}" in policy, policy


def test_nothing_of_it_asked_a_vendor(operator: Operator) -> None:
    assert nodes.read_states(operator.lab)["vendors"] != "running"
