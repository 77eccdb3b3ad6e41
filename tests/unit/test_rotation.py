"""New values for secrets of a living cluster: the stages, where they stand, and what is refused."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jinja2
import pytest

from provisioner.cluster.model import Cluster
from provisioner.components import COMPONENTS, component
from provisioner.components.rotation import NEXT, OLD, Rotation, of, rotations
from provisioner.context import Context
from provisioner.errors import StepFailed, UnreachableError, UsageError
from provisioner.inventory.render import host_variables
from provisioner.plan.rotation import together
from provisioner.plan.scope import Scope
from provisioner.run.engine import Result
from provisioner.run.prepare import Preparation, ask_once, warn
from provisioner.state import files, rotation, secrets
from provisioner.state.authority import make_authority
from provisioner.verbs import credentials
from provisioner.verbs.shared import rotating
from tests.unit.builders import cluster as some
from tests.unit.builders import masters, observed

KEY, CERTIFICATE = secrets.AUTHORITY_KEY, secrets.AUTHORITY_CERTIFICATE
BOTH, ONE = Rotation("both", ("a", "b")), Rotation("one", ("c",), both=False)
TURNS = Rotation("turns", ("d",), turns=True)
BEFORE = {"vault_a": "a1", "vault_b": "b1", "vault_c": "c1", "vault_d": "d1", "vault_z": "z"}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.delenv(secrets.ENVIRONMENT, raising=False)
    found = Cluster("demo", tmp_path / "inventory.yml", ())
    secrets.ensure(found)
    return found


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "rotations", lambda: {each.name: (component("common"), each) for each in (BOTH, ONE, TURNS)})


@pytest.mark.usefixtures("known")
def test_both_values_are_there_until_the_new_one_is_used_by_all() -> None:
    first = rotation.begun(BEFORE, BOTH, {"vault_a": "a2", "vault_b": "b2"})
    assert first == BEFORE | {"vault_a_next": "a2", "vault_b_next": "b2"}
    assert rotation.stages(first) == {"both": NEXT}
    second = rotation.advanced(first)
    assert second == BEFORE | {"vault_a": "a2", "vault_b": "b2", "vault_a_old": "a1", "vault_b_old": "b1"}
    assert rotation.stages(second) == {"both": OLD}
    assert rotation.advanced(second) == BEFORE | {"vault_a": "a2", "vault_b": "b2"}
    assert rotation.stages(rotation.advanced(second)) == {}


@pytest.mark.usefixtures("known")
def test_what_counts_alone_is_used_at_once_and_who_brings_it_may_get_another_name() -> None:
    assert rotation.begun(BEFORE, ONE, {"vault_c": "c2"}) == BEFORE | {"vault_c": "c2", "vault_c_old": "c1"}
    first = rotation.begun(BEFORE, TURNS, {"vault_d": "d2"})
    assert "vault_d_turn" not in first, "the old one is still brought under its name"
    done = rotation.advanced(rotation.advanced(first))
    assert (done["vault_d"], done["vault_d_turn"]) == ("d2", "2")
    again = rotation.advanced(rotation.begun(done, TURNS, {"vault_d": "d3"}))
    assert (again["vault_d"], again["vault_d_old"], again["vault_d_turn"]) == ("d3", "d2", "")


def test_every_rotation_is_of_secrets_that_there_are_and_no_secret_is_in_two() -> None:
    there = {*secrets.PURPOSES, KEY, CERTIFICATE}
    named = [variable for _, each in rotations().values() for variable in each.variables]
    assert len(named) == len(set(named)) and {*named} <= there
    assert len(rotations()) == sum(len(of(c)) for c in COMPONENTS)
    assert all(each.felt for _, each in rotations().values())


def test_the_stage_is_told_by_marks_that_tell_nothing_else(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    _, authority = rotations()["authority"]
    before = secrets.marks(cluster)
    assert before.keys() == secrets.load(cluster).keys() and len({*before.values()}) == len(before)
    values = secrets.load(cluster)
    secrets.begin(cluster, [authority])
    now, kept = secrets.marks(cluster), (cluster.state_dir / secrets.MARKS).read_text()
    assert {name for name in now if now[name] != before.get(name)} == {f"{KEY}_next", f"{CERTIFICATE}_next"}
    assert not [value for value in {**values, **secrets.load(cluster)}.values() if value in kept]
    monkeypatch.setattr(secrets, "load", lambda _: pytest.fail("what is not asked for is not decrypted"))
    assert secrets.stages(cluster) == {"authority": NEXT}


def test_marks_follow_values_through_all_stages(cluster: Cluster) -> None:
    _, authority = rotations()["authority"]
    old = secrets.load(cluster)
    secrets.begin(cluster, [authority])
    introduced = secrets.load(cluster)
    assert secrets.trusted(introduced) == old[CERTIFICATE] + introduced[f"{CERTIFICATE}_next"]
    secrets.advance(cluster)
    used, marks = secrets.load(cluster), secrets.marks(cluster)
    assert (used[CERTIFICATE], used[f"{CERTIFICATE}_old"]) == (introduced[f"{CERTIFICATE}_next"], old[CERTIFICATE])
    secrets.advance(cluster)
    done = secrets.load(cluster)
    assert done == old | {KEY: used[KEY], CERTIFICATE: used[CERTIFICATE]}
    assert {name: marks[name] for name in done} == secrets.marks(cluster)
    assert secrets.stages(cluster) == {}


@pytest.mark.parametrize("broken", [secrets.MARKS, "secrets.yml"])
def test_a_change_that_was_cut_off_is_known_by_the_file_that_is_there(
        cluster: Cluster, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, authority = rotations()["authority"]
    before = secrets.marks(cluster)
    write = files.write_private

    def cut_off(path: Path, content: bytes, **more: bool) -> bool:
        if path.name == broken:
            raise KeyboardInterrupt
        return write(path, content, **more)

    monkeypatch.setattr(secrets, "write_private", cut_off)
    with pytest.raises(KeyboardInterrupt):
        secrets.begin(cluster, [authority])
    assert secrets.marks(cluster) == before and secrets.stages(cluster) == {}


def test_a_file_that_somebody_else_wrote_counts_as_a_whole(cluster: Cluster) -> None:
    _, authority = rotations()["authority"]
    secrets.begin(cluster, [authority])
    before = secrets.marks(cluster)
    (cluster.state_dir / secrets.MARKS).unlink()
    (whole,) = secrets.marks(cluster)
    assert whole == "" and secrets.stages(cluster) == {"authority": NEXT}
    secrets.ensure(cluster)
    assert secrets.marks(cluster).keys() == before.keys() and not {*secrets.marks(cluster).values()} & {*before.values()}


def test_who_only_looks_needs_no_password(cluster: Cluster) -> None:
    (cluster.state_dir / secrets.MARKS).unlink()
    secrets.password_file(cluster).unlink()
    assert secrets.stages(cluster) == {}
    with pytest.raises(UsageError, match="password is missing"):
        secrets.ensure(cluster)


def given(cluster: Cluster, pair: tuple[str, str]) -> Cluster:
    return replace(cluster, variables={"cluster_ca_key": pair[0], "cluster_ca_certificate": pair[1]})


def test_another_authority_in_the_inventory_takes_the_place_of_the_one_before_by_stages(cluster: Cluster) -> None:
    old, company, other = secrets.load(cluster), make_authority("company"), make_authority("other")
    secrets.ensure(given(cluster, company), authority=False)
    assert secrets.load(cluster) == old, "not before the hosts have answered"
    secrets.ensure(given(cluster, company))
    first = secrets.load(cluster)
    assert secrets.given_another(given(cluster, company)) and not secrets.given_another(cluster)
    assert first == old | {f"{KEY}_next": company[0], f"{CERTIFICATE}_next": company[1]}
    secrets.ensure(given(cluster, company))
    assert secrets.load(cluster) == first
    secrets.advance(given(cluster, company))
    assert secrets.load(cluster)[CERTIFICATE] == company[1]
    secrets.ensure(given(cluster, other))
    assert f"{CERTIFICATE}_next" not in secrets.load(cluster), "one after the other"
    secrets.advance(given(cluster, other))
    assert secrets.load(cluster)[f"{CERTIFICATE}_next"] == other[1], "and then the other"
    secrets.ensure(given(cluster, company))
    assert secrets.stages(cluster) == {}, "the inventory has changed its mind before it was used"


def test_members_that_cannot_serve_with_different_secrets_stop_and_start_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    marathon = component("marathon")
    monkeypatch.setattr("provisioner.plan.rotation.of", lambda _: (Rotation("pair", ("p",), both=False, together=True), BOTH))
    hosts = ["m1", "m2", "m3"]
    seen = observed(some(), {"m1": {"marathon": {"state": "ok"}}, "m2": {"marathon": {"state": "degraded"}},
                             "m3": {"marathon": {"state": "down"}}})
    stop, start = together(marathon, hosts, some(), seen, {"pair": OLD})
    assert (stop.verb, stop.hosts, start.verb, start.hosts, start.batch) == ("stop", ("m1", "m2"), "up", ("m1", "m2", "m3"), 0)
    assert "pair" in stop.why and start.all_or_none
    assert together(marathon, hosts, some(), seen, {"pair": NEXT}) == together(marathon, hosts, some(), seen, {"both": OLD}) == []
    assert together(marathon, ["m3"], some(), seen, {"pair": OLD}) == [], "nobody serves who would have to stop"
    with pytest.raises(UsageError, match="can't serve together, which concerns all of them"):
        together(marathon, hosts, some(), seen, {"pair": OLD}, partial=True)
    with pytest.raises(StepFailed, match="m2 does not answer"):
        together(marathon, ["m1", "m3"], some(), observed(some(), {"m1": {"marathon": {"state": "ok"}}}, ("m2",)), {"pair": OLD})
    assert together(marathon, ["m1"], some(*masters(1)), seen, {"pair": OLD}) == [], "a lone one is beside nobody"


def test_what_a_stopped_component_left_is_given_to_it_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    marathon = component("marathon")
    seen = observed(some(), {"m1": {"marathon": {"state": "ok"}}})
    steps = together(marathon, ["m1", "m2", "m3"], some(), seen, {"zookeeper_marathon": OLD})
    assert [(s.component.name, s.verb, s.hosts) for s in steps] == [
        ("marathon", "stop", ("m1",)), ("zookeeper", "up", ("m1",)), ("marathon", "up", ("m1", "m2", "m3"))]
    cut_off = together(marathon, ["m1", "m2", "m3"], some(), observed(some()), {"zookeeper_marathon": OLD})
    assert cut_off == steps[1:], "also where a run was cut off after they stopped"
    lone = together(marathon, ["m1"], some(*masters(1)), observed(some(*masters(1)), {"m1": {"marathon": {"state": "ok"}}}),
                    {"zookeeper_marathon": OLD})
    assert [(s.component.name, s.verb) for s in lone] == [("marathon", "stop"), ("zookeeper", "up"), ("marathon", "up")]


def test_two_authorities_of_one_name_are_refused(cluster: Cluster) -> None:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    name = x509.load_pem_x509_certificate(secrets.load(cluster)[CERTIFICATE].encode()).subject
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
            .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256()))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pair = private.decode(), made.public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(UsageError, match="has the name of the one before"):
        secrets.ensure(given(cluster, pair))


@pytest.mark.parametrize(("names", "every", "said"), [
    ((), False, "name what is to be rotated, or say --all"), (("authority",), True, "exclude each other"),
    (("autority",), False, "no secret 'autority': did you mean 'authority'"), (("xyz",), False, "no secret 'xyz'$"),
])
def test_what_there_is_not_is_refused_before_anything_is_done(names: tuple[str, ...], every: bool, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        rotating.chosen_of(names, every=every)
    import re

    assert re.search(said, caught.value.message) and "authority" in caught.value.hint


def test_a_mistake_is_answered_with_what_to_type_and_not_with_every_name(tmp_path: Path) -> None:
    for names, every, cure in ((("authority", "verify"), True, "provision secrets rotate authority verify, or --all alone"),
                               ((), False, "'provision secrets list' has the names"), (("xyz",), False, "'provision secrets list'")):
        with pytest.raises(UsageError) as caught:
            rotating.chosen_of(names, every=every)
        assert cure in caught.value.hint and "chronos_keystore" not in str(caught.value)


def test_what_can_not_be_rotated_does_not_hide_what_can(tmp_path: Path) -> None:
    opened = context(tmp_path, "all:\n  vars: {cluster_access: open}\n")
    said: Any = Said()
    for names, cure in ((("zookeeper_mesos", "verify"), "the others can: provision secrets rotate verify"), (("zookeeper_mesos",), "")):
        with pytest.raises(UsageError, match=r"zookeeper_mesos can't be rotated: in an open cluster.*'cluster_access: closed'") as caught:
            rotating.run_rotate(opened, said, names, every=False, batch="20%", yes=True)
        assert caught.value.hint == cure


def test_a_secret_is_found_by_its_own_name_too() -> None:
    assert [*rotating.chosen_of(["vault_cluster_ca_key"], every=False)] == ["authority"]
    assert [*rotating.chosen_of([], every=True)] == [*rotations()]


def context(folder: Path, more: str = "") -> Context:
    (folder / "inventory.yml").write_text(f"""\
masters:
  hosts:
    m1: {{ansible_host: 192.0.2.11}}
agents:
  hosts:
    a1: {{ansible_host: 192.0.2.101}}
{more}""")
    return Context(folder / "inventory.yml")


def test_an_authority_that_the_inventory_gives_is_changed_there(tmp_path: Path) -> None:
    key, certificate = make_authority("company")
    own = f"all:\n  vars:\n    cluster_ca_key: {json.dumps(key)}\n    cluster_ca_certificate: {json.dumps(certificate)}\n"
    assert "the inventory gives it" in rotating.why_not(context(tmp_path, own), rotations()["authority"][1])
    assert rotating.why_not(context(tmp_path), rotations()["authority"][1]) == ""


def test_who_is_told_of_a_secret_is_said_before(tmp_path: Path) -> None:
    assert rotating.concerned(context(tmp_path), rotations()["authority"][1]) == [
        "Base system", "Consul", "ZooKeeper", "Marathon", "Chronos", "Logstash"]
    assert rotating.concerned(context(tmp_path), rotations()["zookeeper_mesos"][1]) == [
        "ZooKeeper", "Mesos master", "Mesos agent", "Marathon", "Chronos"]
    assert rotating.concerned(context(tmp_path), rotations()["mesos_agent_operator"][1]) == ["Mesos agent"]


#: Compiled once: all hosts are told nearly the same, at each stage.
_template = functools.cache(jinja2.Template)


class Told:
    """What hosts are told at one stage: the rendered inventory with the secrets of that stage filled in."""

    def __init__(self, context: Context, values: dict[str, str]) -> None:
        self._context, self._values = context, values

    def __call__(self, host: str, name: str) -> Any:
        """A role variable of a host."""
        return self._filled(host_variables(self._context.rendered, host)[name])

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        return _template(value).render(self._values) if isinstance(value, str) else value


def pairs(rows: list[dict[str, str]]) -> set[tuple[str, str]]:
    return {(row["principal"], row["secret"]) for row in rows if row["secret"]}


def also_of(name: str) -> Callable[[Told], set[Any]]:
    return lambda told: {told("m1", f"consul_{name}"), told("m1", "consul_also")[name]}


def mesos_login(told: Told) -> tuple[str, str]:
    found = told("a1", "common_credentials")["mesos"]
    return found["user"], found["password"]


def digest_in(url: str) -> str:
    user, password = url.removeprefix("zk://").partition("@")[0].split(":")
    return secrets.zookeeper_digest(user, password)


def owners(path: str) -> Callable[[Told], set[Any]]:
    return lambda told: {rule["id"] for node in told("m1", "zookeeper_nodes") if node["path"] == path for rule in node["acl"]}


def certificate(told: Told) -> str:
    return str(told("a1", "common_authority")["certificate"])


def believed(told: Told) -> set[Any]:
    return {told("a1", "common_authority")[name] for name in ("certificate", "also")}


#: Rotation → what is brought, and what is accepted.
WAYS: dict[str, list[tuple[Callable[[Told], Any], Callable[[Told], set[Any]]]]] = {
    "authority": [(certificate, believed)],
    "consul_gossip_key": [(lambda told: told("a1", "consul_gossip_key"), also_of("gossip_key"))],
    "consul_dns_token": [(lambda told: told("a1", "consul_dns_token"), also_of("dns_token"))],
    "consul_agent_token": [(lambda told: told("a1", "consul_agent_token"), also_of("agent_token"))],
    "consul_registrator_token": [(lambda told: told("a1", "registrator_token"), also_of("registrator_token"))],
    "consul_operator_token": [(lambda told: told("m1", "consul_operator_token"), also_of("operator_token"))],
    "consul_management_token": [(lambda told: told("m1", "consul_management_token"), also_of("management_token"))],
    "mesos_agent": [(lambda told: tuple(told("a1", "mesos_agent_credential").values()),
                     lambda told: pairs(told("m1", "mesos_credentials")))],
    "mesos_viewer": [(mesos_login, lambda told: pairs(told("m1", "mesos_credentials"))),
                     (mesos_login, lambda told: pairs(told("a1", "mesos_agent_http_credentials")))],
    "mesos_operator": [(lambda told: tuple(told("m1", "mesos_operator").values()), lambda told: pairs(told("m1", "mesos_credentials")))],
    "mesos_agent_operator": [(lambda told: tuple(told("a1", "mesos_agent_http_credentials")[0].values()),
                              lambda told: pairs(told("a1", "mesos_agent_http_credentials")))],
    "zookeeper_mesos": [(lambda told: digest_in(told("a1", "mesos_zk_url")), owners("/mesos")),
                        (lambda told: digest_in(told("m1", "marathon_mesos_zk_url")), owners("/mesos"))],
}


@pytest.mark.parametrize("name", WAYS)
def test_whoever_has_this_stage_or_the_one_before_is_let_in_by_whoever_has_this_one_or_the_one_before(name: str, tmp_path: Path) -> None:
    found = context(tmp_path)
    secrets.ensure(found.cluster)
    stages = [Told(found, secrets.load(found.cluster))]
    secrets.begin(found.cluster, [rotations()[name][1]])
    for _ in range(3):
        stages.append(Told(found, secrets.load(found.cluster)))
        if secrets.stages(found.cluster):
            secrets.advance(found.cluster)
    for brings, accepts in WAYS[name]:
        for before, now in pairwise(stages):
            for caller in (before, now):
                for server in (before, now):
                    assert brings(caller) in accepts(server), f"{stages.index(caller)} to {stages.index(server)}"
        assert brings(stages[0]) != brings(stages[-1])
        assert brings(stages[0]) not in accepts(stages[-1]), "the old one is worth nothing in the end"


def test_frameworks_have_the_new_secret_before_masters_ask_for_it(tmp_path: Path) -> None:
    found = context(tmp_path)
    secrets.ensure(found.cluster)
    old = secrets.load(found.cluster)["vault_marathon_secret"]
    assert rotations()["marathon_secret"][1].alone, "else a restart for another reason would bring it too early"
    secrets.begin(found.cluster, [rotations()["marathon_secret"][1]])
    told = Told(found, secrets.load(found.cluster))
    assert told("m1", "marathon_secret") != old and ("marathon", old) in pairs(told("m1", "mesos_credentials"))
    secrets.advance(found.cluster)
    used = Told(found, secrets.load(found.cluster))
    assert used("m1", "marathon_secret") == told("m1", "marathon_secret")
    assert ("marathon", used("m1", "marathon_secret")) in pairs(used("m1", "mesos_credentials"))


def test_every_rotation_of_two_values_is_tried_here() -> None:
    assert {name for name, (_, each) in rotations().items() if each.both and not each.alone and not each.together} == {*WAYS}


def test_credentials_are_shown_by_the_name_that_they_have_now(tmp_path: Path) -> None:
    found = context(tmp_path)
    secrets.ensure(found.cluster)

    def viewers() -> set[tuple[str, str]]:
        rows = credentials.entries(found, secrets.load(found.cluster), show=True)
        return {(row["user"], row["secret"]) for row in rows if row["name"] == "vault_mesos_viewer_secret"}

    (before,) = viewers()
    secrets.begin(found.cluster, [rotations()["mesos_viewer"][1]])
    assert viewers() == {before} and before[0] == "viewer"
    secrets.advance(found.cluster)
    (now,) = viewers()
    assert now == ("viewer-2", secrets.load(found.cluster)["vault_mesos_viewer_secret"])


@pytest.mark.parametrize(("asked", "found"), [("consul_*_token", 5), ("zookeeper_*", 4), ("marathon_http", 1)])
def test_several_are_named_by_a_pattern(asked: str, found: int) -> None:
    assert len(rotating.chosen_of([asked], every=False)) == found


def test_in_an_open_cluster_what_nobody_would_follow_is_refused(tmp_path: Path) -> None:
    opened = context(tmp_path, "all:\n  vars:\n    cluster_access: open\n")
    assert "open cluster" in rotating.why_not(opened, rotations()["zookeeper_mesos"][1])
    assert rotating.why_not(opened, rotations()["mesos_agent"][1]) == ""


class Said:
    """A console that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.say: Any = self.lines.append
        self.warn = self.plan = self.say


@pytest.fixture
def living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Context, list[dict[str, str]]]:
    """A cluster, and the stages that its hosts were brought to."""
    found, taken = context(tmp_path), list[dict[str, str]]()
    secrets.ensure(found.cluster)

    def bring_up(*_: object) -> Result:
        taken.append(secrets.stages(found.cluster))
        return Result(found.cluster.name, changed=1)

    monkeypatch.setattr("provisioner.verbs.shared.rotating._stage", bring_up)
    return found, taken


Living = tuple[Context, list[dict[str, str]]]


def test_every_stage_is_brought_to_the_hosts_before_the_next_one(living: Living) -> None:
    found, taken = living
    said: Any = Said()
    secrets.begin(found.cluster, [rotations()[name][1] for name in ("authority", "marathon_http")])
    result = rotating.complete(found, said, cast(Any, None), batch="20%")
    assert taken == [{"authority": NEXT, "marathon_http": OLD}, {"authority": OLD}, {}], "the last run takes the old value away"
    assert result.changed == 3 and [line.partition(":")[0] for line in said.lines] == ["authority", "marathon_http", "authority"]


def test_a_stage_that_fails_stays_and_the_next_run_goes_on_with_it(living: Living, monkeypatch: pytest.MonkeyPatch) -> None:
    found, taken = living
    said: Any = Said()
    secrets.begin(found.cluster, [rotations()["authority"][1]])
    with monkeypatch.context() as patched, pytest.raises(UnreachableError):
        def away(*_: object) -> Result:
            raise UnreachableError("a1 is away")

        patched.setattr("provisioner.verbs.shared.rotating._stage", away)
        rotating.complete(found, said, cast(Any, None), batch="20%")
    assert secrets.stages(found.cluster) == {"authority": NEXT}
    whole = SimpleNamespace(unreachable=frozenset())
    assert rotating.go_on(found, said, cast(Any, None), cast(Any, whole), Scope()) is not None
    assert taken == [{"authority": OLD}, {}], "what `up` brought about itself is not done again"


@pytest.mark.parametrize(("scope", "lost"), [(Scope(only=("consul",)), ()), (Scope(limit="m1"), ()), (Scope(), ("a1",))])
def test_an_up_that_did_not_tell_everybody_does_not_go_on(living: Living, scope: Scope, lost: tuple[str, ...]) -> None:
    found, taken = living
    said: Any = Said()
    secrets.begin(found.cluster, [rotations()["authority"][1]])
    part = SimpleNamespace(unreachable=frozenset(lost))
    assert rotating.go_on(found, said, cast(Any, None), cast(Any, part), scope) is None
    assert (taken, secrets.stages(found.cluster)) == ([], {"authority": NEXT})
    assert "not every host was told" in said.lines[-1]


def test_a_host_that_goes_away_during_a_stage_keeps_it_from_going_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = context(tmp_path)
    secrets.ensure(found.cluster)
    secrets.begin(found.cluster, [rotations()["authority"][1]])
    ready = SimpleNamespace(assessment=SimpleNamespace(unreachable=frozenset(), plan=SimpleNamespace(steps=(1,)), facts={}, questions={},
                                                       observation=None))
    monkeypatch.setattr("provisioner.verbs.shared.rotating.prepared", lambda *_, **__: nullcontext(ready))
    monkeypatch.setattr("provisioner.verbs.shared.rotating.execute", lambda *_, **__: Result("c", unreachable=frozenset({"a1"})))
    said: Any = Said()
    with pytest.raises(UnreachableError, match="a1 does not answer and would be locked out"):
        rotating.complete(found, said, cast(Any, None), batch="20%")
    assert secrets.stages(found.cluster) == {"authority": NEXT}


def test_an_authority_that_the_inventory_gives_is_no_end_of_an_up_with_nothing_else_to_do(tmp_path: Path) -> None:
    secrets.ensure(context(tmp_path).cluster)
    key, certificate = make_authority("company")
    asked = context(tmp_path, f"all:\n  vars: {{cluster_ca_key: {json.dumps(key)}, cluster_ca_certificate: {json.dumps(certificate)}}}\n")
    said: Any = Said()
    before = Preparation(asked, Scope(), said, ExitStack())
    assert ask_once(before) is before, "it is not over"
    assert "another authority than the cluster" in " ".join(warn(before).voice.lines)  # type: ignore[attr-defined]
