"""What may be skipped and what not: the host's half on real files and processes, the driver's half on digests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provisioner.components import COMPONENTS, component
from provisioner.components.model import Component
from provisioner.inventory.schema import load_schema
from provisioner.inventory.witness import witness
from provisioner.paths import roles_dir
from provisioner.plan.fingerprint import LONG, Shared, digest
from provisioner.probe import applied as host
from provisioner.probe import notes

DIGEST = "d" * 64


@dataclass(frozen=True)
class Settled:
    """A host that is as its roles left it: the packages and unit states that it has, and what it is asked when it is called."""

    installed: dict[str, str]
    states: dict[str, str]
    question: dict[str, Any]

    def __call__(self) -> dict[str, Any]:
        return self.question


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settled:
    """A host with one file, one folder, one package and one running unit, applied and noted."""
    monkeypatch.setattr(host, "NOTES", str(tmp_path / "notes"))
    (tmp_path / "zoo.cfg").write_text("tickTime=2000\n")
    (tmp_path / "folder").mkdir()
    installed = {"zookeeper": "3.8.0-11 ii "}
    states = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "MainPID": str(os.getpid()),
              "InvocationID": "one", "NeedDaemonReload": "no", "FragmentPath": "", "DropInPaths": ""}
    monkeypatch.setattr(host, "packages", lambda names: dict(installed))
    monkeypatch.setattr(host, "units", lambda names: {"zookeeper": dict(states)})
    monkeypatch.setattr(host, "process_start", lambda pid: time.time() + 1)
    asked = {"zookeeper": {"digest": DIGEST, "witness": {
        "files": [str(tmp_path / "folder"), str(tmp_path / "extra*")], "units": {"zookeeper": [str(tmp_path / "zoo.cfg")]},
        "packages": ["zookeeper"], "listeners": []}}}

    notes.record(asked)
    assert host.unsettled(asked) == {"zookeeper": ""}
    return Settled(installed, states, asked)


@pytest.mark.parametrize(("change", "why"), [
    (lambda p: (p / "zoo.cfg").write_text("tickTime=1\n"), "zoo.cfg was edited"),
    (lambda p: (p / "zoo.cfg").unlink(), "zoo.cfg is missing"),
    (lambda p: (p / "zoo.cfg").chmod(0o666), "zoo.cfg has another owner or mode"),
    (lambda p: (p / "folder").rmdir(), "folder is missing"),
    (lambda p: (p / "extra.conf").write_text(""), "extra.conf is new"),
    (lambda p: (p / "notes/zookeeper.json").unlink(), "not applied yet"),
    (lambda p: (p / "notes/zookeeper.json").write_text("{"), "can't be read"),
    (lambda p: (p / "notes/zookeeper.json").write_text("[]"), "can't be read"),
])
def test_what_changed_on_disk_is_named(settled: Settled, tmp_path: Path, change: Callable[[Path], Any], why: str) -> None:
    change(tmp_path)
    assert why in host.unsettled(settled())["zookeeper"]


def test_all_that_differs_is_named(settled: Settled, tmp_path: Path) -> None:
    (tmp_path / "zoo.cfg").chmod(0o666)
    (tmp_path / "extra.conf").write_text("")
    settled.states["ActiveState"] = "failed"
    assert host.unsettled(settled())["zookeeper"].split("; ") == [
        f"{tmp_path}/extra.conf is new", f"{tmp_path}/zoo.cfg has another owner or mode", "unit zookeeper is failed, was active"]


def test_faking_a_files_time_hides_nothing(settled: Settled, tmp_path: Path) -> None:
    file = tmp_path / "zoo.cfg"
    before = file.stat()
    file.write_text("tickTime=2001\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "was edited" in host.unsettled(settled())["zookeeper"]


def large(settled: Settled, tmp_path: Path) -> Any:
    """A question about a program of 2 MiB, and a link to it, applied and noted."""
    (tmp_path / "program").write_bytes(b"x" * 2 * host.LARGE)
    (tmp_path / "link").symlink_to(tmp_path / "program")
    asked = settled()
    asked["zookeeper"]["witness"]["files"] += [str(tmp_path / "program"), str(tmp_path / "link")]
    notes.record(asked)
    return asked


def test_a_large_file_is_not_read_again(settled: Settled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, reading = large(settled, tmp_path), Path.open

    def read(file: Path, *arguments: Any, **options: Any) -> Any:
        assert file.name not in ("program", "link")
        return reading(file, *arguments, **options)

    monkeypatch.setattr(Path, "open", read)
    assert host.unsettled(asked) == {"zookeeper": ""}


def test_a_large_file_that_was_written_to_is_read_again(settled: Settled, tmp_path: Path) -> None:
    asked, program = large(settled, tmp_path), tmp_path / "program"
    before = program.stat()
    os.utime(program)
    assert host.unsettled(asked) == {"zookeeper": ""}, "only its times are others"
    with program.open("r+b") as file:
        file.write(b"y")
    os.utime(program, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert host.unsettled(asked)["zookeeper"] == f"{tmp_path}/link was edited; {tmp_path}/program was edited"
    program.unlink()
    assert host.unsettled(asked)["zookeeper"] == f"{tmp_path}/link was edited; {tmp_path}/program is missing"


@pytest.mark.parametrize(("field", "value", "why"), [
    ("ActiveState", "inactive", "unit zookeeper is inactive, was active"),
    ("UnitFileState", "disabled", "unit zookeeper is disabled, was enabled"),
    ("LoadState", "masked", "unit zookeeper is masked, was loaded"),
    ("NeedDaemonReload", "yes", "not read by systemd"),
])
def test_what_systemd_says_otherwise_is_named(settled: Settled, field: str, value: str, why: str) -> None:
    settled.states[field] = value
    assert why in host.unsettled(settled())["zookeeper"]


def test_another_package_version_is_named(settled: Settled) -> None:
    settled.installed["zookeeper"] = "3.9.0 ii "
    assert host.unsettled(settled())["zookeeper"] == "package zookeeper is 3.9.0 ii , was 3.8.0-11 ii "


def test_a_unit_that_started_before_its_file_was_written_is_stale(settled: Settled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "process_start", lambda pid: time.time() - 1000)
    assert notes.stale(settled()) == {"zookeeper": ["zookeeper"]}
    notes.begin(settled())
    assert notes.record(settled()) == {"zookeeper": ["zookeeper"]}, "it has to be restarted before"
    assert not host.note("zookeeper").exists()
    assert notes.record({"zookeeper": {**settled()["zookeeper"], "leave": ["zookeeper"]}}) == {"zookeeper": []}
    assert host.note("zookeeper").exists()
    assert host.unsettled(settled())["zookeeper"] == "", "the same process as when it was noted, and the same files"
    settled.states["InvocationID"] = "two"
    assert "other settings" in host.unsettled(settled())["zookeeper"]


def test_other_wishes_old_notes_and_notes_from_the_future_do_not_count(settled: Settled, tmp_path: Path) -> None:
    question = settled()
    other = {"zookeeper": {**question["zookeeper"], "digest": "e" * 64}}
    assert "other settings" in host.unsettled(other)["zookeeper"]
    note = tmp_path / "notes/zookeeper.json"
    content = json.loads(note.read_text())
    for shift in (-8 * 24 * 3600, 3600):
        note.write_text(json.dumps({**content, "time": time.time() + shift}))
        assert host.unsettled(question)["zookeeper"] == "not looked at closely for over a week"


def test_a_change_begins_by_forgetting(settled: Settled, tmp_path: Path) -> None:
    notes.begin(settled())
    assert not (tmp_path / "notes/zookeeper.json").exists()
    assert "not applied yet" in host.unsettled(settled())["zookeeper"]
    notes.begin(settled())


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A host that no role has touched, with a folder for settings; the question of a component that writes one of them and the witness of
    another that shares it."""
    monkeypatch.setattr(host, "NOTES", str(tmp_path / "notes"))
    monkeypatch.setattr(notes, "PLACES", (f"{tmp_path}/etc/",))
    (tmp_path / "etc").mkdir()
    witness = {"files": [f"{tmp_path}/etc", f"{tmp_path}/var/data"], "units": {"docker": [f"{tmp_path}/etc/daemon.json"]}, "packages": [],
               "listeners": []}
    return {"docker": {"witness": witness, "digest": DIGEST}}


def test_what_another_wrote_is_laid_aside_once_before_the_first_change(places: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "etc/daemon.json"
    file.write_text('{"data-root": "/data"}')
    file.chmod(0o600)
    assert notes.others("docker", places["docker"]["witness"]) == [str(file)]
    (kept,) = notes.begin(places)["docker"]
    assert (Path(kept).read_text(), oct(Path(kept).stat().st_mode)[-3:]) == ('{"data-root": "/data"}', "600")
    assert kept.startswith(f"{file}.before-provision-2")
    file.write_text("{}")  # the role writes its own, and dies before it notes that
    assert notes.begin(places) == {"docker": []}, "ours from the first change on"
    notes.record(places)
    assert notes.begin(places) == {"docker": []}
    assert sorted(path.name for path in (tmp_path / "etc").iterdir()) == ["daemon.json", Path(kept).name]


def test_what_is_ours_is_not_laid_aside(places: dict[str, Any], tmp_path: Path) -> None:
    witness = places["docker"]["witness"]
    assert notes.others("docker", witness) == [], "nothing is there"
    (tmp_path / "etc/daemon.json").write_text("# Managed by provisioner, role docker\n")
    assert notes.others("docker", witness) == []
    (tmp_path / "etc/daemon.json").write_text("{}")
    notes.begin({"another": places["docker"]})
    assert notes.others("docker", witness) == [], "another component's, which shares the file"
    notes.forget({"another": {}})
    assert notes.others("docker", witness) == [str(tmp_path / "etc/daemon.json")], "what comes after a removal is somebody's again"
    assert notes.begin({"docker": {"digest": DIGEST}}) == {"docker": []}, "without a witness nothing is known of files"


def test_notes_are_private(settled: Settled, tmp_path: Path) -> None:
    assert oct((tmp_path / "notes/zookeeper.json").stat().st_mode & 0o777) == "0o600"
    assert oct((tmp_path / "notes").stat().st_mode & 0o777) == "0o700"


def test_the_start_of_a_process_is_known() -> None:
    begin = time.time()
    child = subprocess.Popen(["sleep", "30"])
    try:
        assert abs(host.process_start(child.pid) - begin) < 1.0
    finally:
        child.kill()
        child.wait()
    assert host.process_start(child.pid) == 0.0


def test_the_digest_covers_what_decides_and_nothing_else() -> None:
    variables = {"zookeeper_tick_ms": 2000, "zookeeper_probe": {"members": 3}, "consul_server": True,
                 "zookeeper_super_digest": "{{ vault_super }}"}
    marks = {"vault_super": "a", "vault_other": "b"}
    facts = {"ansible_os_family": "Debian", "ansible_machine_id": "a", "ansible_fqdn": "m1"}
    zookeeper = component("zookeeper")

    def of(changed: dict[str, Any] | None = None, other: dict[str, Any] | None = None, cluster: str = "id",
           secrets: dict[str, str] | None = None) -> str:
        return digest(zookeeper, {**variables, **(changed or {})}, {**facts, **(other or {})}, cluster, {**marks, **(secrets or {})})

    for different in (of({"zookeeper_tick_ms": 1}), of(None, {"ansible_os_family": "RedHat"}), of(None, {"ansible_machine_id": "b"}),
                      of(cluster="other"), of(secrets={"vault_super": "c"}), of(secrets={"": "of all"}),
                      digest(component("dns"), variables, facts, "id", marks)):
        assert different != of()
    for same in (of({"zookeeper_probe": {"members": 5}}), of({"consul_server": False}), of(None, {"ansible_fqdn": "m1.example"}),
                 of(secrets={"vault_other": "c"})):
        assert same == of()


def test_a_variable_counts_alike_whether_hosts_share_it_or_not_and_however_long_it_is() -> None:
    zookeeper = component("zookeeper")
    short = {"zookeeper_tick_ms": 2000, "zookeeper_data": {"b": 1, "a": None}, "zookeeper_text": 'Zürich "'}
    long = {"zookeeper_hosts": [{"name": f"h{n}"} for n in range(1000)], "zookeeper_secret": "x" * LONG + " {{ vault_super }}"}

    def of(own: dict[str, Any], shared: dict[str, Any], mark: str = "a") -> str:
        return digest(zookeeper, own, {}, "id", {"vault_super": mark}, Shared(shared))

    everything = {**short, **long}
    assert of(everything, {}) == of({}, everything) == of(short, long) == of(long, short) == of(long, {**short, "zookeeper_hosts": []})
    assert of(everything, {}, "b") != of(everything, {}), "a secret that a long value names"
    for name in everything:
        assert of({name: "another"}, everything) != of({}, everything), name
        assert of({name: [everything[name]]}, everything) != of({}, everything), name
    assert of({}, {**everything, "zookeeper_probe": 1, "consul_server": True}) == of({}, everything)


def test_every_component_has_witnesses_that_can_be_asked_for() -> None:
    defaults = {**load_schema().all_defaults(), "mesos_package": "mesos", "logstash_package": "logstash"}
    for each in COMPONENTS:
        found = witness(each, defaults)
        assert set(found) == {"files", "units", "packages", "listeners"}, each.name
        if each.unit:
            assert each.unit in found["units"], each.name
        assert all(path.startswith("/") for path in found["files"]), each.name
        for listener in found["listeners"]:
            port, protocol = listener.rpartition(":")[2].split("/")
            assert port.isdigit(), listener
            assert protocol in ("tcp", "udp"), listener


@pytest.mark.parametrize("each", COMPONENTS, ids=lambda each: str(each.name))
def test_what_root_asks_with_is_watched_by_the_role_that_writes_it(each: Component) -> None:
    """Without it nobody of ours gets in any more, and no other witness shows that."""
    role = roles_dir() / each.role
    written = {path for file in ("tasks/configure.yml", "vars/main.yml") if (role / file).exists()
               for path in re.findall(r"/etc/provisioner/credentials/\w+\.\w+", (role / file).read_text())}
    defaults = {**load_schema().all_defaults(), "mesos_package": "mesos", "logstash_package": "logstash"}
    watched = [witness(c, defaults) for c in COMPONENTS if c.role == each.role]
    assert written <= {path for one in watched for path in [*one["files"], *(file for files in one["units"].values() for file in files)]}


def test_an_entry_stands_for_each_key_of_a_variable_that_has_some() -> None:
    defaults = load_schema().all_defaults()
    asked = {"common_credentials": {"one": {"user": "viewer"}, "two": {}}}
    paths = [path for path in witness(component("common"), {**defaults, **asked})["files"] if "/credentials/" in path]
    assert paths == ["/etc/provisioner/credentials/one.json", "/etc/provisioner/credentials/two.json"]
    assert not any("{" in path for path in witness(component("common"), defaults)["files"])


def test_what_all_components_share_is_kept_by_roles_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each begins with it, in a process of its own; one lost what the other wrote, or stopped because its file was gone."""
    monkeypatch.setattr(host, "NOTES", str(tmp_path / "notes"))
    monkeypatch.setattr(notes, "PLACES", (f"{tmp_path}/etc/",))
    asked = {f"c{n}": {"witness": {"files": [f"{tmp_path}/etc/{n}"], "units": {}, "packages": [], "listeners": []}} for n in range(40)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: notes.begin({name: asked[name]}), asked))
    assert notes.owned() == {name: one["witness"]["files"] for name, one in asked.items()}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: notes.forget({name: {}}), list(asked)[:39]))
    assert [*notes.owned()] == ["c39"]
