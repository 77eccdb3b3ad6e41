"""`mirror add`: files that the user has and nobody serves go into the mirror and the lock, or are refused by name."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from provisioner.cluster.lock import BROUGHT, VENDOR
from provisioner.console import Console
from provisioner.context import Context
from provisioner.mirror.images import Image
from provisioner.verbs import mirror
from tests.unit.mirror.served import deb, image
from tests.unit.mirror.vendored import Operator, Site, operator, zipped

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("apt-get", "apt-ftparchive", "gpg", "dpkg-deb"))),
                                reason="needs apt-utils, gnupg and dpkg")
MESOS, VERSION = "aventer-mesos", "1.11.0-0.9.0"


@pytest.fixture
def user(site: Site, tmp_path: Path) -> Operator:
    (tmp_path / "files").mkdir()
    made = operator(site, tmp_path)
    made.lock()
    return made


def add(user: Operator, *files: Path) -> int:
    options = mirror.Add(str(user.site.folder.root), tuple(map(str, files)), ("debian12/amd64",))
    return mirror.run_add(Context(user.inventory), Console(), options)


def saved(path: Path, made: Image) -> Path:
    """As `docker save` writes it."""
    contents = {"config.json": made.config, **{f"{n}/layer.tar": layer.path.read_bytes() for n, layer in enumerate(made.layers)}}
    rows = [{"Config": "config.json", "RepoTags": [f"{made.name}:{made.tag}"], "Layers": [name for name in contents if "/" in name]}]
    return _tar(path, {**contents, "manifest.json": json.dumps(rows).encode()})


def oci(path: Path, *made: Image, name: str = "") -> Path:
    """As `skopeo copy … oci-archive:` writes it; of several architectures with a list of manifests."""
    blobs = {f"blobs/sha256/{each.digest[7:]}": each.manifest for each in made}
    for each in made:
        config = json.loads(each.manifest)["config"]["digest"][7:]
        blobs |= {f"blobs/sha256/{config}": each.config}
        blobs |= {f"blobs/sha256/{layer.digest}": layer.path.read_bytes() for layer in each.layers}
    platforms = [{"os": "linux", "architecture": json.loads(each.config)["architecture"]} for each in made]
    listed = [{"digest": each.digest, "platform": platform} for each, platform in zip(made, platforms, strict=True)]
    top = made[0].digest
    if len(made) > 1:
        text = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": listed}).encode()
        top = f"sha256:{hashlib.sha256(text).hexdigest()}"
        blobs[f"blobs/sha256/{top[7:]}"] = text
    notes = {"org.opencontainers.image.ref.name": name or f"{made[0].name}:{made[0].tag}"}
    index = {"schemaVersion": 2, "manifests": [{"digest": top, "annotations": notes}]}
    return _tar(path, {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', **blobs, "index.json": json.dumps(index).encode()})


def _tar(path: Path, contents: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def cut(path: Path) -> Path:
    """A file whose end is missing."""
    content = path.read_bytes().rstrip(b"\0")  # a tar file ends with many
    path.write_bytes(content[:len(content) // 2])
    return path


def test_a_package_is_served_with_what_it_depends_on(user: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = deb(tmp_path / "files", MESOS, VERSION, "libneeded (>= 1)", "amd64")
    assert add(user, file) == 0
    assert f"package {MESOS} {VERSION} (debian12/amd64): sha256:" in (said := capsys.readouterr().err) and "Next: provision lock" in said
    assert (user.line(MESOS).origin, user.line(MESOS).component) == (BROUGHT, "mesos")
    assert user.lock() == 0
    assert f"{MESOS} {VERSION} (debian12/amd64): brought" in capsys.readouterr().err
    assert (user.line("libneeded").origin, user.line("libneeded").component) == (VENDOR, "mesos")
    assert user.pulled() == 0
    index = (user.site.folder.apt / "dists" / "bookworm" / "main" / "binary-amd64" / "Packages").read_text()
    assert f"Package: {MESOS}\n" in index and "Package: libneeded\n" in index
    before = str(user.locked)
    assert (add(user, file), user.lock(), user.pulled()) == (0, 0, 0)
    assert str(user.locked) == before


def test_an_archive_is_taken_for_the_processors_of_the_lock(user: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalogue = user.inventory.parent / "catalogue.json"
    one = (user.site.served.folder / "consul.sums").read_text()
    sums = user.site.served.file("of-each.sums", one.replace("consul.zip", "consul_amd64.zip").encode())
    rows = json.loads(catalogue.read_text())
    rows[0] |= {"urls": [rows[0]["urls"][0].replace("/consul.zip", "/consul_{arch}.zip")], "checksum": sums}
    catalogue.write_text(json.dumps(rows))
    path = user.inventory.parent / "provision.lock"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "consul.zip" not in line) + "\n")
    for name in ("consul_amd64.zip", "consul_arm64.zip"):
        (tmp_path / "files" / name).write_bytes(zipped("consul") if "amd64" in name else zipped("another"))
    assert add(user, tmp_path / "files" / "consul_amd64.zip") == 0
    assert user.line("consul_amd64.zip").origin == BROUGHT
    assert add(user, tmp_path / "files" / "consul_arm64.zip") == 5
    assert "archives are known by their name: consul_amd64.zip" in capsys.readouterr().err


def test_the_archive_of_a_vendor_that_is_away_is_taken(user: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "files" / "consul.zip"
    file.write_bytes(zipped("consul"))
    path = user.inventory.parent / "provision.lock"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "consul.zip" not in line) + "\n")
    assert add(user, file) == 0
    assert user.line("consul.zip").origin == BROUGHT
    assert "could not be compared" not in capsys.readouterr().err
    for each in ("consul.zip", "consul.sums"):
        (user.site.served.folder / each).unlink()
    assert (user.lock(), user.pulled()) == (0, 0)
    assert user.site.files()["archives/consul/1.0/consul.zip"] == zipped("consul")


def test_an_archive_that_nobody_can_compare_is_taken_and_said(user: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (user.inventory.parent / "provision.lock").unlink()
    (user.site.served.folder / "consul.sums").unlink()
    (tmp_path / "files" / "consul.zip").write_bytes(zipped("consul"))
    assert add(user, tmp_path / "files" / "consul.zip") == 0
    assert "consul.zip could not be compared with what its vendor publishes: http" in capsys.readouterr().err


def test_a_file_that_is_locked_already_need_not_be_downloaded(user: Operator, tmp_path: Path) -> None:
    own = user.line("libshared") if any(a.name == "libshared" for a in user.locked.artefacts) else user.line("logstash")
    file = tmp_path / "files" / "anything"
    file.write_bytes(next(user.site.served.folder.rglob(own.url.rpartition("/")[2])).read_bytes())
    before = str(user.locked)
    assert add(user, file) == 0
    assert str(user.locked) == before
    assert user.site.folder.file(own, user.locked).is_file()


@pytest.mark.parametrize("form", ["docker", "oci", "list"])
def test_an_image_is_served(user: Operator, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = image(tmp_path, "registrator", "7.4.0")
    file = tmp_path / "files" / "image.tar"
    if form == "docker":
        saved(file, made)
    elif form == "oci":
        oci(file, made, name="docker.io/library/registrator:7.4.0")
    else:
        oci(file, made, image(tmp_path, "registrator", "7.4.0", "arm", "arm64"))
    assert add(user, file) == 0
    line = user.line("127.0.0.1:1/registrator:7.4.0")
    assert (line.origin, line.component, line.version) == (BROUGHT, "registrator", "7.4.0")
    assert form != "oci" or line.digest == made.digest, "its bytes are as they were"
    assert (user.lock(), user.pulled()) == (0, 0)
    assert "registrator:7.4.0" not in capsys.readouterr().err.partition("warning: the image 127.0.0.1:1/registrator")[2]
    assert mirror.run_check(Console(), mirror.Check(str(user.site.folder.root))) == 0
    assert not [*user.site.folder.arriving.iterdir()]
    assert add(user, file) == 0
    user.inventory.write_text(user.inventory.read_text().replace("127.0.0.1:1", "127.0.0.1:2"))
    assert (user.lock(), user.pulled()) == (0, 0), "it stays when the mirror that has it becomes the registry"
    assert user.line("127.0.0.1:2/registrator:7.4.0").digest == line.digest


def _refusals(user: Operator, folder: Path) -> dict[Path, str]:
    packages = {
        deb(folder, "other", "1.0"): "no component of this inventory asks for the package other",
        deb(folder, MESOS, "1.9"): f"this is {MESOS} 1.9, the inventory wants {VERSION}",
        deb(folder, MESOS, VERSION, architecture="arm64"): f"{MESOS} {VERSION} is for arm64, the hosts' systems are debian12/amd64",
        cut(deb(folder, MESOS, VERSION, architecture="amd64")): "Debian package",
    }
    wrong, broken = folder / "consul.zip", folder / "zookeeper.zip"
    wrong.write_bytes(zipped("other"))
    broken.write_bytes(zipped("zookeeper"))
    (folder / "some.rpm").write_bytes(b"\xed\xab\xee\xdb" + b"x" * 100)
    (folder / "text").write_text("text")
    return packages | {
        wrong: "published is", cut(broken): "the archive is cut or damaged", folder / "some.rpm": "RPMs can't be locked yet",
        folder / "text": "neither a package nor a saved image nor an archive", folder / "away": "there is no such file",
        saved(folder / "a.tar", image(folder, "other", "1")): "it holds other:1, the inventory wants",
        saved(folder / "b.tar", image(folder, "registrator", "7.4.0", "arm", "arm64")): "is for arm64, not for amd64",
        cut(saved(folder / "c.tar", image(folder, "registrator", "7.4.0", "c"))): "the archive is cut or damaged",
        oci(folder / "d.tar", image(folder, "registrator", "7.4.0", "d", "arm64")): "is for arm64, not for amd64",
        _tar(folder / "e.tar", {"index.json": b"no json"}): "the archive is cut or damaged",
        _tar(folder / "f.tar", {"index.json": json.dumps({"manifests": [{"digest": "sha256:1", "annotations": {
            "org.opencontainers.image.ref.name": "registrator:7.4.0"}}]}).encode()}): "the archive is cut or damaged",
    }


def test_each_file_that_does_not_fit_is_named_and_nothing_of_it_taken(user: Operator, tmp_path: Path,
                                                                      capsys: pytest.CaptureFixture[str]) -> None:
    cases = _refusals(user, tmp_path / "files")
    before = str(user.locked)
    for file, said in cases.items():
        assert add(user, file) == 5, file
        error = capsys.readouterr().err
        assert said in error and str(file) in error and ("→" in error), (file, error)
    assert str(user.locked) == before
    assert not any(path.is_file() for path in user.site.folder.www.rglob("*"))
    assert not [*user.site.folder.arriving.iterdir()]
    good = deb(tmp_path, MESOS, VERSION, architecture="amd64")
    assert add(user, next(iter(cases)), good) == 5
    assert user.line(MESOS).origin == BROUGHT, "the others are taken"


def test_other_content_under_the_same_version_is_refused(user: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(user, deb(tmp_path / "files", MESOS, VERSION), saved(tmp_path / "a.tar", image(tmp_path, "registrator", "7.4.0"))) == 0
    before = str(user.locked)
    capsys.readouterr()
    other = saved(tmp_path / "b.tar", image(tmp_path, "registrator", "7.4.0", "x"))
    assert add(user, deb(tmp_path / "files", MESOS, VERSION, word="x"), other) == 5
    said = capsys.readouterr().err
    assert said.count("other content under the same version: locked is sha256:") == 2
    assert str(user.locked) == before


@pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")
def test_what_skopeo_saves_is_read(user: Operator, tmp_path: Path) -> None:
    plain, file = saved(tmp_path / "saved.tar", image(tmp_path, "registrator", "7.4.0")), tmp_path / "files" / "image.tar"
    subprocess.run(["skopeo", "copy", "--quiet", f"docker-archive:{plain}", f"oci-archive:{file}:registrator:7.4.0"], check=True)
    assert (add(user, file), user.pulled()) == (0, 0)
    assert mirror.run_check(Console(), mirror.Check(str(user.site.folder.root))) == 0
