"""Data on another disk: units, settings, what is looked at and what is deleted follow the variable."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.provisioner.core.plugins.filter.service import moved_problems
from ansible_collections.provisioner.core.plugins.module_utils.host import left_behind, missing_above
from ansible_collections.provisioner.core.plugins.modules import consul_info, erase, logstash_info, zookeeper_info

from provisioner.components import component
from provisioner.inventory.load import load
from provisioner.inventory.schema import load_schema
from provisioner.inventory.witness import witness
from provisioner.paths import roles_dir
from tests.unit.collection.test_plain_ansible import plain
from tests.unit.test_render import inventory, rendered

#: By role: what to render, its variable, and a word of what is said of the data.
RENDERED = {
    "zookeeper": ({"unit": "zookeeper.service.j2", "settings": "zoo.cfg.j2"}, "zookeeper_data_dir"),
    "consul": ({"unit": "consul.service.j2", "settings": "__consul_config"}, "consul_data_dir"),
    "mesos": ({"unit": "mesos.service.j2", "settings": "__mesos_work_dir"}, "mesos_work_dir"),
    "docker": ({"settings": "__docker_daemon"}, "docker_data_root"),
    "logstash": ({"unit": "logstash.service.j2", "settings": "__logstash_settings"}, "logstash_data_dir"),
}


def playbook(folder: Path, role: str) -> Path:
    """One that writes down what the role makes of its default folder and of another."""
    texts, variable = RENDERED[role]
    (folder / "templates").mkdir(parents=True)
    for template in (roles_dir() / role / "templates").glob("*"):
        (folder / "templates" / template.name).write_text(template.read_text())
    said = {f"{name}-{'other' if where else 'default'}": (text, where) for name, text in texts.items() for where in ("", f"/data/{role}")}
    tasks: list[dict[str, Any]] = [{"name": "Say", "vars": {variable: where} if where else {}, "ansible.builtin.set_fact": {
        f"said_{number}": f"{{{{ lookup('template', '{text}') }}}}" if text.endswith(".j2") else f"{{{{ {text} | to_json }}}}"}}
        for number, (text, where) in enumerate(said.values())]
    written = ", ".join(f"'{name}': said_{number}" for number, name in enumerate(said))
    # One copy: each is a process of its own.
    tasks.append({"name": "Write", "ansible.builtin.copy": {
        "content": f"{{{{ {{{written}}} | to_json }}}}", "dest": str(folder / "said.json"), "mode": "0600"}})
    play = {"name": "Render", "hosts": "m1", "gather_facts": False, "tasks": tasks,
            "vars_files": [str(roles_dir() / role / part / "main.yml") for part in ("defaults", "vars")]}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    return folder / "play.yml"


def test_units_and_settings_follow_the_variable_and_are_as_before_without_it(tmp_path: Path) -> None:
    plain(tmp_path, *(playbook(tmp_path / role, role) for role in RENDERED), component_name="mesos_agent")
    said = {role: json.loads((tmp_path / role / "said.json").read_text()) for role in RENDERED}
    for role, (texts, variable) in RENDERED.items():
        usual = str(load_schema().variables[variable].default)
        for name in texts:
            before, after = said[role][f"{name}-default"], said[role][f"{name}-other"]
            assert f"/data/{role}" in after and f"/data/{role}" not in before, (role, name)
            assert usual not in after, (role, name)
            if name == "unit":
                assert f"RequiresMountsFor=/data/{role}" in after and "RequiresMountsFor" not in before
    assert "StateDirectory=consul" in said["consul"]["unit-default"]
    assert "StateDirectory" not in said["consul"]["unit-other"]
    assert "data-root" not in said["docker"]["settings-default"]


def test_no_role_names_the_usual_folder_but_as_a_default() -> None:
    folders = {str(v.default) for v in load_schema().variables.values() if v.limit.get("format") == "data_folder" and v.default}
    assert len(folders) == 5
    for role in RENDERED:
        for path in (roles_dir() / role).rglob("*"):
            if path.suffix in (".yml", ".j2", ".sh") and path.name != "argument_specs.yml" and path.parent.name != "defaults":
                odd = [line for line in path.read_text().splitlines() if any(f in line for f in folders)
                       and "!= '" not in line and "== '" not in line and "home: " not in line]
                assert odd == [], path


def test_the_probe_and_the_witness_look_where_the_data_is(tmp_path: Path) -> None:
    def of(**variables: str) -> tuple[dict[str, Any], dict[str, Any]]:
        found = rendered(tmp_path, inventory(["m1"], ["a1"], **variables))["all"]
        own = {**load_schema().all_defaults(), **found["vars"], **found["hosts"]["m1"]}
        return own["zookeeper_probe"], dict(witness(component("zookeeper"), own))

    probe, seen = of()
    assert "log" not in probe and "/var/lib/zookeeper/myid" in seen["units"]["zookeeper"]
    probe, seen = of(zookeeper_data_dir="/data/zk")
    assert probe["log"] == "/data/zk" and "/data/zk/myid" in seen["units"]["zookeeper"] and "/data/zk" in seen["files"]
    probe, _ = of(zookeeper_data_dir="/data/zk", zookeeper_log_dir="/fast/zk")
    assert probe["log"] == "/fast/zk"


def test_data_that_is_where_it_was_told_to_be_before_is_not_left_behind(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "raft").mkdir(parents=True)
    assert left_behind("", str(new)) == [] == left_behind(str(old), str(old))
    (left,) = left_behind(str(old), str(new))
    assert left == {"from": f"{old}/*", "to": str(new)}
    (said,) = moved_problems({"left": [left]}, "consul", "consul_data_dir")
    assert f"cp -a {old}/* {new}/" in said and "set consul_data_dir as it was" in said
    (new / "raft").mkdir(parents=True)
    assert left_behind(str(old), str(new)) == []


def test_zookeepers_logs_move_on_their_own(tmp_path: Path) -> None:
    one, fast = tmp_path / "one", tmp_path / "fast"
    (one / "version-2").mkdir(parents=True)
    (one / "version-2/log.1").write_text("")
    settings = f"tickTime=2000\ndataDir={one}\n"
    assert zookeeper_info.left(settings, str(one), "") == [] == zookeeper_info.left("", str(fast), "")
    assert zookeeper_info.left(settings, str(one), str(fast)) == [{"from": f"{one}/version-2/log.*", "to": f"{fast}/version-2"}]
    assert zookeeper_info.left(settings, str(fast), "")[0]["from"] == f"{one}/version-2"
    assert zookeeper_info.left(f"{settings}dataLogDir={fast}\n", str(one), str(fast)) == []


def test_where_settings_say_that_the_data_is(tmp_path: Path) -> None:
    settings = tmp_path / "consul.json"
    for text, folder in (('{"data_dir": "/data/consul"}', "/data/consul"), ("{", ""), ("[]", ""), ("", "")):
        settings.write_text(text)
        assert consul_info.stored(settings) == folder
    assert logstash_info.stored("# x\npath.data: /data/ls\npath.logs: /l\n") == "/data/ls"


def test_what_is_above_a_folder_is_made_for_all(tmp_path: Path) -> None:
    assert missing_above(str(tmp_path / "a")) == []
    assert missing_above(str(tmp_path / "a/b/c"), str(tmp_path / "a/d")) == [str(tmp_path / "a"), str(tmp_path / "a/b")]


def test_erasing_keeps_what_is_no_plain_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def filled(folder: Path) -> Path:
        (folder / "deep/er").mkdir(parents=True)
        (folder / "deep/file").write_text("")
        (folder / "link").symlink_to(tmp_path / "elsewhere")
        return folder

    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/mine").write_text("")
    erase.erase(filled(tmp_path / "plain"))
    assert not (tmp_path / "plain").exists() and (tmp_path / "elsewhere/mine").exists()
    mounted = filled(tmp_path / "mounted")
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == mounted)
    assert erase.anything(mounted)
    erase.erase(mounted)
    assert mounted.is_dir() and not any(mounted.iterdir()) and not erase.anything(mounted)
    (tmp_path / "to").symlink_to(filled(tmp_path / "real"))
    erase.erase(tmp_path / "to")
    assert (tmp_path / "to").is_symlink() and not any((tmp_path / "real").iterdir())
    assert not erase.anything(tmp_path / "not-there")


def test_an_inventory_of_a_small_var_is_valid(tmp_path: Path) -> None:
    folders = {v: f"/data/{v.partition('_')[0]}" for v in (variable for _, variable in RENDERED.values())}
    (tmp_path / "inventory.yml").write_text(inventory(["m1"], ["a1"], **folders))
    assert json.loads(json.dumps(dict(load(tmp_path / "inventory.yml").hosts[0].variables)))["mesos_work_dir"] == "/data/mesos"


@pytest.mark.parametrize(("settings", "user"), [
    ("$FileOwner syslog\n$PrivDropToUser syslog\n$PrivDropToGroup syslog\n", "syslog"), ("#$PrivDropToUser syslog\n", "root"), ("", "root"),
    ('global(workDirectory="/x" privdrop.user.name="logger" privdrop.group.name="adm")\n', "logger"), ("$FileOwner syslog\n", "root"),
])
def test_as_which_user_rsyslog_works(settings: str, user: str) -> None:
    assert logstash_info.works_as(settings) == user
