"""Who gets in where, and what is secret: shown without a value unless it is asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.console import Console
from provisioner.context import Context
from provisioner.state import ledger, secrets
from provisioner.verbs import credentials
from provisioner.verbs import secrets as secrets_verb

INVENTORY = """\
masters:
  hosts:
    m1: {ansible_host: 192.0.2.11}
agents:
  hosts:
    a1: {ansible_host: 192.0.2.101}
"""


@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    found = Context(tmp_path / "inventory.yml")
    secrets.ensure(found.cluster)
    return found


def test_a_secret_is_printed_only_when_it_is_asked_for(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    values = set(secrets.load(context.cluster).values())
    for options in (credentials.Options(), credentials.Options(json=True)):
        assert credentials.run(context, Console(), options) == 0
        said = capsys.readouterr()
        assert said.out and not [value for value in values if value in said.out + said.err]
    credentials.run(context, Console(), credentials.Options(show=True, json=True))
    found = json.loads(capsys.readouterr().out)["credentials"]
    known = secrets.load(context.cluster)
    assert found and all(one["secret"] == known[one["name"]] for one in found)
    assert ("ZooKeeper", ["192.0.2.11:2181"], "super") in [(one["service"], one["addresses"], one["user"]) for one in found]


@pytest.mark.parametrize(("access", "address"), [("closed", "https://192.0.2.11:8443/"), ("open", "http://192.0.2.11:8080/")])
def test_a_password_is_not_to_be_told_in_clear_where_that_can_be_helped(tmp_path: Path, access: str, address: str) -> None:
    (tmp_path / "inventory.yml").write_text(INVENTORY + f"all:\n  vars: {{cluster_access: {access}}}\n")
    context = Context(tmp_path / "inventory.yml")
    secrets.ensure(context.cluster)
    found = credentials.entries(context, secrets.load(context.cluster), show=False)
    assert [one["addresses"] for one in found if one["service"] == "Marathon"] == [[address]]


@pytest.mark.parametrize(("before", "wish", "address"), [("open", "closed", "http://192.0.2.11:8080/"),
                                                         ("closed", "open", "https://192.0.2.11:8443/")])
def test_credentials_are_those_of_the_cluster_that_there_is(context: Context, capsys: pytest.CaptureFixture[str],
                                                            before: str, wish: str, address: str) -> None:
    ledger.save(context.cluster, replace(context.ledger, access=before))
    context.path.write_text(INVENTORY + f"all:\n  vars: {{cluster_access: {wish}}}\n")
    wishing = Context(context.path)
    assert credentials.run(wishing, Console(), credentials.Options(json=True)) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["access"] == before
    assert [one["addresses"] for one in found["credentials"] if one["service"] == "Marathon"] == [[address]]
    credentials.run(wishing, Console(), credentials.Options())
    said = capsys.readouterr()
    assert said.out.split("\n")[0].strip() == f"cluster: {before}"
    assert f"is {wish}, and this cluster is still {before}: 'provision up'" in said.err
    assert ("do not ask for a password" in said.err) is (before == "open")


def test_credentials_of_a_cluster_that_is_half_closed_say_so(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    ledger.save(context.cluster, replace(context.ledger, access="closed", switching=True))
    credentials.run(Context(context.path), Console(), credentials.Options())
    assert "only in part closed" in capsys.readouterr().err


def test_every_secret_is_listed_with_its_purpose_and_who_uses_it(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    secrets_verb.run_list(context, Console(), secrets_verb.List(json=True))
    said = capsys.readouterr().out
    found = {one["name"]: one for one in json.loads(said)["secrets"]}
    known = secrets.load(context.cluster)
    assert found.keys() == known.keys() and not [value for value in known.values() if value in said]
    assert all(one["purpose"] for one in found.values())
    agent = found["vault_mesos_agent_secret"]
    assert (agent["used_by"], agent["hosts"]) == (["mesos_agent_credential", "mesos_credentials"], ["a1", "m1"])
    assert found["vault_consul_gossip_key"]["hosts"] == ["a1", "m1"]
    assert {one["since"] for one in found.values()} == {secrets.since(context.cluster)["vault_marathon_secret"]}
