"""Packages by the host's own manager: what Ansible's module is asked, and how packages are held."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.collection.test_files import played

#: In the place of Ansible's own modules: writes down what it was asked, and as apt does holds no longer what it changed. Where, it learns
#: from PATH: Ansible keeps what it has packed of a module, and is loaded once for many tests.
RECORDER = """#!/usr/bin/python
import json, os, sys
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={{k: {{"type": "raw"}} for k in {keys!r}}}, supports_check_mode=True)
folder = os.environ["PATH"].partition(":")[0]
asked = {{k: v for k, v in module.params.items() if v is not None}}
with open(folder + "/asked", "a") as stream:
    stream.write(json.dumps(asked) + "\\n")
held = open(folder + "/held").read().split()
changed = [name.split("=")[0] for name in asked["name"]] if asked["state"] == "present" and not module.check_mode else []
with open(folder + "/held", "w") as stream:
    stream.writelines(name + "\\n" for name in held if name not in changed)
module.exit_json(changed=True)
"""
KEYS = ["name", "state", "lock_timeout", "install_recommends", "policy_rc_d", "update_cache", "cache_valid_time",
        "allow_change_held_packages", "dpkg_options", "install_weak_deps", "disable_plugin"]
#: Keeps what is held in a file, and what came along with others.
APT_MARK = """#!/bin/sh
cd {folder}; verb=$1; shift
[ $verb != showhold ] || {{ cat held; exit; }}
[ $verb != showauto ] || {{ cat automatic; exit; }}
if [ -s busy ]; then sed -i 1d busy; echo "dpkg: error: dpkg frontend lock was locked by another process" >&2; exit 100; fi
[ ! -e broken ] || {{ echo "E: the disk is full" >&2; exit 100; }}
for name; do echo $name >>held; echo "$name set on hold."; done
"""
#: As dpkg has them: name, version and state. apt knows these, and of the engine a version more.
DPKG_QUERY = """#!/bin/sh
cd {folder}; shift 3
for asked; do while read name version state; do
  want=install; ! grep -qx "$name" held || want=hold
  [ "$name" != "$asked" ] || echo "dpkg $name $want ${{state:-installed}} $version"
done <there; done; exit 1
"""
APT_CACHE = """#!/bin/sh
cd {folder}; shift
for asked; do while read name versions; do
  [ "$name" != "$asked" ] || {{ set -- $versions; printf '%s:\\n  Installed: x\\n  Candidate: %s\\n  Version table:\\n' $name "$1"
  for version; do printf '     %s 500\\n        500 http://mirror/apt main/x Packages\\n' "$version"; done; }}
done <offered; done
"""
RPM = """#!/bin/sh
cd {folder}; shift
[ "$1" != --qf ] || {{ echo 1.2-1.el9; exit; }}
for name; do grep -qx -e "$name" there || exit 1; done
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
        (tmp_path / "library" / f"{name}.py").write_text(RECORDER.format(keys=KEYS))
    for name, text in (("apt-mark", APT_MARK), ("dpkg-query", DPKG_QUERY), ("apt-cache", APT_CACHE), ("dnf", DNF),
                       ("rpm", RPM)):
        (tmp_path / name).write_text(text.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    for name in ("held", "automatic", "there", "offered", "asked"):
        (tmp_path / name).touch()
    (tmp_path / "locked").write_text("consul-extra-0:1-1.*\nconsul-0:1.1-1.el9.*\n")
    return tmp_path


def asked(at: Path, family: str, *wishes: dict[str, Any], check: bool = False) -> tuple[list[dict[str, Any]], str]:
    """What Ansible's module was asked for each wish, and what was printed."""
    facts = {"os_family": family, "pkg_mgr": {"Debian": "apt", "RedHat": "dnf"}.get(family, "x"), "cacheable": True}
    tasks = [{"ansible.builtin.set_fact": facts}, *({"provisioner.core.packages": wish} for wish in wishes)]
    play = {"name": "Install", "hosts": "m1", "gather_facts": False, "tasks": tasks, "environment": {"PATH": f"{at}:/usr/bin:/bin"}}
    said = played(at, [play], *(["--check"] if check else []))
    lines = (at / "asked").read_text().splitlines()
    (at / "asked").write_text("")
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


def has(at: Path, there: str = "engine 1.2-1\ncli 7\n", held: str = "engine\ncli\n", automatic: str = "",
        offered: str = "engine 1.2-1 1.1-1\ncli 8 7\n") -> None:
    for name, text in (("there", there), ("held", held), ("automatic", automatic), ("offered", offered)):
        (at / name).write_text(text)


def test_what_is_there_and_held_costs_one_look(at: Path) -> None:
    has(at)
    assert asked(at, "Debian", ENGINE, {"apt": ["cli"]})[0] == []
    assert asked(at, "Debian", ENGINE, check=True)[0] == []
    assert len(asked(at, "Debian", {**ENGINE, "state": "absent"})[0]) == 1
    has(at, held="cli\n")
    found, said = asked(at, "Debian", ENGINE)
    assert (found, (at / "held").read_text().split()) == ([], ["cli", "engine"])
    assert "changed=1" in said


def test_on_redhat_it_is_one_question_too_but_not_of_locks_or_of_what_may_be_newer(at: Path) -> None:
    has(at, there="engine-1.2\ncli\n")
    wish: dict[str, Any] = {"dnf": ["engine-1.2", "cli"], "hold": ["cli"]}
    assert asked(at, "RedHat", wish)[0] == []
    assert "cli-0:1.2-1.el9.*" in (at / "locked").read_text().splitlines()
    several: list[dict[str, Any]] = [{"dnf": ["engine-1.3", "cli"]}, {"dnf": ["engine-1*"]}, {"dnf": ["@tools"]},
                                     {**wish, "state": "absent"}]
    assert [one["name"] for one in asked(at, "RedHat", *several)[0]] == [one["dnf"] for one in several]


@pytest.mark.parametrize("other", [
    {"there": "engine 1.2-1\n"}, {"there": "engine 1.1-1\ncli 7\n"}, {"there": "engine 1.2-1 half-configured\ncli 7\n"},
    {"there": "engine 1.2-1\nengine 1.1-1\ncli 7\n"}, {"automatic": "cli\n"}, {"automatic": "cli:amd64\n"},
    {"offered": "engine 1.2-2 1.2-1\ncli 7\n"}, {"offered": ""},
])
def test_where_anything_is_else_the_module_looks(at: Path, other: dict[str, str]) -> None:
    """Also for a newer revision of the version that is wanted, and for what apt would take away with what it came along with."""
    has(at, **other)
    assert [one["name"] for one in asked(at, "Debian", ENGINE)[0]] == [ENGINE["apt"]]
    assert (at / "held").read_text().split() == ["engine", "cli"]


def test_what_a_lock_names_is_wanted_in_just_that_version(at: Path) -> None:
    locked = {**ENGINE, "locked": {"engine": "1.1-1", "cli": "7", "other": "3"}}
    has(at, there="engine 1.1-1\ncli 7\n")
    assert asked(at, "Debian", locked)[0] == [], "although there is a newer one"
    assert asked(at, "Debian", ENGINE)[0][0]["name"] == ["engine=1.2*", "cli"]
    has(at)
    assert asked(at, "Debian", locked)[0][0]["name"] == ["engine=1.1-1", "cli=7"]
    assert asked(at, "RedHat", {**locked, "hold": []})[0][0]["name"] == ["engine-1.2"]


@pytest.mark.parametrize("names", [["engine=1.2*", "cli>=6"], ["engine=1.2*", "cli*"], ["engine=1.2*", "cli; reboot"]])
def test_what_is_no_plain_name_the_module_looks_at(at: Path, names: list[str]) -> None:
    has(at)
    assert len(asked(at, "Debian", {"apt": names})[0]) == 1


@pytest.mark.parametrize(("offered", "seconds"), [("engine 1.3-1 1.2-1\ncli 7\n", 3600), ("engine 1.3-1\ncli 7\n", 60), ("cli 7\n", 60)])
def test_lists_that_have_what_is_wanted_are_good_for_an_hour(at: Path, offered: str, seconds: int) -> None:
    has(at, there="", offered=offered)
    assert [one["cache_valid_time"] for one in asked(at, "Debian", ENGINE)[0]] == [seconds]


def test_to_hold_it_waits_for_others_who_install_and_for_nothing_else(at: Path) -> None:
    has(at, held="")
    (at / "busy").write_text("1\n2\n")
    assert asked(at, "Debian", ENGINE)[0] == []
    assert ((at / "held").read_text().split(), (at / "busy").read_text()) == (["engine", "cli"], "")
    has(at, held="")
    (at / "broken").touch()
    with pytest.raises(AssertionError, match="can't be kept from touching it: E: the disk is full"):
        asked(at, "Debian", ENGINE)
