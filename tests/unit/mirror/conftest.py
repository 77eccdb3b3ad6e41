"""What tests of a site's mirror share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.mirror import arrival
from provisioner.mirror.folder import Folder
from tests.unit.mirror.served import serving
from tests.unit.mirror.vendored import Site


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(arrival, "PAUSE_SECONDS", 0.01)
    (tmp_path / "scratch").mkdir()
    with serving(tmp_path / "vendor") as served:
        yield Site(served, Folder(tmp_path / "mirror"), tmp_path / "scratch", [])
