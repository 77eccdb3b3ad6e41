"""Writes the golden inventory anew: for a change of rendering that is meant. Look at the difference before you commit it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from provisioner.inventory.render import to_yaml
from tests.unit.test_render import GOLDEN, inventory, rendered

with tempfile.TemporaryDirectory() as folder:
    text = inventory(["m1", "m2", "m3"], ["a1", "a2"])
    (GOLDEN / "inventory.yml").write_text(to_yaml(rendered(Path(folder), text)))
