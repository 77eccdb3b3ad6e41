"""What a removal deletes, and what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.modules import own_files

from tests.unit.collection.test_modules_that_change import ran


def test_ours_goes_and_what_others_have_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "docker"
    (folder / "certs.d").mkdir(parents=True)
    for name in ("daemon.json", "theirs.json"):
        (folder / name).write_text(name)
    (tmp_path / "1.2").mkdir()
    (tmp_path / "link").symlink_to("/nowhere")
    asked: dict[str, Any] = {"paths": [f"{folder}/daemon.json", f"{tmp_path}/[0-9]*", f"{tmp_path}/link", f"{tmp_path}/none"],
             "folders": [f"{folder}/certs.d", str(folder), f"{tmp_path}/none"]}
    previewed = ran(own_files.main, capsys, check=True, **asked)
    assert (folder / "daemon.json").is_file() and (tmp_path / "1.2").is_dir()
    done = ran(own_files.main, capsys, **asked)
    assert done["deleted"] == previewed["deleted"] == [str(folder / "daemon.json"), str(tmp_path / "1.2"), str(tmp_path / "link"),
                                                        str(folder / "certs.d")]
    assert done["left"] == [str(folder / "theirs.json")] and done["changed"] is True
    assert [path.name for path in tmp_path.rglob("*")] == ["docker", "theirs.json"]
    assert ran(own_files.main, capsys, **asked)["changed"] is False
    (folder / "theirs.json").unlink()
    assert ran(own_files.main, capsys, **asked)["deleted"] == [str(folder)]
