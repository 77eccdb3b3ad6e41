"""Files of a role in one exchange: on real files, and beside what Ansible's own modules do with the same wishes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.provisioner.core.plugins.action import files as action
from ansible_collections.provisioner.core.plugins.modules import files

from provisioner.paths import project_dir
from tests.unit.ansible_playbook import ansible_playbook

OWN = {"mode": "0644", "owner": "root", "group": "root"}
SECRET = "hunter2-hunter2"
Capsys = pytest.CaptureFixture[str]
Monkey = pytest.MonkeyPatch
#: Path → mode, owner, and what is in it.
Tree = dict[str, tuple[str, int, bytes | str]]


def text(path: Path, content: str, **more: Any) -> dict[str, Any]:
    return {"path": str(path), "kind": "file", "content": content, **OWN, **more}


def folder(path: Path, mode: str = "0755") -> dict[str, Any]:
    return {"path": str(path), "kind": "directory", **OWN, "mode": mode}


def absent(path: Path) -> dict[str, Any]:
    return {"path": str(path), "kind": "absent", **OWN}


def link(path: Path, target: str) -> dict[str, Any]:
    return {"path": str(path), "kind": "link", "target": target, **OWN}


def ran(capsys: Capsys, *entries: dict[str, Any], check: bool = False) -> dict[str, Any]:
    """What the module says of these entries."""
    payload = json.dumps({"files": entries, "diff_max": 1000})
    with patch_module_args({"payload": payload, "_ansible_check_mode": check, "_ansible_diff": True}), pytest.raises(SystemExit):
        files.main()
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def mode(path: Path) -> str:
    return oct(path.lstat().st_mode)[-4:]


def test_everything_is_made_in_its_order_and_a_second_run_changes_nothing(tmp_path: Path, capsys: Capsys) -> None:
    home, old = tmp_path / "etc", tmp_path / "old"
    old.mkdir()
    (old / "inside").touch()
    wanted = [folder(home, "0700"), folder(home / "conf.d"), text(home / "conf.d/a", "one\n"),
              text(home / "secret", SECRET, mode="0600", secret=True), link(home / "current", "conf.d/a"), absent(old),
              absent(tmp_path / "never")]
    preview = ran(capsys, *wanted, check=True)
    assert preview["changed"] and list(tmp_path.iterdir()) == [old]
    said = ran(capsys, *wanted)
    assert said["paths"] == preview["paths"] == [str(path) for path in (
        home, home / "conf.d", home / "conf.d/a", home / "secret", home / "current", old)]
    assert said["diff"] == preview["diff"] and SECRET not in json.dumps(said)
    assert (mode(home), mode(home / "conf.d"), mode(home / "conf.d/a"), mode(home / "secret")) == ("0700", "0755", "0644", "0600")
    assert (home / "current").read_text() == "one\n" and (home / "secret").read_text() == SECRET and not old.exists()
    again = ran(capsys, *wanted)
    assert (again["changed"], again["paths"]) == (False, []) and "diff" not in again
    assert sorted(path.name for path in home.iterdir()) == ["conf.d", "current", "secret"]


def test_what_drifted_is_put_right_and_named(tmp_path: Path, capsys: Capsys) -> None:
    first, second, third = (tmp_path / name for name in "abc")
    wanted = [text(first, "one\n"), text(second, "two\n"), text(third, "three\n")]
    ran(capsys, *wanted)
    first.write_text("other\n")
    first.chmod(0o600)
    second.chmod(0o666)
    os.chown(third, 1, 1)
    said = ran(capsys, *wanted)
    assert said["paths"] == [str(first), str(second), str(third)]
    headers = {"before_header": f"{first} (mode 0600)", "after_header": f"{first} (mode 0644)"}
    assert said["diff"][0] == {"before": "other\n", "after": "one\n", **headers}
    assert said["diff"][1] == {"before": {"path": str(second), "mode": "0666"}, "after": {"path": str(second), "mode": "0644"}}
    assert said["diff"][2]["before"] == {"path": str(third), "owner": 1, "group": 1}
    assert (mode(first), mode(second), third.stat().st_uid, third.stat().st_gid) == ("0644", "0644", 0, 0)


def test_a_link_is_replaced_or_written_through(tmp_path: Path, capsys: Capsys) -> None:
    target, at = tmp_path / "target", tmp_path / "at"
    target.write_text("old\n")
    at.symlink_to("target")
    assert ran(capsys, text(at, "new\n", follow=True))["changed"]
    assert at.is_symlink() and target.read_text() == "new\n"
    assert ran(capsys, text(at, "new\n"))["changed"] and not at.is_symlink() and ran(capsys, text(at, "new\n"))["changed"] is False
    assert ran(capsys, link(at, "target"))["diff"][0]["after"] == {"path": str(at), "state": "link", "src": "target"}
    assert at.is_symlink() and ran(capsys, link(at, "elsewhere"))["changed"] and str(at.readlink()) == "elsewhere"


def test_what_is_to_stay_keeps_its_content(tmp_path: Path, capsys: Capsys) -> None:
    key = tmp_path / "key"
    assert ran(capsys, text(key, "one", keep=True, mode="0600"))["changed"]
    key.chmod(0o644)
    assert ran(capsys, text(key, "two", keep=True, mode="0600"))["changed"] and (key.read_text(), mode(key)) == ("one", "0600")
    assert ran(capsys, text(key, "three", keep=True, mode="0600"))["changed"] is False


def test_one_entry_that_is_refused_leaves_everything_as_it_was(tmp_path: Path, capsys: Capsys) -> None:
    judge = tmp_path / "judge"
    judge.write_text('#!/bin/sh\necho "line 3 of $1: $(cat $1)" >&2\n! grep -q bad $1\n')
    judge.chmod(0o755)
    first, second = tmp_path / "first", tmp_path / "second"
    wanted = [folder(tmp_path / "made"), text(first, "good\n"), text(second, "bad\n", validate=f"{judge} %s")]
    assert ran(capsys, *wanted, check=True)["changed"]
    said = ran(capsys, *wanted)
    assert said["failed"] and said["msg"] == f"{second}: refused by {judge}, nothing was written: line 3 of {second}: bad"
    assert [path.name for path in tmp_path.iterdir()] == ["judge"]
    said = ran(capsys, text(second, f"bad {SECRET}", validate=f"{judge} %s", secret=True))
    assert "is not shown" in said["msg"] and SECRET not in json.dumps(said)
    assert ran(capsys, text(second, "fine\n", validate=f"{judge} %s"))["changed"]
    judge.unlink()
    assert ran(capsys, text(second, "fine\n", validate=f"{judge} %s"))["changed"] is False, "judged is what is new only"


@pytest.mark.parametrize(("spoilt", "sentence"), [
    ("no parent", "there is no folder"), ("a folder", "it is a folder"), ("a file", "it is not a folder"),
    ("no user", "there is no user 'nobody-here'"),
])
def test_a_path_that_cannot_be_had_is_named_and_nothing_is_written(tmp_path: Path, capsys: Capsys,
                                                                  spoilt: str, sentence: str) -> None:
    at = tmp_path / "at"
    entry = {"no parent": text(at / "below", "x"), "a folder": text(at, "x"), "a file": folder(at),
             "no user": text(at, "x", owner="nobody-here")}[spoilt]
    if spoilt == "a folder":
        at.mkdir()
    elif spoilt == "a file":
        at.touch()
    said = ran(capsys, text(tmp_path / "first", "x"), entry)
    assert said["failed"] and said["msg"].startswith(f"{entry['path']}: {sentence}")
    assert not (tmp_path / "first").exists()
    if spoilt in ("no parent", "no user"):  # a task before this one would have made it
        assert ran(capsys, entry, check=True)["changed"] is True


def test_a_disk_that_is_full_leaves_every_file_as_it_was(tmp_path: Path, capsys: Capsys, monkeypatch: Monkey) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("old")
    synced = []

    def full(handle: int) -> None:
        synced.append(handle)
        if len(synced) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    said = ran(capsys, text(first, "new"), text(second, "new"))
    assert said["msg"] == f"{second}: No space left on device; no file was changed"
    assert first.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["first"]


def test_a_file_that_is_mounted_is_written_in_its_place_where_that_is_allowed(tmp_path: Path, capsys: Capsys,
                                                                              monkeypatch: Monkey) -> None:
    mounted = tmp_path / "hosts"
    mounted.write_text("old")
    number = mounted.stat().st_ino

    def busy(old: Path, new: Path) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(Path, "replace", busy)
    assert ran(capsys, text(mounted, "new"))["msg"] == f"{mounted}: Device or resource busy; no file was changed"
    assert ran(capsys, text(mounted, "new", unsafe_writes=True))["changed"]
    assert (mounted.read_text(), mounted.stat().st_ino, len(list(tmp_path.iterdir()))) == ("new", number, 1)


def test_what_is_no_text_or_too_long_is_said_to_differ(tmp_path: Path, capsys: Capsys) -> None:
    at = tmp_path / "at"
    at.write_bytes(b"\0\1")
    said = ran(capsys, text(at, "x" * 1001))["diff"][0]
    assert said == {"before_header": str(at), "after_header": str(at), "dst_binary": 1, "src_larger": 1000}


#: What both are asked for, with {to} for where; `ours` in one list, `theirs` one by one.
TEMPLATE = r"""{# a comment #}
{% if name %}
    name={{ name }} \n {{ template_path | basename }} {{ template_destpath | basename }}
{% endif %}
{% include 'part.j2' %}

"""


def playbook(at: Path, ours: bool) -> dict[str, Any]:
    to = at / ("ours" if ours else "theirs")
    own = {"owner": "root", "group": "root"}
    if ours:
        tasks: list[dict[str, Any]] = [{"name": "All", "provisioner.core.files": {"files": [
            {"path": f"{to}/d", "state": "directory", "mode": "0750"},
            {"path": f"{to}/d/plain", "content": "{{ name }}\n", "mode": "0640"},
            {"path": f"{to}/d/rendered", "template": "t.j2"},
            {"path": f"{to}/d/link", "link": "plain"},
            {"path": f"{to}/gone", "state": "absent"},
            {"path": f"{to}/d/number", "content": "{{ number }}\n"},
            [{"path": f"{to}/d/umlaut", "content": "Grüße ☃\n"}, {"path": f"{to}/d/empty", "content": ""}],
            {"path": f"{to}/d/never", "content": "{{ there_is_no_such_variable }}", "wanted": "{{ name == 'other' }}"},
            {"path": f"{to}/gone too", "content": "{{ there_is_no_such_variable }}", "present": "{{ name == 'other' }}"},
            {"path": f"{to}/d/secret", "content": "{{ password }}", "secret": True, "notify": []},
        ]}, "notify": "Restart"}]
    else:
        tasks = [
            {"ansible.builtin.file": {"path": f"{to}/d", "state": "directory", "mode": "0750", **own}},
            {"ansible.builtin.copy": {"dest": f"{to}/d/plain", "content": "{{ name }}\n", "mode": "0640", **own}},
            {"ansible.builtin.template": {"dest": f"{to}/d/rendered", "src": "t.j2", "mode": "0644", **own}},
            {"ansible.builtin.file": {"path": f"{to}/d/link", "src": "plain", "state": "link", **own}},
            {"ansible.builtin.file": {"path": f"{to}/gone", "state": "absent"}},
            {"ansible.builtin.file": {"path": f"{to}/gone too", "state": "absent"}},
            {"ansible.builtin.copy": {"dest": f"{to}/d/number", "content": "{{ number }}\n", "mode": "0644", **own}},
            {"ansible.builtin.copy": {"dest": f"{to}/d/umlaut", "content": "Grüße ☃\n", "mode": "0644", **own}},
            {"ansible.builtin.copy": {"dest": f"{to}/d/empty", "content": "", "mode": "0644", **own}},
            {"ansible.builtin.copy": {"dest": f"{to}/d/secret", "content": "{{ password }}", "mode": "0600", **own}, "no_log": True},
        ]
    handlers = [{"name": "Restart", "ansible.builtin.debug": {"msg": "restarted"}}]
    variables = {"name": "a\\b", "password": SECRET, "number": 7}
    return {"name": "Write", "hosts": "m1", "gather_facts": False, "vars": variables, "tasks": tasks, "handlers": handlers}


def played(at: Path, plays: list[dict[str, Any]], *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    (at / "play.yml").write_text(yaml.safe_dump(plays))
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (at / "inventory.json").write_text(json.dumps({"all": {"hosts": {"m1": host}}}))
    if not environment:
        return ansible_playbook("-i", at / "inventory.json", at / "play.yml", *arguments, log=at / "ansible.log")
    program = Path(sys.executable).with_name("ansible-playbook")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHON"))}
    done = subprocess.run([program, "-i", at / "inventory.json", at / "play.yml", *arguments], cwd=project_dir(), capture_output=True,
                          text=True, check=False, env={**clean, **environment})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def prepared(folder: Path, name: str) -> Path:
    """A folder with the templates, and what is to go."""
    (folder / "templates").mkdir()
    (folder / "templates/t.j2").write_text(TEMPLATE)
    (folder / "templates/part.j2").write_text("part of {{ inventory_hostname }}")
    (folder / name).mkdir()
    (folder / name / "gone").touch()
    (folder / name / "gone too").touch()
    return folder


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return prepared(tmp_path, "ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tree, str]:
    """What Ansible's own modules make, and what they say of it; once, as each is a process."""
    folder = prepared(tmp_path_factory.mktemp("theirs"), "theirs")
    said = played(folder, [playbook(folder, ours=False)], "--diff")
    return tree(folder / "theirs"), said.replace(str(folder / "theirs"), "{to}")


def tree(top: Path) -> Tree:
    return {str(path.relative_to(top)): (mode(path), path.lstat().st_uid, str(path.readlink()) if path.is_symlink() else
                                         path.read_bytes() if path.is_file() else "") for path in sorted(top.rglob("*"))}


def changes(said: str) -> list[str]:
    """The lines of a diff that add or take away."""
    return [line for line in said.splitlines() if line[:1] in ("+", "-") and line[:3] not in ("+++", "---")]


def test_bytes_modes_and_diff_are_those_of_ansibles_own_modules(at: Path, theirs: tuple[Tree, str]) -> None:
    preview = played(at, [playbook(at, ours=True)], "--check", "--diff")
    assert sorted(path.name for path in (at / "ours").iterdir()) == ["gone", "gone too"]
    ours = played(at, [playbook(at, ours=True)], "--diff", "-vvv")
    assert tree(at / "ours") == theirs[0]
    said = changes(theirs[1].replace("{to}", str(at / "ours")))
    assert [line for line in said if line not in changes(ours) and "mode" not in line and "hidden" not in line] == []
    assert changes(preview) == changes(ours)
    assert SECRET not in ours + preview and "secret: true" in ours
    assert "restarted" in ours and "changed=0" in played(at, [playbook(at, ours=True)])


def test_only_what_notifies_does(at: Path) -> None:
    play = playbook(at, ours=True)
    played(at, [play])
    (at / "ours/d/secret").write_text("other")
    assert "restarted" not in played(at, [play])
    (at / "ours/d/plain").unlink()
    assert "restarted" in played(at, [play])


def test_by_mitogen_it_is_the_same(at: Path, theirs: tuple[Tree, str]) -> None:
    plugins = Path(pytest.importorskip("ansible_mitogen").__file__).parent / "plugins/strategy"
    environment = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}
    assert "restarted" in played(at, [playbook(at, ours=True)], environment=environment)
    assert tree(at / "ours") == theirs[0]
    (at / "ours/d/secret").write_text("other")
    said = played(at, [playbook(at, ours=True)], environment=environment)
    assert "changed=1" in said and "restarted" not in said


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"content": "x", "link": "y"}, "/x: give one of content, template, link, state, not content and link"),
    ({"content": "x", "mod": "0644"}, "/x: no such key: mod"),
    ({"content": "x", "mode": 420}, "/x: mode must be a quoted octal number"),
    ({"content": ["x"]}, "/x: its content must be text, not of type list"),
    ({"state": "directory", "secret": True}, "/x: secret is for files only"),
    ({"template": "none.j2"}, "Could not find or access 'none.j2'"),
    ({"content": "{{ password | from_json }}", "secret": True},
     "/x: its content can't be rendered: AnsibleTemplatePluginRuntimeError; more is not shown"),
    ({"content": "{{ passwort }}", "secret": True}, "/x: its content can't be rendered: 'passwort' is undefined"),
    ({"template": "secret.j2", "secret": True}, "/x: its content can't be rendered: AnsibleTemplatePluginRuntimeError; more is not shown"),
    ({"content": "x", "wanted": "sometimes"}, "/x: wanted must be true or false, not 'sometimes'"),
]


def test_a_wrong_entry_is_named_and_no_error_tells_a_secret(at: Path) -> None:
    (at / "templates/secret.j2").write_text("{{ password | from_json }}")
    tasks = [{"provisioner.core.files": {"files": [{"path": "/x", **entry}]}, "ignore_errors": True} for entry, _ in WRONG]
    said = played(at, [{**playbook(at, ours=True), "tasks": tasks}], "-vvv")
    words = " ".join(said.split())
    assert [sentence for _, sentence in WRONG if sentence not in words] == [] and SECRET not in said
    assert f"ignored={len(WRONG)}" in words


def test_a_folder_that_is_only_to_be_there_may_be_another_entrys(tmp_path: Path) -> None:
    """As of folders above one's data, when that is chosen to lie in another folder of the role."""
    above = [{**folder(tmp_path / name), "keep": True} for name in ("a", "a/b", "a")]
    own = folder(tmp_path / "a", "0750")
    assert action.folders_once([*above, folder(tmp_path / "a/b/c"), own]) == [own, above[1], folder(tmp_path / "a/b/c")]
    assert action.folders_once([own, own]) == [own]
