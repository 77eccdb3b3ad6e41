"""Archives are whole or refused; each part comes back as it was; a cluster never gets a second identity."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioner.cluster.model import Host
from provisioner.components.chronos.backup import ChronosJobs
from provisioner.components.consul.backup import SAVE, ConsulSnapshot
from provisioner.components.marathon.backup import MarathonApps
from provisioner.components.zookeeper.backup import OWN_TREES, ZooKeeperNodes
from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import StepFailed, UnreachableError, UsageError
from provisioner.hosts.http_api import Api
from provisioner.hosts.openssh import Completed
from provisioner.hosts.remote_calls import RemoteCalls, Reply
from provisioner.hosts.zookeeper import Node, Tree
from provisioner.inventory.starter import write_inventory
from provisioner.observe.observation import HostObservation, Observation
from provisioner.run import settled
from provisioner.state import ledger, secrets
from provisioner.verbs import restore
from provisioner.verbs.backup import archive
from provisioner.verbs.backup import work as backup_run
from provisioner.verbs.backup.archive import Archive
from provisioner.verbs.backup.work import SAVED, parts_of, run_restore, save, working_hosts
from provisioner_lab.testing import Call, FakeTransport, host_that_probes, said

M1, M2 = Host("m1", "192.0.2.1"), Host("m2", "192.0.2.2")
MADE = Archive("c", "an id", "2026-11-23T00:00:00+00:00", {"identity/ledger.yml": b"ledger", "marathon.json": b"[]"})


def test_an_archive_comes_back_as_it_was_and_is_private(tmp_path: Path) -> None:
    archive.write(tmp_path / "b.tar.gz", MADE)
    assert archive.read(tmp_path / "b.tar.gz") == MADE
    assert (tmp_path / "b.tar.gz").stat().st_mode & 0o077 == 0


def test_whatever_is_no_whole_backup_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "b.tar.gz"
    archive.write(whole, MADE)
    cut, other, foreign = tmp_path / "cut", tmp_path / "other", tmp_path / "foreign"
    cut.write_bytes(whole.read_bytes()[:-40])
    other.write_text("hello")
    with tarfile.open(foreign, "w") as tar:
        tar.add(other, "hello")
    for path in (cut, other, foreign):
        with pytest.raises(UsageError, match="not a backup, or an incomplete one") as refused:
            archive.read(path)
        assert "\n" not in refused.value.message
    with pytest.raises(UsageError, match="no such file"):
        archive.read(tmp_path / "missing")


def test_a_changed_part_is_named(tmp_path: Path) -> None:
    archive.write(tmp_path / "b.tar.gz", MADE)
    with tarfile.open(tmp_path / "b.tar.gz") as tar:
        tar.extractall(tmp_path / "in", filter="data")
    (tmp_path / "in/marathon.json").write_text("[1]")
    (tmp_path / "in/more.json").write_text("")
    with tarfile.open(tmp_path / "forged", "w") as tar:
        for file in sorted((tmp_path / "in").rglob("*.*")):
            tar.add(file, str(file.relative_to(tmp_path / "in")))
    with pytest.raises(UsageError, match=re.escape("damaged: checksum mismatch in marathon.json, more.json")):
        archive.read(tmp_path / "forged")


def test_zookeeper_nodes_keep_bytes_and_rules() -> None:
    kept: list[Node] = []

    class Fake:
        def walk(self, left_out: Collection[str]) -> Iterator[Node]:
            assert set(left_out) == set(OWN_TREES)
            yield Node("/app", b"\x00\xff", ((31, "digest", "app:x="), (1, "world", "anyone")))
            yield Node("/app/b", b"", ((31, "world", "anyone"),))

        def put(self, node: Node) -> None:
            kept.append(node)

    @contextmanager
    def tree() -> Iterator[Tree]:
        yield Fake()

    part = ZooKeeperNodes(tree)
    assert part.put_back(part.save()) == "2 nodes"
    assert kept == list(Fake().walk(OWN_TREES))


class Framework(RemoteCalls):
    """Answers what the test says; `asked` is everything that was asked. m1 can't be entered."""

    def __init__(self, **answers: object) -> None:
        super().__init__(FakeTransport())
        self.answers, self.asked = answers, list[tuple[str, str, object]]()

    def http(self, host: Host, method: str, server: str, path: str, body: object = None, *, name: str = "",
             credentials: str = "") -> Reply:
        if host.name == "m1":
            raise UnreachableError("away")
        self.asked.append((method, path, body))
        return Reply(200, json.dumps(self.answers[method])) if method in self.answers else Reply(500, "broken")


def api(calls: RemoteCalls) -> Api:
    return Api(calls, "Marathon", [(M1, "192.0.2.1:8080"), (M2, "192.0.2.2:8080")])


def test_apps_come_back_as_they_were_defined_from_any_host_that_answers() -> None:
    app = {"id": "/web", "cmd": "true", "instances": 2}
    marathon = Framework(GET={"apps": [{**app, "tasksRunning": 2, "version": "x", "deployments": []}]}, PUT={})
    part = MarathonApps(api(marathon))
    assert part.put_back(part.save()) == "1 app"
    assert marathon.asked[-1] == ("PUT", "/v2/apps?force=true", [app])


def test_no_apps_are_no_request() -> None:
    marathon = Framework()
    assert MarathonApps(api(marathon)).put_back(b"[]") == "0 apps"
    assert marathon.asked == []


def test_a_framework_that_does_not_answer_is_named() -> None:
    with pytest.raises(StepFailed, match="Marathon answers 500 broken to GET /v2/apps"):
        MarathonApps(api(Framework())).save()


def test_jobs_follow_those_they_wait_for() -> None:
    jobs = [{"name": "c", "parents": ["b"]}, {"name": "b", "parents": ["a"]}, {"name": "lost", "parents": ["gone"]},
            {"name": "a", "schedule": "R/", "successCount": 3}]
    chronos = Framework(GET=jobs, POST=None)
    part = ChronosJobs(api(chronos))
    assert part.put_back(part.save()) == "4 jobs"
    posted = [(path, body) for method, path, body in chronos.asked if method == "POST"]
    assert posted[0] == ("/v1/scheduler/iso8601", {"name": "a", "schedule": "R/"})
    assert [body["name"] for _, body in posted[1:] if isinstance(body, dict)] == ["b", "c", "lost"]
    assert {path for path, _ in posted[1:]} == {"/v1/scheduler/dependency"}


def test_a_snapshot_larger_than_one_answer_comes_in_pieces_and_leaves_nothing() -> None:
    pieces = {0: "a" * 10, 1: "b" * 3}

    def host(call: Call) -> Completed:
        if "mktemp" in call.command:
            return said("/run/provision-backup.x\n")
        if "stat -c" in call.command:
            return said(str(4 * 1024 * 1024 + 3))
        found = re.search(r"skip=(\d)", call.command)
        return said(pieces[int(found[1])] if found else "")

    transport = FakeTransport({"m1": host})
    assert ConsulSnapshot(transport, M1).save() == b"a" * 10 + b"b" * 3
    assert transport.calls[-1].command == "rm -rf /run/provision-backup.x"


@pytest.mark.parametrize(("refusals", "code"), [(0, 0), (2, 0), (3, 1)])
def test_a_snapshot_that_breaks_off_is_asked_for_again(tmp_path: Path, refusals: int, code: int) -> None:
    """On a busy server the connection to the leader was reset once."""
    consul, sleep = tmp_path / "consul", tmp_path / "sleep"
    consul.write_text(f"#!/bin/sh\necho x >>{tmp_path}/asked; [ $(wc -l <{tmp_path}/asked) -gt {refusals} ] && touch $3\n")
    sleep.write_text("#!/bin/sh\n")
    for program in (consul, sleep):
        program.chmod(0o755)
    script = SAVE.format(file=tmp_path / "snap").replace("/usr/local/bin/consul", str(consul))
    assert subprocess.run(["sh", "-c", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False).returncode == code
    assert (tmp_path / "snap").exists() is (code == 0)


def test_what_consul_says_against_a_snapshot_is_shown() -> None:
    transport = FakeTransport({"m1": said(stderr="No cluster leader", code=1)})
    with pytest.raises(StepFailed, match="No cluster leader"):
        ConsulSnapshot(transport, M1).put_back(b"snap")


def test_an_identity_comes_back_beside_a_fresh_inventory_only(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old, new = (Context(write_inventory(tmp_path / name)) for name in ("old", "new"))
    ledger.save(old.cluster, old.ledger)
    secrets.ensure(old.cluster)
    files = {"identity/ledger.yml": ledger.ledger_path(old.cluster), "identity/secrets.yml": secrets.secrets_path(old.cluster),
             "identity/vault_password": secrets.password_file(old.cluster)}
    made = Archive("c", old.ledger.cluster_id, "now", {name: path.read_bytes() for name, path in files.items()})
    archive.write(tmp_path / "b.tar.gz", made)
    run_restore(new, Console(), restore.Options(str(tmp_path / "b.tar.gz"), identity=True))
    assert Context(new.path).ledger == old.ledger
    assert secrets.load(new.cluster) == secrets.load(old.cluster)
    with pytest.raises(UsageError, match="has an identity already"):
        run_restore(new, Console(), restore.Options(str(tmp_path / "b.tar.gz"), identity=True))


def context_that_sees(folder: Path, state: str) -> Context:
    """A cluster made of the example, on which every component is in this state."""
    path = write_inventory(folder)
    cluster = Context(path).cluster
    secrets.ensure(cluster)
    health = {name: {"state": state, "version": "1"} for name in (c.name for c in SAVED)}
    return Context(path, transport=FakeTransport({h.name: host_that_probes(facts={}, health=health) for h in cluster.hosts}))


def test_every_part_is_asked_of_hosts_where_it_works(tmp_path: Path) -> None:
    context = context_that_sees(tmp_path, "ok")
    working = working_hosts(context)
    assert {name: [h.name for h in hosts] for name, hosts in working.items()} == {
        c.name: [h.name for h in context.cluster.members(c.saved_by)] for c in SAVED}
    assert [part.file for part in parts_of(context, working)] == ["zookeeper.json", "consul.snap", "marathon.json", "chronos.json"]


def test_what_works_nowhere_can_not_be_saved(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="nothing was done: zookeeper is down on all"):
        working_hosts(context_that_sees(tmp_path, "down"))


def test_a_cluster_of_which_nobody_answers_is_not_said_to_be_down(tmp_path: Path) -> None:
    path = write_inventory(tmp_path)
    with pytest.raises(UnreachableError, match="nothing was done: m1, m2, m3 do not answer: "):
        working_hosts(Context(path, transport=FakeTransport()))


@pytest.mark.parametrize(("later", "fine"), [(("m1", 100.0), True), (("m1", 200.0), False), (("m2", 200.0), False)])
def test_nothing_is_written_when_there_was_an_election_meanwhile(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: tuple[str, float], fine: bool) -> None:
    """Also when the same member leads again: what it listed before it had loaded what it keeps may have been nothing."""
    def led(host: str, registered: float) -> Observation:
        leads = {"state": "ok", "facts": {"framework": "registered", "registered": registered, "registered_seconds": 60}}
        return Observation({host: HostObservation(True, health={"marathon": leads, "chronos": leads})})

    context, looks = context_that_sees(tmp_path, "ok"), [led("m1", 100.0), led(*later)]
    monkeypatch.setattr(settled, "observe", lambda *_, **__: looks.pop(0))
    monkeypatch.setattr(backup_run, "parts_of", lambda *_: [])
    ledger.save(context.cluster, context.ledger)
    file = tmp_path / "b.tar.gz"
    if fine:
        assert save(context, Console(), file) == file and file.exists()
    else:
        with pytest.raises(StepFailed, match="nothing was written: a leader was elected meanwhile"):
            save(context, Console(), file)
        assert not file.exists()
