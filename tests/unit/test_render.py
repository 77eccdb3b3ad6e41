"""Rendering: deterministic, complete, and a host more changes only what it must."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.cluster import catalogue
from provisioner.errors import InventoryError
from provisioner.inventory.load import load
from provisioner.inventory.render import host_variables, render, to_json, to_yaml
from provisioner.inventory.schema import load_schema
from provisioner.paths import roles_dir
from provisioner.state import ledger
from provisioner.state.authority import make_authority

DEFAULTS = load_schema().all_defaults()
GOLDEN = Path(__file__).parent / "golden"


def inventory(masters: list[str], agents: list[str], **variables: object) -> str:
    hosts = {n: i for i, n in enumerate(sorted({*masters, *agents}), 11)}
    group = {"masters": masters, "agents": agents}
    return json.dumps({"all": {"vars": {"cluster_name": "t", **variables}, "children": {
        g: {"hosts": {n: {"ansible_host": f"192.0.2.{hosts[n]}"} for n in names}} for g, names in group.items()}}})


def rendered(folder: Path, text: str, ids: dict[str, int] | None = None) -> dict[str, Any]:
    path = folder / "inventory.yml"
    path.write_text(text)
    cluster = load(path)
    before = ledger.Ledger("00000000-0000-4000-8000-000000000000", ids or {})
    return render(cluster, ledger.assign(before, cluster), catalogue.load(), DEFAULTS)


def test_golden_inventory(tmp_path: Path) -> None:
    text = to_yaml(rendered(tmp_path, inventory(["m1", "m2", "m3"], ["a1", "a2"])))
    assert text == (GOLDEN / "inventory.yml").read_text(), "if the change is meant: PYTHONPATH=. python tests/unit/golden/renew.py"


def problems(options: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """What Ansible says of a role's variables; the role has defaults for those that it is not given."""
    defaults = {name: option["default"] for name, option in options.items() if "default" in option}
    said: list[str] = ArgumentSpecValidator(options).validate({**defaults, **values}, validate_role_argument_spec=True).error_messages
    return said


@pytest.mark.parametrize("access", ["closed", "open"])
def test_what_is_rendered_is_what_roles_say_they_take(tmp_path: Path, access: str) -> None:
    """In the driver's runs Ansible does not validate it again. What an inventory may set is checked when it is loaded."""
    found = rendered(tmp_path, inventory(["m1", "m2", "m3"], ["a1", "a2"], cluster_access=access))
    judged: set[str] = set()
    for spec in sorted(roles_dir().glob("*/meta/argument_specs.yml")):
        for entry, content in yaml.safe_load(spec.read_text())["argument_specs"].items():
            # Which of its components a role is to run only the play knows.
            options = {name: option for name, option in (content.get("options") or {}).items() if not name.endswith("_component")}
            for host in found["all"]["hosts"]:
                own = {name: value for name, value in host_variables(found, host).items() if name in options}
                assert problems(options, own) == [], (spec.parts[-3], entry, host)
                judged |= own.keys()
    assert len(judged) > 80
    assert problems({"zookeeper_id": {"type": "int"}}, {"zookeeper_id": "one"}) != []


def test_ten_thousand_hosts(tmp_path: Path) -> None:
    masters = {f"m{i}": {"ansible_host": f"192.0.2.{i}"} for i in (1, 2, 3)}
    agents = {f"a{i}": {"ansible_host": f"10.{100 + i // 250}.{i % 250}.1", "mesos_agent_attributes": {"rack": f"r{i % 40}"}}
              for i in range(9_997)}
    found = rendered(tmp_path, json.dumps({"masters": {"hosts": masters}, "agents": {"hosts": agents}}, indent=0))
    known = {name: len(host_variables(found, name)["common_hosts"]) for name in ("m1", "a1")}
    assert (len(found["all"]["hosts"]), known) == (10_000, {"m1": 10_000, "a1": 3})
    last = host_variables(found, "a9996")
    assert (last["mesos_agent_attributes"], last["common_address"]) == ({"rack": "r36"}, "10.139.246.1")
    # What all share stands once: with a list of all hosts at each there would be a hundred million entries.
    assert len(to_json(found)) < 5_000 * 10_000


def test_the_networks_that_all_let_in_are_joined_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were for each host: of ten thousand, which have hundreds of networks, that took a minute."""
    asked: list[list[str]] = []

    def noted(networks: Iterable[str]) -> list[str]:
        asked.append([*networks])
        return asked[-1]

    monkeypatch.setattr("provisioner.inventory.wiring.joined", noted)
    found = rendered(tmp_path, inventory(["m1", "m2", "m3"], [f"a{n}" for n in range(9)]))
    assert len(asked) == 2 and host_variables(found, "a8")["common_networks"] == asked[0]


def test_json_is_that_of_the_whole_written_at_once(tmp_path: Path) -> None:
    found = rendered(tmp_path, inventory(["m1", "m2", "m3"], ["a1", "a2"]))
    found["all"]["hosts"]["a1"].update({"text": 'two\n"ä"', "deep": {"1": [], "2": {}, "3": [1, {"x": None}]}})
    found["all"]["hosts"]["a2"] = {}
    assert to_json(found) == json.dumps(found, indent=1) + "\n"


def test_yaml_is_that_of_the_whole_written_at_once(tmp_path: Path) -> None:
    found = rendered(tmp_path, inventory(["m1", "m2", "m3"], ["a1"]))
    found["all"]["hosts"]["m1"]["text"] = "two\n\nlines  " + "and words " * 40
    assert to_yaml(found) == yaml.safe_dump(json.loads(to_json(found)), sort_keys=False, width=160)


def test_quorum_ids_and_connection_strings(tmp_path: Path) -> None:
    found = rendered(tmp_path, inventory(["m1", "m2", "m3"], ["a1"]))
    m2 = host_variables(found, "m2")
    assert m2["mesos_quorum"] == 2
    assert m2["zookeeper_id"] == 2
    assert m2["mesos_zk_url"] == "zk://mesos:{{ vault_zookeeper_mesos_password }}@192.0.2.12:2181,192.0.2.13:2181,192.0.2.14:2181/mesos"
    assert [s["id"] for s in m2["zookeeper_servers"]] == [1, 2, 3]


def test_without_authentication_nobody_is_told_a_password_and_frameworks_keep_their_principal(tmp_path: Path) -> None:
    found = host_variables(rendered(tmp_path, inventory(["m1"], ["a1"], cluster_authentication=False)), "m1")
    assert (found["mesos_authentication"], found["mesos_zk_url"]) == ("none", "zk://192.0.2.12:2181/mesos")
    assert (found["marathon_principal"], found["marathon_secret"], found["marathon_zk_url"]) == ("marathon", "", "zk://192.0.2.12:2181/marathon")
    assert (found["chronos_principal"], found["chronos_secret"], found["chronos_zk_user"]) == ("chronos", "", "")


def test_a_closed_mesos_knows_its_frameworks_and_hosts_learn_no_more_secrets_than_they_need(tmp_path: Path) -> None:
    own = {"spark": {"secret": "0badc0de", "roles": ["analytics"]}}
    found = rendered(tmp_path, inventory(["m1"], ["a1"], mesos_principals=own, mesos_task_users=["app"]))
    master, agent = host_variables(found, "m1"), host_variables(found, "a1")
    assert master["mesos_rights"] == {**{name: {"roles": [], "users": ["nobody", "app"]} for name in ("marathon", "chronos", "verify")},
                                      "spark": {"roles": ["analytics"], "users": ["nobody"]}}
    assert {"principal": "spark", "secret": "{{ mesos_principals['spark'].secret }}"} in master["mesos_credentials"]
    assert (master["marathon_task_user"], master["chronos_task_user"]) == ("nobody", "nobody")
    assert re.findall(r"{{ (vault_\w+)", str([one["secret"] for one in agent["mesos_agent_http_credentials"]])) == [
        "vault_mesos_agent_operator_secret", "vault_mesos_agent_operator_secret_next",
        "vault_mesos_viewer_secret", "vault_mesos_viewer_secret_next"]
    assert agent["common_credentials"]["mesos"]["password"] == "{{ vault_mesos_viewer_secret }}"


def test_an_open_mesos_runs_tasks_as_ever_and_is_still_asked_as_a_closed_one(tmp_path: Path) -> None:
    found = host_variables(rendered(tmp_path, inventory(["m1"], ["a1"], cluster_access="open")), "m1")
    assert (found["mesos_closed"], found["mesos_rights"], found["marathon_task_user"]) == (False, {}, "root")
    assert found["common_credentials"]["mesos"]["user"].startswith("viewer{{ '-2' if vault_mesos_viewer_secret_turn")
    without = host_variables(rendered(tmp_path, inventory(["m1"], ["a1"], cluster_authentication=False)), "m1")
    assert (without["mesos_closed"], without["common_credentials"]) == (False, {}), "without passwords a new cluster is open"


def with_site(folder: Path, *entries: dict[str, Any]) -> dict[str, Any]:
    """One master, one agent, and a site's own catalogue."""
    (folder / "catalogue.json").write_text(json.dumps(entries))
    path = folder / "inventory.yml"
    path.write_text(inventory(["m1"], ["a1"]))
    cluster = load(path)
    ids = ledger.assign(ledger.Ledger("00000000-0000-4000-8000-000000000000", {}), cluster)
    return render(cluster, ids, catalogue.load(folder / "catalogue.json"), DEFAULTS)


@pytest.mark.parametrize(("version", "expected"), [("3.8.0", "3.8.0"), ("distribution", "")])
def test_zookeepers_package_is_asked_for_in_the_version_of_the_catalogue(tmp_path: Path, version: str, expected: str) -> None:
    site = {"component": "zookeeper", "version": version, "kind": "package", "packages": {"Debian": ["zookeeper"]}}
    found = host_variables(with_site(tmp_path, site), "m1")
    assert (found["zookeeper_source"], found["zookeeper_version"]) == ("package", expected)


@pytest.mark.parametrize("note", [{}, {"note": "executors and fetcher are the lab's"}])
def test_a_note_about_the_package_reaches_the_agents_probe(tmp_path: Path, note: dict[str, str]) -> None:
    site = {"component": "mesos", "version": "1.11.0-lab1", "kind": "package", "package": "mesos", **note}
    probe = host_variables(with_site(tmp_path, site), "a1")["mesos_agent_probe"]
    assert {key: probe[key] for key in probe if key == "note"} == note


def test_no_secret_is_in_a_rendered_inventory(tmp_path: Path) -> None:
    text = to_json(rendered(tmp_path, inventory(["m1"], ["a1"])))
    for word in ("gossip_key", "super_digest"):
        assert f"{{{{ vault_{'consul' if word == 'gossip_key' else 'zookeeper'}_{word} }}}}" in text


def test_a_host_that_sorts_first_changes_no_id(tmp_path: Path) -> None:
    before = rendered(tmp_path, inventory(["m1", "m2", "m3"], []))
    ids = {n: host_variables(before, n)["zookeeper_id"] for n in ("m1", "m2", "m3")}
    after = rendered(tmp_path, inventory(["b1", "b2", "m1", "m2", "m3"], []), ids)
    assert {n: host_variables(after, n)["zookeeper_id"] for n in ids} == ids


@settings(max_examples=25)
@given(st.permutations(["m1", "m2", "m3", "m4", "m5"]), st.permutations(["a1", "a2", "a10"]))
def test_the_order_of_writing_changes_no_byte(tmp_path_factory: pytest.TempPathFactory, masters: list[str], agents: list[str]) -> None:
    folder = tmp_path_factory.mktemp("order")
    text = to_json(rendered(folder, inventory(masters, agents)))
    assert text == to_json(rendered(folder, inventory(sorted(masters), sorted(agents))))


@settings(max_examples=20)
@given(st.sets(st.integers(1, 60), min_size=1, max_size=8))
def test_one_more_agent_changes_nothing_that_another_agent_is_told(tmp_path_factory: pytest.TempPathFactory, numbers: set[int]) -> None:
    folder = tmp_path_factory.mktemp("more")
    agents = [f"a{n}" for n in sorted(numbers)]
    before = rendered(folder, inventory(["m1", "m2", "m3"], agents))
    after = rendered(folder, inventory(["m1", "m2", "m3"], [*agents, "z99"]))
    for host in before["all"]["hosts"]:
        old, new = host_variables(before, host), host_variables(after, host)
        # What the probe is asked is asked anew each time, and in no digest.
        known = {"common_hosts"} if host.startswith("m") else set()
        assert {name for name in {*old, *new} if old.get(name) != new.get(name)} == {"consul_probe", *known}


def test_an_unknown_version_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="no consul 0\\.1"):
        rendered(tmp_path, inventory(["m1"], ["a1"], cluster_versions={"consul": "0.1"}))


def test_a_frameworks_name_of_the_users_is_what_its_health_looks_for(tmp_path: Path) -> None:
    flags = {"marathon_extra_flags": {"framework_name": "ours"}, "chronos_framework_name": "theirs"}
    own = host_variables(rendered(tmp_path, inventory(["m1"], ["a1"], **flags)), "m1")
    assert (own["marathon_probe"]["framework"], own["chronos_probe"]["framework"]) == ("ours", "theirs")


def test_the_clusters_word_about_old_packages_reaches_the_role_and_chooses_the_packages(tmp_path: Path) -> None:
    found = host_variables(rendered(tmp_path, inventory(["m1"], ["a1"], cluster_profile="legacy-mirror", cluster_accept_eol=True)), "m1")
    assert [found[name] for name in ("repos_profile", "repos_accept_eol")] == ["legacy-mirror", True]
    assert (found["mesos_package"], found["mesos_version"], found["mesos_cgroup_requirement"]) == ("mesos", "1.11.0", "v1")
    assert host_variables(rendered(tmp_path, inventory(["m1"], ["a1"])), "m1")["mesos_package"] == "aventer-mesos"


def test_a_proxy_reaches_what_fetches_on_the_hosts_and_the_engine_and_a_new_agent_changes_neither(tmp_path: Path) -> None:
    told = {"cluster_http_proxy": "http://proxy:3128", "cluster_https_proxy": "http://proxy:3128", "cluster_no_proxy": "lan, 10.0.0.0/8"}
    few, more = (rendered(tmp_path, inventory(["m1"], agents, **told)) for agents in (["a1"], ["a1", "a2"]))
    environment = {"http_proxy": "http://proxy:3128", "https_proxy": "http://proxy:3128",
                   "no_proxy": "localhost,127.0.0.1,192.0.2.12,lan,10.0.0.0/8"}
    assert host_variables(few, "a1")["proxy_environment"] == host_variables(few, "a1")["docker_proxy_environment"] == environment
    grown = host_variables(more, "a1")
    assert grown["proxy_environment"]["no_proxy"] == "localhost,127.0.0.1,192.0.2.13,lan,10.0.0.0/8", "m1, one place further"
    assert "proxy_environment" not in host_variables(rendered(tmp_path, inventory(["m1"], ["a1"])), "m1")


def test_the_companys_key_is_in_no_rendered_inventory(tmp_path: Path) -> None:
    key, certificate = make_authority("company")
    text = to_yaml(rendered(tmp_path, inventory(["m1"], ["a1"], cluster_ca_key=key, cluster_ca_certificate=certificate)))
    assert "PRIVATE KEY" not in text
    assert "{{ vault_cluster_ca_key }}" in text
