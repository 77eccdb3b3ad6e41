"""The stand-ins once more under a higher version: what a site's mirror holds after its owner has fetched new releases.

The programs are the same; what they say of themselves, the packages and the tags of the images differ. Stand-ins only: of
ZooKeeper, Consul and Docker the lab has one version each.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from provisioner.lab import debs
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


def make(cluster: ClusterUnderTest, registry: str, folder: Path) -> Path:
    """A folder for `provision lab up --artifacts`; the images are made of those that hosts of the cluster have."""
    for name in ("deb", "images"):
        (folder / name).mkdir(parents=True)
    for name in ("mesos", "logstash"):
        _package(name, folder)
    for name in IMAGES:
        _image(cluster, registry, name, folder / "images" / f"{name}.tar")
    return folder


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
    subprocess.run(["docker", "cp", f"{cluster.lab}-{host}:/root/next.tar", str(target)], check=True, capture_output=True)
    cluster.host(host).run("rm /root/next.tar")
