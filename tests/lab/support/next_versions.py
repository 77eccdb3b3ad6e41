"""What a site's mirror holds before and after its owner has fetched new releases, for a lab of Debian 12.

Mesos goes from an older release to the lab's own, Consul from the lab's to newer ones (`next_consul`), Docker is the next Debian
release's (another major version). Of ZooKeeper no package source in reach has a second version: its package is the same program
under a higher revision, as after a rebuild by the distribution. The stand-ins, too, are the same programs; what they say of
themselves differs.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from provisioner.mirror import debs
from provisioner_lab.images import bootstrap
from provisioner_lab.mirror import mesos
from provisioner_lab.mirror.catalogue import upstream
from provisioner_lab.mirror.repackaged import pack_consul
from provisioner_lab.mirror.stand_ins import PYTHON, read_stand_ins
from provisioner_lab.packages import download
from provisioner_lab.paths import lab_dir
from provisioner_lab.systems import DEFAULT_SYSTEM, architecture, system
from tests.lab.support import next_consul
from tests.lab.support.checkout import ClusterUnderTest
from tests.lab.support.mesos_container import building

#: Number that the cluster has at first → the next one, by component.
NEXT = {"mesos": ("1.10.0", mesos.current().version), "logstash": ("9.5.6", "9.6.0"), "marathon": ("1.11.24", "1.12.0"),
        "chronos": ("3.0.2", "3.0.3"), "registrator": ("7.4.0", "7.5.0")}
#: A host that has the image, where the program says its version, and what starts it.
IMAGES = {
    "marathon": ("m1", f"{PYTHON}/marathon_standin/__init__.py", "/marathon/bin/marathon"),
    "chronos": ("m1", f"{PYTHON}/chronos_standin/__init__.py", "/chronos/bin/start.sh"),
    "registrator": ("a1", f"{PYTHON}/registrator_standin/__init__.py", "/bin/registrator"),
}
#: Packages of the next Debian release that run on Debian 12; its containerd and runc do not.
DOCKER = ("trixie", ("docker.io", "docker-cli"))
ZOOKEEPER = "libzookeeper-java"
#: Behind a revision of Debian's.
REBUILT = "+next1"


def older(place: Path) -> Path:
    """A folder in `place` for `provision lab up --artifacts`, with what the cluster has at first and the lab itself has not."""
    folder = place / "older"
    (folder / "deb").mkdir(parents=True, exist_ok=True)
    hosts, release = system(DEFAULT_SYSTEM), mesos.releases()[NEXT["mesos"][0]]
    with building():
        shutil.copy(mesos.package(release, hosts, bootstrap.node_image(hosts, print), print).path, folder / "deb")
    return folder


def make(cluster: ClusterUnderTest, registry: str, folder: Path) -> Path:
    """The same for the next versions, with Consul's first; images and ZooKeeper are made of what hosts of the cluster have.

    All of Consul's are built now, so that no build slows down what a test measures.
    """
    for name in ("deb", "images", "archives"):
        (folder / name).mkdir(parents=True)
    _logstash(folder)
    for name in IMAGES:
        _image(cluster, registry, name, folder / "images" / f"{name}.tar")
    codename, names = DOCKER
    for name in names:
        shutil.copy(download.single(codename, name, print), folder / "deb")
    _zookeeper(cluster, folder / "deb")
    for release in reversed(next_consul.RELEASES):
        put_consul(release, folder)
    return folder


def put_consul(release: str, folder: Path) -> None:
    """This release, and no other, is in the folder from now on."""
    for path in (folder / "archives").iterdir():
        path.unlink()
    pack_consul(next_consul.built(release), folder / "archives" / f"consul_{release}_linux_{architecture()}.zip")


def docker_version(folder: Path) -> str:
    """Of the engine in a folder that `make` filled."""
    return upstream(debs.read(next((folder / "deb").glob("docker.io_*.deb"))).version)


def _logstash(folder: Path) -> None:
    source = folder / "logstash"
    found, _ = read_stand_ins(lab_dir() / "stand_ins")
    next(each for each in found if each.name == source.name).lay_out(source)
    before, after = NEXT[source.name]
    for path in (source / "DEBIAN/control", *source.rglob("logstash_standin/__init__.py")):
        path.write_text(path.read_text().replace(before, after))
    debs.build(source, folder / "deb")


def _image(cluster: ClusterUnderTest, registry: str, name: str, target: Path) -> None:
    host, file, start = IMAGES[name]
    before, after = NEXT[name]
    old, new = f"{registry}/{name}:{before}-standin", f"{name}:{after}-standin"
    cluster.host(host).run(f"""set -e
        docker rm -f next >/dev/null 2>&1 || true
        docker run --name next --network none --entrypoint sed {old} -i s/{before}/{after}/ {file}
        docker commit --change 'ENTRYPOINT ["{start}"]' --change 'CMD []' next {new}
        docker save -o /root/next.tar {new}
        docker rm next; docker image rm {new}""")
    _take(cluster, host, "/root/next.tar", target)


def _zookeeper(cluster: ClusterUnderTest, folder: Path) -> None:
    """The package with its revision one higher."""
    cluster.host("m1").run(f"""set -e
        rm -rf /root/next; mkdir /root/next; cd /root/next
        apt-get download -q {ZOOKEEPER}
        dpkg-deb --raw-extract {ZOOKEEPER}_*.deb tree
        version=$(dpkg-deb --field {ZOOKEEPER}_*.deb Version)
        sed -i "s/$version/$version{REBUILT}/g" tree/DEBIAN/control
        dpkg-deb --build -Zgzip tree next.deb""")
    _take(cluster, "m1", "/root/next/next.deb", folder / f"{ZOOKEEPER}.deb")
    cluster.host("m1").run("rm -r /root/next")


def _take(cluster: ClusterUnderTest, host: str, path: str, target: Path) -> None:
    subprocess.run(["docker", "cp", f"{cluster.lab}-{host}:{path}", str(target)], check=True, capture_output=True)
    cluster.host(host).run(f"rm {path}")
