"""What the packages of the stand-ins hold, and what a manifest must say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.errors import UsageError
from provisioner_lab.mirror.stand_ins import PYTHON, Layout, read_stand_ins
from samples import STAND_INS

IMAGE = "image: x\ntag: 1-standin\nentrypoint: [/x]\n"


def layouts() -> dict[str, Layout]:
    debs, images = read_stand_ins(STAND_INS)
    return {deb.name: deb.layout for deb in debs} | {image.name: image.layout for image in images}


def described(folder: Path, manifest: str) -> Path:
    """A folder of stand-ins with the one that this manifest describes."""
    packaging = folder / "x_standin" / "packaging"
    packaging.mkdir(parents=True, exist_ok=True)
    (packaging.parent / "__init__.py").touch()
    (packaging / "start").touch(mode=0o755)
    (packaging / "stand_in.yml").write_text(manifest)
    return folder


def test_what_no_registry_carries_has_a_stand_in() -> None:
    debs, images = read_stand_ins(STAND_INS)
    assert {item.name for item in debs} == {"logstash"}
    assert {item.name for item in images} == {"marathon", "chronos", "registrator"}
    assert all("standin" in item.tag for item in images)


def test_every_file_here_is_in_a_package() -> None:
    debs, _ = read_stand_ins(STAND_INS)
    packed = {source for layout in layouts().values() for source in layout.files.values()} | {path for deb in debs for path in deb.control}
    ours = (path for path in STAND_INS.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert {path for path in ours if path.name != "stand_in.yml"} == packed


@pytest.mark.parametrize(("name", "command", "code", "said"), [
    ("logstash", ["/usr/share/logstash/bin/logstash", "--version"], 0, "9.5.6-standin"),
    ("registrator", ["/usr/bin/registrator", "-no-such-flag"], 2, "v7.4.0-standin"),
    ("marathon", ["/marathon/bin/marathon", "--no_such_flag"], 1, "no_such_flag"),
    ("chronos", ["/chronos/bin/start.sh", "--no_such_flag"], 1, "no_such_flag"),
])
def test_each_starts_from_what_its_package_holds(tmp_path: Path, name: str, command: list[str], code: int, said: str) -> None:
    layouts()[name].lay_out(tmp_path)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{PYTHON}", "PORT0": "1", "PORT1": "2", "PYTHONDONTWRITEBYTECODE": "1"}
    program, *arguments = command
    starter = Path(f"{tmp_path}{program}")
    starter.write_text(starter.read_text().replace("/usr/bin/python3", sys.executable))  # which has what the image's Python has
    done = subprocess.run([starter, *arguments], env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert said in done.stdout + done.stderr
    assert done.returncode == code


def test_a_package_is_laid_out_with_its_control_files_and_empty_folders(tmp_path: Path) -> None:
    (deb,), _ = read_stand_ins(STAND_INS)
    deb.lay_out(tmp_path)
    found = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o111 for path in tmp_path.rglob("*") if not path.is_dir()}
    assert found["rootfs/lib/systemd/system/logstash.service"] == 0
    assert found["rootfs/usr/share/logstash/bin/logstash"] == found["DEBIAN/postinst"] == 0o111
    assert f"rootfs{PYTHON}/logstash_standin/schema.json" in found
    assert [path.name for path in (tmp_path / "rootfs" / "var" / "log").iterdir()] == ["logstash"]


def test_a_stand_in_is_made_again_when_anything_in_it_changes(tmp_path: Path) -> None:
    manifest = f"{IMAGE}python: [x_standin]\nfiles: {{/x: start}}\n"
    root = described(tmp_path, manifest)

    def stamp() -> str:
        return read_stand_ins(root)[1][0].stamp

    seen = [stamp(), stamp()]
    (root / "x_standin" / "__init__.py").write_text("x = 1\n")
    seen.append(stamp())
    (root / "x_standin" / "packaging" / "start").chmod(0o644)
    seen.append(stamp())
    described(tmp_path, f"{manifest}folders: [/var/x]\n")
    seen.append(stamp())
    assert seen[0] == seen[1]
    assert len(set(seen)) == 4


@pytest.mark.parametrize(("manifest", "reason"), [
    ("image: x\n", "tag"), ("tag: 1\n", "StopIteration"), ("", "NoneType"), ("[", "expected"),
    (f"{IMAGE}overlays: [y]\n", "unknown: overlays"), (f"{IMAGE}python: [y]\n", "there is no .*y/__init__.py"),
    (f"{IMAGE}files: {{/x: other}}\n", "there is no .*other"), (f"{IMAGE}files: {{x: start}}\n", "x is no absolute path"),
    (f"{IMAGE}folders: [/../x]\n", "no absolute path"), ("package: x\ncontrol: [control]\n", "there is no .*control"),
])
def test_what_is_wrong_in_a_manifest_is_named(tmp_path: Path, manifest: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        read_stand_ins(described(tmp_path, manifest))
    assert caught.value.where == str(tmp_path / "x_standin" / "packaging" / "stand_in.yml")
    assert caught.value.hint
