"""Which packages role `zookeeper` asks for, by the catalogue and by what is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from provisioner.paths import roles_dir
from tests.unit.collection.test_files import played

LIBRARY = {"zookeeper_packages": {"Debian": ["libzookeeper-java", "default-jre-headless"]}}
#: Whether Debian's whole package is there, further role variables; what is installed, and what is held.
CASES: list[tuple[bool, dict[str, Any], list[str], list[str]]] = [
    (False, LIBRARY, ["libzookeeper-java=3.8.0[-+~]*", "default-jre-headless"], ["libzookeeper-java"]),
    (False, {**LIBRARY, "zookeeper_version": ""}, ["libzookeeper-java", "default-jre-headless"], ["libzookeeper-java"]),
    (True, LIBRARY, ["libzookeeper-java=3.8.0[-+~]*", "default-jre-headless", "zookeeper=3.8.0[-+~]*"], ["libzookeeper-java", "zookeeper"]),
    (False, {"zookeeper_version": "3.8.0-11+deb12u2"}, ["zookeeper=3.8.0-11+deb12u2"], ["zookeeper"]),
    (True, {"zookeeper_source": "archive", "zookeeper_packages": {"Debian": ["openjdk-17-jre-headless"]}}, ["openjdk-17-jre-headless"], []),
]
USUAL = {"zookeeper_source": "package", "zookeeper_version": "3.8.0", "zookeeper_packages": {"Debian": ["zookeeper"]}}


def test_zookeeper_is_pinned_and_held_and_java_is_not(tmp_path: Path) -> None:
    """A whole package that is there goes along with its library: below it that can't be upgraded."""
    written = "{{ {'install': __zookeeper_apt_names, 'held': __zookeeper_held} | to_json }}"
    plays = []
    for number, (whole, more, _, _) in enumerate(CASES):
        task = {"ansible.builtin.copy": {"content": written, "dest": str(tmp_path / f"{number}.json"), "mode": "0600"}}
        plays.append({"name": "Say", "hosts": "m1", "gather_facts": False, "tasks": [task],
                      "vars": {**USUAL, **more, "__zookeeper_now": {"whole": whole}},
                      "vars_files": [str(roles_dir() / "zookeeper/vars/main.yml")]})
    played(tmp_path, plays)
    found = [json.loads((tmp_path / f"{number}.json").read_text()) for number in range(len(CASES))]
    assert found == [{"install": install, "held": held} for *_, install, held in CASES]
