"""Packages built from folders of the tree, whatever permissions the working copy has."""

from __future__ import annotations

import subprocess
from pathlib import Path

from provisioner.mirror import debs

CONTROL = "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: m <m@localhost>\nDescription: d\n"


def test_hosts_users_can_read_what_was_checked_out_with_a_strict_umask(tmp_path: Path) -> None:
    source, inside = tmp_path / "p", tmp_path / "p" / "rootfs" / "usr"
    (source / "DEBIAN").mkdir(parents=True)
    inside.mkdir(parents=True)
    (source / "DEBIAN" / "control").write_text(CONTROL)
    for name, mode in (("module.py", 0o600), ("program", 0o700)):
        (inside / name).write_text("")
        (inside / name).chmod(mode)
    (inside / "link").symlink_to("module.py")
    for folder in (source / "DEBIAN", inside.parent, inside):
        folder.chmod(0o700)
    built = debs.build(source, tmp_path)
    listing = subprocess.run(["dpkg-deb", "--contents", str(built.path)], capture_output=True, text=True, check=True).stdout
    found = {row.split()[5]: row.split()[0] for row in listing.splitlines()}
    assert found == {"./": "drwxr-xr-x", "./usr/": "drwxr-xr-x", "./usr/module.py": "-rw-r--r--", "./usr/program": "-rwxr-xr-x",
                     "./usr/link": "lrwxrwxrwx"}
