"""What a site's mirror holds after its owner has fetched new releases, for a lab of Debian 12.

Docker is the next Debian release's (another major version), Consul is built from its Go module, two minor releases on. Of
ZooKeeper no package source in reach has a second version: its packages are the same programs under a higher revision, as after
a rebuild by the distribution. The stand-ins, too, are the same programs; what they say of themselves differs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from provisioner.lab import debs, packages
from provisioner.lab.cache import cache_dir, tree_digest
from provisioner.lab.catalogue import upstream
from provisioner.lab.repackaged import architecture, pack_consul
from tests.cluster_under_test import ClusterUnderTest

STAND_INS = Path(__file__).resolve().parents[1] / "lab/stand_ins"
#: Number that the lab has → the next one, by component.
NEXT = {"mesos": ("1.11.0", "1.12.0"), "logstash": ("9.5.6", "9.6.0"), "marathon": ("1.11.24", "1.12.0"), "chronos": ("3.0.2", "3.0.3"),
        "registrator": ("7.4.0", "7.5.0")}
#: A host that has the image, where the program says its version, and what starts it.
IMAGES = {
    "marathon": ("m1", "/usr/lib/marathon-standin/marathon_standin/__init__.py", "/marathon/bin/marathon"),
    "chronos": ("m1", "/usr/lib/chronos-standin/chronos_standin/__init__.py", "/chronos/bin/start.sh"),
    "registrator": ("a1", "/usr/lib/registrator_standin/__init__.py", "/bin/registrator"),
}
#: Packages of the next Debian release that run on Debian 12; its containerd and runc do not.
DOCKER = ("trixie", ("docker.io", "docker-cli"))
ZOOKEEPER = ("zookeeper", "libzookeeper-java")
#: Behind a revision of Debian's.
REBUILT = "+next1"
CONSUL = Path(__file__).parent / "next_consul"
CONSUL_VERSION = "1.10.12"


def make(cluster: ClusterUnderTest, registry: str, folder: Path) -> Path:
    """A folder for `provision lab up --artifacts`; images and ZooKeeper are made of what hosts of the cluster have."""
    for name in ("deb", "images", "archives"):
        (folder / name).mkdir(parents=True)
    for name in ("mesos", "logstash"):
        _package(name, folder)
    for name in IMAGES:
        _image(cluster, registry, name, folder / "images" / f"{name}.tar")
    codename, names = DOCKER
    for name in names:
        shutil.copy(packages.single(codename, name, print), folder / "deb")
    _zookeeper(cluster, folder / "deb")
    _consul(folder / "archives" / f"consul_{CONSUL_VERSION}_linux_{architecture()}.zip")
    return folder


def docker_version(folder: Path) -> str:
    """Of the engine in a folder that `make` filled."""
    return upstream(debs.read(next((folder / "deb").glob("docker.io_*.deb"))).version)


def _package(name: str, folder: Path) -> None:
    source = folder / name
    shutil.copytree(STAND_INS / name, source, symlinks=True)
    before, after = NEXT[name]
    for path in (source / "DEBIAN/control", *source.rglob("process.py"), *source.rglob("logstash_standin/__init__.py")):
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
    """Each package with its revision, and with what it demands of the other's, one higher."""
    cluster.host("m1").run(f"""set -e
        rm -rf /root/next; mkdir /root/next; cd /root/next
        for name in {' '.join(ZOOKEEPER)}; do
          apt-get download -q $name
          dpkg-deb --raw-extract $name\\_*.deb $name
          version=$(dpkg-deb --field $name\\_*.deb Version)
          sed -i "s/$version/$version{REBUILT}/g" $name/DEBIAN/control
          dpkg-deb --build -Zgzip $name $name.deb
        done""")
    for name in ZOOKEEPER:
        _take(cluster, "m1", f"/root/next/{name}.deb", folder / f"{name}.deb")
    cluster.host("m1").run("rm -r /root/next")


def _consul(target: Path) -> None:
    """Built by Go once on a machine: a quarter of an hour on two cores."""
    kept = cache_dir() / f"next-consul-{tree_digest(CONSUL)}"
    if not kept.exists():
        built = kept.with_suffix(".new")
        # Go 1.23 and newer refuse what this Consul's golang.org/x/net asks of the linker.
        flags = ["-ldflags", f"-s -w -checklinkname=0 -X github.com/hashicorp/consul/version.GitDescribe=v{CONSUL_VERSION}"]
        subprocess.run(["go", "build", *flags, "-o", str(built), "github.com/hashicorp/consul"], cwd=CONSUL, check=True,
                       env={**os.environ, "CGO_ENABLED": "0"})
        built.rename(kept)
    pack_consul(kept, target)


def _take(cluster: ClusterUnderTest, host: str, path: str, target: Path) -> None:
    subprocess.run(["docker", "cp", f"{cluster.lab}-{host}:{path}", str(target)], check=True, capture_output=True)
    cluster.host(host).run(f"rm {path}")
