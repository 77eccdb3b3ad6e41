"""Played vendors without a lab: content made of a small mirror, and the servers on loopback."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from provisioner.mirror import debs, repository
from provisioner.mirror.images import Image, Settings, configuration, layer_of_folder, store
from provisioner_lab.mirror import repackaged
from provisioner_lab.paths import lab_dir
from provisioner_lab.systems import architecture, system
from provisioner_lab.vendors import content

#: The programs that Docker's packages hold, in Debian's packages.
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "docker.io_20.10.24+dfsg1-1": ("usr/sbin/dockerd", "usr/bin/docker", "usr/sbin/docker-proxy", "lib/systemd/system/docker.service",
                                   "lib/systemd/system/docker.socket"),
    "tini_0.19.0-1": ("usr/bin/tini-static", "usr/bin/docker-init"),
    "containerd_1.6.20~ds1-1": ("usr/bin/containerd", "usr/bin/ctr", "lib/systemd/system/containerd.service"),
    "runc_1.1.5+ds1-1": ("usr/sbin/runc",),
}
IMAGES = {"busybox": "1.35", "marathon": "1.11.24-standin", "chronos": "3.0.2-standin", "registrator": "7.4.0-standin"}


def program() -> ModuleType:
    """What runs in the container that plays the vendors."""
    spec = importlib.util.spec_from_file_location("serve_vendors", lab_dir() / "vendors" / "serve.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Played:
    """Servers of a folder of hosts: where they listen, and what is to go wrong."""

    http: int
    https: int
    proxy: int
    ca: Path
    faults: Path
    servers: list[Any]

    def ask_for(self, where: str, what: str, amount: int = 0) -> None:
        """From now on this goes wrong, and nothing else."""
        self.faults.write_text(json.dumps([{"where": where, "what": what, "amount": amount}]))

    @property
    def environment(self) -> dict[str, str]:
        """For a program of this machine that is to reach them, as `docs/lab.md` says."""
        proxy = f"http://127.0.0.1:{self.proxy}"
        return {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": "", "SSL_CERT_FILE": str(self.ca)}

    def stop(self) -> None:
        """Ends them."""
        for server in self.servers:
            server.shutdown()
            server.server_close()


def play(content: Path, faults: Path) -> Played:
    """Serves content on free ports of loopback."""
    serve = program()
    found = serve.servers(serve.Site(content / "hosts", faults), content / "tls", "127.0.0.1", (0, 0, 0))
    for server in found:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    http, https, proxy = (server.server_address[1] for server in found)
    return Played(http, https, proxy, content / "ca.pem", faults, found)


def small_mirror(root: Path) -> Path:
    """What a lab's mirror of debian12 serves, each program a line of text."""
    pool = root / "www" / "apt" / "pool" / "bookworm"
    for part in (repository.DISTRIBUTION, repository.OWN):
        (pool / part).mkdir(parents=True)
    for name, files in PROGRAMS.items():
        _package(root / "making", pool / repository.DISTRIBUTION, name, dict.fromkeys(files, b"#!/bin/sh\n"))
    jar = root / "zookeeper.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
    _package(root / "making", pool / repository.DISTRIBUTION, "libzookeeper-java_3.8.0-11",
             {"usr/share/java/zookeeper.jar": jar.read_bytes(), "usr/share/java/slf4j-simple.jar": jar.read_bytes()})
    _package(root / "making", pool / repository.OWN, "mesos_1.11.0-lab1", {"usr/sbin/mesos-agent": b"#!/bin/sh\n"})
    _package(root / "making", pool / repository.OWN, "logstash_1:9.5.6+standin", {"usr/share/logstash/bin/logstash": b"#!/bin/sh\n"})
    (root / "www" / "archives").mkdir()
    (root / "www" / "archives" / f"consul_1.8.7_linux_{architecture()}.zip").write_bytes(b"consul" * 1000)
    images = [_image(root / "making", name, tag) for name, tag in IMAGES.items()]
    store(images, root / "registry")
    (root / "www" / "catalogue.json").write_text(json.dumps(_catalogue(images)))
    return root


def small_mirror_of_rpms(root: Path) -> Path:
    """The same of rocky9, where ZooKeeper is an archive."""
    small_mirror(root)
    (root / "www" / "archives" / "apache-zookeeper-3.8.0-bin.tar.gz").write_bytes(b"zookeeper" * 1000)
    (root / "www" / "yum").mkdir()
    needs = {"docker-ce": "docker-ce-cli, containerd.io, iptables", "mesos": "cyrus-sasl-md5", "logstash": "/bin/sh", "docker-ce-cli": "",
             "containerd.io": "", "iptables": "", "cyrus-sasl-md5": "", "bash": ""}
    for name, required in needs.items():
        work = root / "making" / f"rpm-{name}"
        work.mkdir(parents=True)
        requires = f"Requires: {required}\n" if required else ""
        provides = "Provides: /bin/sh\n" if name == "bash" else ""
        (work / "spec").write_text(f"Name: {name}\nVersion: 20.10.24\nRelease: 1\nSummary: test\nLicense: none\n{requires}{provides}"
                                   "%description\ntest\n%files\n")
        subprocess.run(["rpmbuild", "-bb", "--quiet", "--target", "noarch", "--define", f"_topdir {work}", "--define",
                        f"_rpmdir {root}/www/yum", "--define", "_rpmfilename %{NAME}-%{VERSION}.rpm", str(work / "spec")],
                       check=True, capture_output=True)
    return root


def _catalogue(images: list[Image]) -> list[dict[str, Any]]:
    kept = [{"component": name, "version": version, "kind": "package"} for name, version in
            (("docker", "20.10.24+dfsg1-1"), ("zookeeper", "3.8.0-11"), ("mesos", "1.11.0-lab1"), ("logstash", "1:9.5.6+standin"))]
    kept[2]["note"] = "executors are ours"
    found = [{"component": image.name, "version": image.tag, "kind": "image", "digest": image.digest, "stand_in": image.name != "busybox"}
             for image in images]
    return [*kept, {"component": "consul", "version": "1.8.7", "kind": "archive"}, *found]


def _package(work: Path, folder: Path, name: str, files: Mapping[str, bytes]) -> None:
    package, _, version = name.partition("_")
    source = work / package
    for path, text in files.items():
        target = source / "rootfs" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text)
        target.chmod(0o755)
    (source / "DEBIAN").mkdir()
    (source / "DEBIAN" / "control").write_text(f"Package: {package}\nVersion: {version}\nArchitecture: all\n"
                                               "Maintainer: nobody <nobody@invalid>\nDescription: test\n")
    debs.build(source, folder)


def _image(work: Path, name: str, tag: str) -> Image:
    (work / f"image-{name}").mkdir(parents=True)
    (work / f"image-{name}" / "about").write_text(name)
    layers = (layer_of_folder(work / f"image-{name}", work / f"{name}.tar.gz", on_base=False),)
    return Image(name, tag, configuration(architecture(), Settings(command=("about",)), layers), layers)


@contextmanager
def made_of(os_name: str, folder: Path, mirror: Callable[[Path], Path]) -> Iterator[Path]:
    """The vendors' content for hosts of a system, out of a small mirror, in a cache of its own below a folder."""
    with pytest.MonkeyPatch.context() as patch:
        (folder / "cache").mkdir()
        for module in (content, repackaged):
            patch.setattr(module, "cache_dir", lambda: folder / "cache")
        patch.setattr(content, "forget_unused", lambda current: None)
        yield content.build(system(os_name), mirror(folder / "served"), lambda text: None)
