"""Programs taken out of Debian packages and packed the way their vendors do: Consul and ZooKeeper as archives, busybox as an image."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from provisioner.mirror import debs
from provisioner.mirror.files import file_sha256
from provisioner.mirror.images import Image, Settings, configuration, layer_of_folder
from provisioner.mirror.programs import run
from provisioner_lab.cache import cache_dir
from provisioner_lab.mirror.catalogue import Archive, upstream
from provisioner_lab.systems import architecture


def consul_archive(package: Path, folder: Path) -> Archive:
    """A zip in `folder` that holds the one program, as the vendor publishes it; packed once."""
    version = upstream(debs.read(package).version)
    kept = cache_dir() / f"consul_{version}_linux_{architecture()}.zip"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="consul-") as scratch:
            debs.extract(package, Path(scratch))
            packed = Path(scratch) / kept.name
            pack_consul(Path(scratch) / "usr" / "bin" / "consul", packed)
            packed.rename(kept)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(kept, folder)
    return Archive("consul", version, kept.name, file_sha256(kept))


def pack_consul(program: Path, target: Path) -> None:
    """The zip that holds the one program."""
    entry = zipfile.ZipInfo("consul")
    entry.external_attr, entry.compress_type = 0o100755 << 16, zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(entry, program.read_bytes(), compresslevel=4)


#: Jars of Apache's archive that no manifest of Debian names. TLS needs them: without them a member stops listening at the first connection.
UNNAMED = ("netty-codec.jar", "netty-resolver.jar", "netty-transport-native-unix-common.jar")


def zookeeper_archive(packages: Path, java: str, folder: Path) -> Archive:
    """A tar in `folder` with the layout of Apache's: the server's jar and all that it needs in lib/, an empty conf/.

    `packages` has ZooKeeper's Debian package and its whole closure, `java` is what a Red Hat host runs it with.
    """
    package = next(packages.glob("libzookeeper-java_*.deb"))
    version = upstream(debs.read(package).version)
    name = f"apache-zookeeper-{version}-bin"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="zookeeper-") as scratch:
        tree, packed = Path(scratch) / "tree", Path(scratch) / "packed"
        top = packed / name
        for path in packages.glob("*-java_*.deb"):
            debs.extract(path, tree)
        (top / "lib").mkdir(parents=True)
        (top / "conf").mkdir()
        for jar in jars_needed(tree / "usr" / "share" / "java", ["zookeeper.jar", "slf4j-simple.jar", *UNNAMED]):
            shutil.copy(jar, top / "lib" / jar.name)
        target = folder / f"{name}.tar.gz"
        layer_of_folder(packed, target, on_base=False)
    return Archive("zookeeper", version, target.name, file_sha256(target), {"RedHat": [java]})


def jars_needed(folder: Path, first: Sequence[str]) -> list[Path]:
    """The jars of these names and all that their manifests name, as far as they are in the folder, each once."""
    waiting, found = list(first), dict[str, Path]()
    while waiting:
        jar = (folder / waiting.pop()).resolve()
        if jar.name in found or not jar.is_file():
            continue
        found[jar.name] = jar
        with zipfile.ZipFile(jar) as archive:
            manifest = archive.read("META-INF/MANIFEST.MF").decode().replace("\r\n ", "").replace("\n ", "")
        named = [line.partition(":")[2].split() for line in manifest.splitlines() if line.startswith("Class-Path:")]
        waiting += [Path(entry).name for entries in named for entry in entries if entry.endswith(".jar")]
    return [found[name] for name in sorted(found)]


def busybox_image(package: Path, work: Path) -> Image:
    """The one program with a link for each of its applets, on nothing else: the application that tests deploy."""
    unpacked, root = work / "busybox-package", work / "busybox"
    debs.extract(package, unpacked)
    for folder in ("bin", "etc", "tmp"):
        (root / folder).mkdir(parents=True)
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
    (root / "etc" / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
    program = root / "bin" / "busybox"
    shutil.copy(next(path for path in (unpacked / "bin" / "busybox", unpacked / "usr" / "bin" / "busybox") if path.exists()), program)
    for applet in run([str(program), "--list"], what="applets of busybox").split():
        if applet != program.name:
            (root / "bin" / applet).symlink_to(program.name)
    layers = (layer_of_folder(root, work / "busybox.tar.gz", on_base=False),)
    config = configuration(architecture(), Settings(command=("sh",), environment={"PATH": "/bin"}), layers)
    return Image("busybox", ".".join(upstream(debs.read(package).version).split(".")[:2]), config, layers)
