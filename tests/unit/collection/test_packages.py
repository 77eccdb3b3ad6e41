"""Packages by the host's own manager: what Ansible's module is asked, and how packages are held."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.collection.test_files import played

#: In the place of Ansible's own modules: writes down what it was asked.
RECORDER = """#!/usr/bin/python
import json, sys
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={{k: {{"type": "raw"}} for k in {keys!r}}}, supports_check_mode=True)
asked = {{k: v for k, v in module.params.items() if v is not None}}
with open({out!r}, "a") as stream:
    stream.write(json.dumps(asked) + "\\n")
module.exit_json(changed=True)
"""
KEYS = ["name", "state", "lock_timeout", "install_recommends", "policy_rc_d", "update_cache", "cache_valid_time",
        "allow_change_held_packages", "dpkg_options", "install_weak_deps", "disable_plugin"]
#: Keeps what is held in a file.
APT_MARK = """#!/bin/sh
cd {folder}; verb=$1; shift
[ $verb != showhold ] || {{ cat held; exit; }}
for name; do echo $name >>held; echo "$name set on hold."; done
"""
DNF = """#!/bin/sh
cd {folder}; [ "$1 $2" = "-q versionlock" ] || exit 9; verb=$3; shift 3
[ $verb != list ] || {{ cat locked; exit; }}
[ $verb != delete ] || {{ sed -i "/^$1-[0-9]/d" locked; echo "Deleting versionlock for: $1"; exit; }}
for name; do echo "$name-0:1.2-1.el9.*" >>locked; echo "Adding versionlock on: $name"; done
"""


@pytest.fixture
def at(tmp_path: Path) -> Path:
    (tmp_path / "library").mkdir()
    for name in ("apt", "dnf"):
        (tmp_path / "library" / f"{name}.py").write_text(RECORDER.format(keys=KEYS, out=str(tmp_path / "asked")))
    for name, text in (("apt-mark", APT_MARK), ("dnf", DNF), ("rpm", "#!/bin/sh\necho 1.2-1.el9\n")):
        (tmp_path / name).write_text(text.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    (tmp_path / "held").touch()
    (tmp_path / "locked").write_text("consul-extra-0:1-1.*\nconsul-0:1.1-1.el9.*\n")
    return tmp_path


def asked(at: Path, family: str, *wishes: dict[str, Any], check: bool = False) -> tuple[list[dict[str, Any]], str]:
    """What Ansible's module was asked for each wish, and what was printed."""
    facts = {"os_family": family, "pkg_mgr": {"Debian": "apt", "RedHat": "dnf"}.get(family, "x"), "cacheable": True}
    tasks = [{"ansible.builtin.set_fact": facts}, *({"provisioner.core.packages": wish} for wish in wishes)]
    play = {"name": "Install", "hosts": "m1", "gather_facts": False, "tasks": tasks, "environment": {"PATH": f"{at}:/usr/bin:/bin"}}
    said = played(at, [play], *(["--check"] if check else []))
    lines = (at / "asked").read_text().splitlines()
    (at / "asked").unlink()
    return [json.loads(line) for line in lines], said


ENGINE = {"apt": ["engine=1.2*", "cli"], "dnf": ["engine-1.2"], "hold": ["engine", "cli"], "refresh": True}


def test_on_debian_nothing_is_started_and_what_is_to_be_held_is(at: Path) -> None:
    found, said = asked(at, "Debian", ENGINE, {"apt": ["one"], "dpkg_options": "force-confmiss"}, {"apt": [], "dnf": ["only-there"]},
                        {"apt": ["engine"], "state": "absent"})
    usual = {"state": "present", "lock_timeout": 600, "install_recommends": False, "policy_rc_d": 101}
    assert found == [
        {"name": ENGINE["apt"], **usual, "update_cache": True, "cache_valid_time": 60, "allow_change_held_packages": True},
        {"name": ["one"], **usual, "dpkg_options": "force-confmiss"},
        {"name": ["engine"], "state": "absent", "lock_timeout": 600, "allow_change_held_packages": True},
    ]
    assert (at / "held").read_text().split() == ["engine", "cli"] and "changed=3" in said
    asked(at, "Debian", ENGINE)
    assert (at / "held").read_text().split() == ["engine", "cli"], "held once"


def test_on_redhat_the_lock_is_set_aside_for_us_and_names_are_whole(at: Path) -> None:
    locks = {"dnf": ["consul"], "hold": ["consul"]}
    found, _ = asked(at, "RedHat", locks, locks, {"dnf": ["one"], "apt": ["other"]})
    usual = {"state": "present", "lock_timeout": 600, "install_weak_deps": False}
    assert found == [{"name": ["consul"], **usual, "disable_plugin": ["versionlock"]}] * 2 + [{"name": ["one"], **usual}]
    left = (at / "locked").read_text().splitlines()
    assert left == ["consul-extra-0:1-1.*", "consul-0:1.2-1.el9.*"], "an older lock would hold what is no longer there"


def test_a_preview_fetches_no_lists_and_holds_nothing(at: Path) -> None:
    found, _ = asked(at, "Debian", ENGINE, check=True)
    assert found[0]["update_cache"] is False and (at / "held").read_text() == ""
