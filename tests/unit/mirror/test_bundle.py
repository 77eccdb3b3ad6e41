"""A bundle: what goes in comes out, and what is damaged, cut or changed is refused by name."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.cli import main
from provisioner.cluster.lock import Lock, System
from provisioner.errors import ProvisionError, StepFailed, UnreachableError, UsageError
from provisioner.mirror import bundle, bundle_load, bundle_start, bundle_tool

CONTENT = {"www/catalogue.json": b"{}\n", "www/apt/pool/one.deb": b"deb" * 3000, "registry/docker/blob": bytes(range(256)) * 20}
Change = Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]
LOCK = Lock((System("debian", "12", "bookworm", "amd64"),))


def make_wheel(folder: Path) -> Path:
    """A wheel of the name of ours, with a program that says its version."""
    path = folder / "provisioner-0.1.0-py3-none-any.whl"
    info = "provisioner-0.1.0.dist-info"
    files = {"provisioner/__init__.py": "def main():\n    print('provision 0.1.0')\n",
             f"{info}/METADATA": "Metadata-Version: 2.1\nName: provisioner\nVersion: 0.1.0\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
             f"{info}/entry_points.txt": "[console_scripts]\nprovision = provisioner:main\n"}
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as to:
        for name, text in files.items():
            to.writestr(name, text)
    return path


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    for name, data in {**CONTENT, "key/secret": b"s", "arriving/half": b"h"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "www/provision.lock").write_text(str(LOCK))
    return folder


@pytest.fixture
def saved(mirror: Path, tmp_path: Path) -> Path:
    """A bundle."""
    file = tmp_path / "b.tar"
    bundle.save(file, mirror, mirror / "www/provision.lock", [make_wheel(tmp_path)], mirror, lambda text: None)
    return file


def load(file: Path, folder: Path) -> None:
    begin = bundle_load.opened(file)
    bundle_load.load(file, folder, begin, lambda text: None)


def refusal(file: Path) -> StepFailed:
    """What is said of a bundle, after which nothing is left."""
    folder = file.parent / "loaded"
    with pytest.raises(StepFailed) as error:
        load(file, folder)
    assert not folder.exists() and not list(file.parent.glob("*loading*")) and error.value.hint
    return error.value


def changed(file: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> Path:
    """A well-formed tar with other members."""
    with tarfile.open(file) as tar:
        rows = [(info, source.read()) for info in tar if (source := tar.extractfile(info))]
    change(rows)
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT) as tar:
        for info, data in rows:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def test_what_was_saved_is_loaded_without_keys_and_halves(saved: Path, tmp_path: Path) -> None:
    load(saved, tmp_path / "loaded")
    for name, data in CONTENT.items():
        assert (tmp_path / "loaded" / name).read_bytes() == data
    assert sorted(path.name for path in (tmp_path / "loaded").iterdir()) == [
        "README.txt", "bundle-signer", "bundle.json", "provision.lock", "registry", "schema.json", "tool", "www"]
    assert "cluster_name" in json.loads((tmp_path / "loaded/schema.json").read_text())


def test_the_manifest_is_first_and_the_same_input_gives_the_same_bytes(saved: Path, mirror: Path, tmp_path: Path) -> None:
    with tarfile.open(saved) as tar:
        names = tar.getnames()
    assert names[:3] == ["manifest.json", "manifest.sig", "start.py"] and names[3:] == sorted(names[3:])
    again = tmp_path / "again.tar"
    bundle.save(again, mirror, mirror / "www/provision.lock", [tmp_path / "provisioner-0.1.0-py3-none-any.whl"], mirror, lambda text: None)
    assert again.read_bytes() == saved.read_bytes()
    assert (mirror / "bundle-key").stat().st_mode & 0o777 == 0o600


def test_a_flipped_byte_is_refused_and_named_wherever_it_is(saved: Path) -> None:
    whole = saved.read_bytes()
    with tarfile.open(saved) as tar:
        places = [(info.name, info.offset_data + info.size // 2) for info in tar] + [("", info.offset + 3) for info in tar]
    for name, place in places:
        saved.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1:])
        where = refusal(saved).where
        assert where == name or not name or name in ("manifest.json", "manifest.sig"), (name, where)


def test_a_cut_file_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    with tarfile.open(saved) as tar:
        places = [at for info in tar for at in (info.offset, info.offset + 100, info.offset_data, info.offset_data + info.size // 2)]
    for place in [*places, len(whole) - 1, len(whole) - 512, len(whole) - 10240]:
        saved.write_bytes(whole[:place])
        assert refusal(saved).where
    saved.write_bytes(whole + b"more")
    assert "after" in refusal(saved).message


def link(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("mirror/www/link")
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize(("name", "change"), [
    ("../../evil", lambda rows: rows.append((tarfile.TarInfo("../../evil"), b"x"))),
    ("/etc/evil", lambda rows: rows.append((tarfile.TarInfo("/etc/evil"), b"x"))),
    ("mirror/www/link", lambda rows: rows.append((link(tarfile.SYMTYPE), b""))),
    ("mirror/www/link", lambda rows: rows.append((link(tarfile.LNKTYPE), b""))),
    ("mirror/www/link", lambda rows: rows.append((link(tarfile.CHRTYPE), b""))),
    ("mirror/www/more", lambda rows: rows.append((tarfile.TarInfo("mirror/www/more"), b"x"))),
    ("mirror/www/apt/pool/one.deb", lambda rows: rows.append(next(row for row in rows if row[0].name.endswith("one.deb")))),
    ("mirror/www/apt/pool/one.deb", lambda rows: rows.remove(next(row for row in rows if row[0].name.endswith("one.deb")))),
    ("manifest.json", lambda rows: rows.pop(0)),
    ("manifest.sig", lambda rows: rows.pop(1)),
], ids=["above", "absolute", "symlink", "hardlink", "device", "more", "twice", "missing", "no manifest", "no signature"])
def test_a_bundle_with_other_members_is_refused(name: str, change: Change, saved: Path) -> None:
    assert refusal(changed(saved, change)).where == name


def test_a_changed_manifest_is_refused_and_so_is_a_newer_one(saved: Path) -> None:
    def other(old: bytes, new: bytes) -> Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]:
        return lambda rows: rows.__setitem__(0, (rows[0][0], rows[0][1].replace(old, new)))

    whole = saved.read_bytes()
    assert refusal(changed(saved, other(b'"0.1.0"', b'"9.1.0"'))).where == "manifest.sig"
    saved.write_bytes(whole)
    assert "format 2" in refusal(changed(saved, other(b'"format": 1', b'"format": 2'))).message


def test_another_signer_is_refused_with_both_named(saved: Path, mirror: Path, tmp_path: Path) -> None:
    begin, folder = bundle_load.opened(saved), tmp_path / "loaded"
    assert not bundle_load.trusted(begin, folder, "") and bundle_load.trusted(begin, folder, begin.fingerprint.upper())
    load(saved, folder)
    assert bundle_load.trusted(begin, folder, "")
    (mirror / "bundle-key").unlink()
    bundle.save(saved, mirror, None, [make_wheel(tmp_path)], mirror, lambda text: None)
    other = bundle_load.opened(saved)
    with pytest.raises(UnreachableError) as error:
        bundle_load.trusted(other, folder, "")
    assert other.fingerprint in str(error.value) and begin.fingerprint in str(error.value)
    assert bundle_load.trusted(other, folder, other.fingerprint)


def test_an_older_mirror_is_replaced_and_an_unrelated_folder_is_not(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "loaded"
    load(saved, folder)
    (folder / "www/old").touch()
    (tmp_path / "loaded.loading/www").mkdir(parents=True)
    load(saved, folder)
    assert not (folder / "www/old").exists() and not list(tmp_path.glob("*loading*"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").touch()
    with pytest.raises(UsageError):
        load(saved, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]


def test_what_is_not_loaded_stays(saved: Path, tmp_path: Path) -> None:
    folder, begin = tmp_path / "loaded", bundle_load.opened(saved)
    load(saved, folder)
    (folder / "key").mkdir()
    (folder / "key/secret").write_text("ours")
    bundle_load.load(saved, folder, begin, lambda text: None, mirror=False)
    bundle_load.load(saved, folder, begin, lambda text: None, tool=False)
    assert (folder / "www/apt/pool/one.deb").is_file() and (folder / "registry").is_dir() and list((folder / "tool").glob("*.whl"))
    assert (folder / "key/secret").read_text() == "ours" and (folder / "key").stat().st_mode & 0o777 == 0o700
    (folder / "bundle-signer").write_text("nonsense")
    with pytest.raises(UsageError):
        bundle_load.trusted(begin, folder, "")


def test_a_mirror_with_a_link_is_not_saved(mirror: Path, tmp_path: Path) -> None:
    (mirror / "www/link").symlink_to("/etc/passwd")
    with pytest.raises(ProvisionError):
        bundle.save(tmp_path / "b.tar", mirror, None, [make_wheel(tmp_path)], mirror, lambda text: None)
    assert not list(tmp_path.glob("b.tar*"))


def test_a_bare_python_makes_the_tool_of_a_bundle_and_refuses_a_damaged_one(saved: Path, tmp_path: Path) -> None:
    with tarfile.open(saved) as tar:
        source = tar.extractfile("start.py")
        assert source
        (tmp_path / "start.py").write_bytes(source.read())
    base = getattr(sys, "_base_executable", sys.executable)
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    command = [base, "-I", "start.py", "b.tar", "venv"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = subprocess.run([tmp_path / "venv/bin/provision"], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == "provision 0.1.0\n"
    assert not list(tmp_path.glob(".wheels-*"))
    saved.write_bytes(saved.read_bytes().replace(b"debdeb", b"debdeB", 1))
    command[-1] = "other"
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "mirror/www/apt/pool/one.deb" in done.stderr and not (tmp_path / "other").exists()


def test_the_verb(mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_wheel(tmp_path)
    file = str(tmp_path / "b.tar")
    assert main(["bundle", "save", file, "--mirror", str(mirror), "--wheels", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert main(["bundle", "show", file, "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["signer"] in said and about["hosts"] == ["debian12/amd64"] and about["misfit"] == ""
    assert main(["bundle", "load", file, str(tmp_path / "loaded"), "--fingerprint", "ab"]) == 4
    assert main(["bundle", "load", file, str(tmp_path / "loaded"), "--mirror-only", "--fingerprint", about["signer"]]) == 0
    assert (tmp_path / "loaded/www").is_dir() and not (tmp_path / "loaded/tool").exists()


def test_what_is_needed_is_pinned_with_its_hashes() -> None:
    text = bundle_tool.pinned((Path(__file__).parents[3] / "requirements.lock").read_text())
    assert "ansible-core==" in text and "pytest==" not in text and text.count("==") == len(bundle_tool.needed())


def test_the_reader_needs_nothing_but_pythons_library() -> None:
    source = Path(bundle_start.__file__).read_text()
    assert "provisioner." not in source and len(hashlib.sha256(source.encode()).hexdigest()) == 64
