"""`up` follows `provision.lock`: what the roles are told where there is one, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.cluster.facts import to_ansible_facts
from provisioner.cluster.lock import ARCHIVE, IMAGE, PACKAGE, Lock, Locked, System
from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import InventoryError, StepFailed
from provisioner.hosts.known_hosts import record
from provisioner.hosts.login import login
from provisioner.hosts.openssh import Completed
from provisioner.inventory.render import host_variables
from provisioner.inventory.starter import write_inventory
from provisioner.mirror.artefacts import needed
from provisioner.observe import preflight as preflights
from provisioner.observe.preflight import Report
from provisioner.plan.scope import Scope
from provisioner.run.prepare import ASSESSING, INSPECTING, prepared
from provisioner.state import fact_cache, followed
from provisioner.verbs import plan, preflight, up, validate
from provisioner_lab.testing import Call, FakeTransport, probed, said
from tests.unit.builders import facts

BOOKWORM, NOBLE = System("debian", "12", "bookworm", "amd64"), System("ubuntu", "24.04", "noble", "amd64")
ROCKY = System("rocky", "9", "", "amd64")
#: Ansible's words for hosts of these.
FACTS: Mapping[System, Mapping[str, Any]] = {
    BOOKWORM: {"ansible_distribution": "Debian", "ansible_distribution_major_version": "12", "ansible_distribution_version": "12",
               "ansible_architecture": "x86_64"},
    NOBLE: {"ansible_distribution": "Ubuntu", "ansible_distribution_major_version": "24", "ansible_distribution_version": "24.04",
            "ansible_architecture": "x86_64"},
    ROCKY: {"ansible_distribution": "Rocky", "ansible_distribution_major_version": "9", "ansible_distribution_version": "9",
            "ansible_architecture": "x86_64"},
}
VERSIONS = {"docker-ce": "5:29.1.2-1", "docker-ce-cli": "5:29.1.2-1", "containerd.io": "2.2.0-1", "aventer-mesos": "1.11.0-0.9.0",
            "logstash": "1:9.5.6-1"}
DIGEST = "sha256:" + "ab" * 32
Write = Callable[[Lock], None]


def lock_of(context: Context, *systems: System, **changes: str) -> Lock:
    """One that names all that an inventory needs; versions of packages end with the system's codename but for those that are given."""
    wanted, artefacts = needed(context), list[Locked]()
    for system in systems:
        for package in wanted.packages:
            if package.manager == "apt":
                version = f"{VERSIONS.get(package.name, '1.0')}~{system.codename}"
                own = changes.get(package.name, version)
                artefacts.append(Locked(PACKAGE, package.name, own, DIGEST, 1, package.component, system.name))
    archives = dict.fromkeys(archive.on(system.architecture) for system in systems for archive in wanted.archives)
    artefacts += [Locked(ARCHIVE, a.urls[0].rpartition("/")[2], a.version, _sha256(a.checksum), 1, a.component) for a in archives]
    artefacts += [Locked(IMAGE, i.image, i.version, DIGEST, 1, i.component) for i in wanted.images]
    return Lock(systems, tuple(dict.fromkeys(artefacts)))


def _sha256(checksum: str) -> str:
    return f"sha256:{checksum}" if len(checksum) == 64 else DIGEST


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    return write_inventory(tmp_path)


@pytest.fixture
def write(inventory: Path) -> Write:
    def put(lock: Lock) -> None:
        (inventory.parent / "provision.lock").write_text(str(lock))

    return put


def told(context: Context, host: str) -> dict[str, Any]:
    return host_variables(context.rendered, host)


def test_without_a_lock_nothing_is_told_of_it(inventory: Path) -> None:
    context = Context(inventory)
    context.refuse_unlocked()
    assert not [name for name in json.dumps(context.rendered).split('"') if name.endswith("_locked") or "@sha256" in name]


def test_roles_get_exact_versions_checksums_and_digests(inventory: Path, write: Write) -> None:
    write(lock_of(Context(inventory), BOOKWORM))
    context = Context(inventory)
    context.refuse_unlocked()
    host = context.cluster.members("masters")[0].name
    own = told(context, host)
    assert own["docker_locked"] == {name: f"{VERSIONS[name]}~bookworm" for name in ("docker-ce", "docker-ce-cli", "containerd.io")}
    assert own["mesos_locked"] == {"aventer-mesos": "1.11.0-0.9.0~bookworm"}
    assert own["logstash_locked"] == {"logstash": "1:9.5.6-1~bookworm"}
    assert "zookeeper_locked" not in own, "Java follows the distribution"
    assert own["marathon_image"] == f"mesosphere/marathon:v1.11.24@{DIGEST}"
    assert own["chronos_probe"]["image"] == own["chronos_image"]
    assert own["zookeeper_archive_sha256"] == DIGEST.removeprefix("sha256:"), "the catalogue has the address of one"
    assert (own["docker_version"], own["mesos_version"]) == ("29", "1.11.0-0.9.0"), "what the roles decide by"


def test_a_lock_is_made_of_what_the_inventory_asks_for_and_not_of_itself(inventory: Path, write: Write) -> None:
    before = needed(Context(inventory))
    write(lock_of(Context(inventory), BOOKWORM))
    assert needed(Context(inventory)) == before


def test_a_site_that_moves_to_a_mirror_of_its_own_keeps_the_lock(inventory: Path, write: Write) -> None:
    write(lock_of(Context(inventory), BOOKWORM))
    inventory.write_text(inventory.read_text().replace("  vars:\n", "  vars:\n    cluster_registry: mirror.example.com:5000\n", 1))
    context = Context(inventory)
    context.refuse_unlocked()
    assert told(context, "m1")["marathon_image"] == f"mirror.example.com:5000/mesosphere/marathon:v1.11.24@{DIGEST}"


def test_each_host_gets_the_versions_of_its_system(inventory: Path, write: Write) -> None:
    write(lock_of(Context(inventory), BOOKWORM, NOBLE))
    assert "mesos_locked" not in told(Context(inventory), "m1"), "not before its system is known"
    fact_cache.keep(Context(inventory).cluster, {"m1": FACTS[BOOKWORM], "a1": FACTS[NOBLE]})
    context = Context(inventory)
    assert told(context, "m1")["mesos_locked"] == {"aventer-mesos": "1.11.0-0.9.0~bookworm"}
    assert told(context, "a1")["mesos_locked"] == {"aventer-mesos": "1.11.0-0.9.0~noble"}


def without(word: str) -> Callable[[Lock], Lock]:
    return lambda lock: replace(lock, artefacts=tuple(a for a in lock.artefacts if word not in a.name))


@pytest.mark.parametrize(("change", "words"), [
    (without("mesos"), "no package aventer-mesos for debian12/amd64"),
    (without("chronos"), "no image mesosphere/chronos:v3.0.2"),
    (without("consul"), "no archive consul_2.0.4_linux_amd64.zip 2.0.4"),
    (lambda lock: replace(lock, systems=(NOBLE,)), "nothing for debian12/amd64, the system of m1"),
])
def test_what_the_lock_lacks_is_refused_with_what_to_do(inventory: Path, write: Write, change: Callable[[Lock], Lock], words: str) -> None:
    fact_cache.keep(Context(inventory).cluster, {"m1": FACTS[BOOKWORM]})
    write(change(lock_of(Context(inventory), BOOKWORM)))
    with pytest.raises(InventoryError, match=words) as caught:
        Context(inventory).refuse_unlocked()
    assert caught.value.where.endswith("provision.lock")
    assert "provision lock" in caught.value.hint
    with pytest.raises(InventoryError, match=words):
        Context(inventory).doubts()


def test_a_version_that_was_changed_by_hand_is_refused_with_both(inventory: Path, write: Write) -> None:
    write(lock_of(Context(inventory), BOOKWORM, **{"docker-ce": "5:28.5.1-1"}))
    with pytest.raises(InventoryError, match=r"docker-ce 5:28\.5\.1-1 for debian12/amd64, and the inventory asks for 29"):
        Context(inventory).refuse_unlocked()


@pytest.mark.parametrize("named", [False, True], ids=["not in the lock", "in the lock"])
def test_hosts_without_apt_get_archives_and_images_by_it(inventory: Path, write: Write, named: bool) -> None:
    packages = [Locked(PACKAGE, name, "29.1.2-1", DIGEST, 1, "docker", ROCKY.name) for name in ("docker-ce", "docker-ce-cli")]
    lock = lock_of(Context(inventory), BOOKWORM)
    write(Lock((*lock.systems, ROCKY), (*lock.artefacts, *packages)) if named else lock)
    fact_cache.keep(Context(inventory).cluster, {"m1": FACTS[ROCKY]})
    context = Context(inventory)
    context.refuse_unlocked()
    own = told(context, "m1")
    assert "docker_locked" not in own
    assert own["marathon_image"].endswith(DIGEST)
    assert own["consul_archive_sha256"] == DIGEST.removeprefix("sha256:")
    assert context.following.without_packages == ("rocky9/amd64",)


def test_each_host_gets_the_checksum_of_the_archive_for_its_processor(inventory: Path, write: Write) -> None:
    arm = replace(BOOKWORM, architecture="arm64")
    lock = lock_of(Context(inventory), BOOKWORM, arm)
    other = "sha256:" + "cd" * 32
    write(replace(lock, artefacts=tuple(replace(a, digest=other) if a.name.endswith("_arm64.zip") else a for a in lock.artefacts)))
    said = Context(inventory).catalogue.wanted("consul", {})
    assert said and told(Context(inventory), "m1")["consul_archive_sha256"] == said.get("checksum"), "not before its processor is known"
    fact_cache.keep(Context(inventory).cluster, {"m1": FACTS[BOOKWORM], "m2": {**FACTS[BOOKWORM], "ansible_architecture": "aarch64"}})
    context = Context(inventory)
    context.refuse_unlocked()
    assert told(context, "m1")["consul_archive_sha256"] == DIGEST.removeprefix("sha256:")
    assert told(context, "m2")["consul_archive_sha256"] == other.removeprefix("sha256:")


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def calm(inventory: Path) -> Context:
    """Hosts that were looked at before, and on which all is as it was applied."""
    def answer(call: Call) -> Completed:
        if not call.request:
            return said()
        return probed(facts=facts(), health={name: {"state": "ok"} for name in call.request["health"]},
                      unsettled=dict.fromkeys(call.request.get("applied", {}), ""))

    found = Context(inventory, transport=FakeTransport({h.name: answer for h in Context(inventory).cluster.hosts}))
    fact_cache.keep(found.cluster, {h.name: to_ansible_facts(facts()) for h in found.cluster.hosts})
    record(found.cluster, [f"{login(h).known_as} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA{'A' * 42}" for h in found.cluster.hosts])
    return found


def again(context: Context) -> Context:
    """The next command's."""
    return Context(context.path, transport=context.transport)


def planned(context: Context, capsys: pytest.CaptureFixture[str], **options: Any) -> str:
    """What `plan` prints."""
    capsys.readouterr()
    plan.run(again(context), Console(), plan.Options(**options))
    return capsys.readouterr().out


def test_a_plan_begins_with_what_the_lock_has_moved_since_the_last_up(calm: Context, write: Write,
                                                                      capsys: pytest.CaptureFixture[str]) -> None:
    assert planned(calm, capsys) == "nothing to do\n"
    first = lock_of(calm, BOOKWORM)
    write(first)
    assert planned(calm, capsys).splitlines()[0] == "provision.lock is followed for the first time"
    assert up.run(again(calm), Console(), up.Options()) == 0
    assert str(followed.read(calm.cluster)) == str(first)
    assert planned(calm, capsys) == "nothing to do\n"
    write(lock_of(calm, BOOKWORM, **{"docker-ce": "5:29.1.3-1"}))
    assert planned(calm, capsys).splitlines()[:2] == [
        "provision.lock has moved since the last 'up':", "  package docker-ce (debian12/amd64): 5:29.1.2-1~bookworm → 5:29.1.3-1"]
    assert "docker-ce (debian12/amd64): 5:29.1.2-1~bookworm" in json.loads(planned(calm, capsys, json=True))["lock"][1]
    assert up.run(again(calm), Console(), up.Options(limit="m1")) == 0
    assert str(followed.read(calm.cluster)) == str(first), "not yet on all hosts"
    (calm.path.parent / "provision.lock").unlink()
    assert planned(calm, capsys).splitlines()[0] == "provision.lock is gone: versions are those of the catalogue again"
    assert up.run(again(calm), Console(), up.Options()) == 0
    assert followed.read(calm.cluster) is None


def test_a_lock_that_does_not_fit_is_refused_before_any_host_is_asked(calm: Context, write: Write) -> None:
    write(without("chronos")(lock_of(calm, BOOKWORM)))
    verbs: tuple[tuple[Any, Any], ...] = (
        (up, up.Options()), (plan, plan.Options()), (preflight, preflight.Options()), (validate, validate.Options()))
    for verb, options in verbs:
        with pytest.raises(InventoryError, match="it has no image mesosphere/chronos"):
            verb.run(again(calm), Console(), options)
    assert calm.transport.calls == []  # type: ignore[attr-defined]
    assert again(calm).rendered, "other commands go on"


def test_hosts_are_looked_at_again_where_the_lock_was_read_for_other_systems(inventory: Path, write: Write,
                                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    context = Context(inventory, transport=FakeTransport())
    write(lock_of(context, BOOKWORM, NOBLE))
    seen: list[Mapping[str, Any]] = []

    def look(cluster: Any, rendered: Mapping[str, Any], *_: Any, **__: Any) -> Report:
        seen.append(host_variables(rendered, "m1"))
        return Report((), {h.name: facts() for h in cluster.hosts}, {})

    monkeypatch.setattr(preflights, "preflight", look)
    with prepared(context, Console(), Scope(), INSPECTING) as done:
        assert [own.get("mesos_locked") for own in seen] == [None, {"aventer-mesos": "1.11.0-0.9.0~bookworm"}]
        assert told(done.context, "m1")["mesos_locked"] == {"aventer-mesos": "1.11.0-0.9.0~bookworm"}
    with prepared(Context(inventory, transport=FakeTransport()), Console(), Scope(), INSPECTING):
        assert len(seen) == 3, "the facts were kept"
    (context.cluster.state_dir / "facts.json").unlink()
    write(lock_of(context, NOBLE))
    with (pytest.raises(InventoryError, match=r"nothing for debian12/amd64, the system of m1"),
          prepared(Context(inventory, transport=FakeTransport()), Console(), Scope(), INSPECTING)):
        pass


def test_a_host_that_runs_something_newer_is_refused_as_any_way_back(calm: Context, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(lock_of(calm, BOOKWORM))
    monkeypatch.setattr(preflights, "preflight", lambda cluster, *_, **__: Report((), {h.name: facts() for h in cluster.hosts}, {}))

    def answer(call: Call) -> Completed:
        versions = {name: {"state": "ok", "version": "29.2.0" if name == "docker" else ""} for name in call.request.get("health", {})}
        return probed(health=versions, unsettled=dict.fromkeys(call.request.get("applied", {}), ""))

    context = Context(calm.path, transport=FakeTransport({h.name: answer for h in calm.cluster.hosts}))
    with (pytest.raises(StepFailed, match=r"m1: Docker runs 29\.2\.0, 5:29\.1\.2-1~bookworm is asked for"),
          prepared(context, Console(), Scope(), ASSESSING)):
        pass


def test_a_damaged_note_of_what_was_followed_is_replaced(calm: Context) -> None:
    path = calm.cluster.state_dir / "provision.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("damaged")
    followed.keep(calm.cluster, Lock())
    assert followed.read(calm.cluster) == Lock()
