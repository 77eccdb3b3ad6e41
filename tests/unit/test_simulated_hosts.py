"""The hosts of `bench/thousand.py`: real clients get real answers over real SSH, and nobody gets in with a wrong key."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.simulated_hosts import APPLIED_OTHERWISE, NOT_APPLIED, Recording, Simulated, SimulatedCluster
from bench.ssh_server import SshServer, answer_of, became_root, is_probe, private_key, private_text
from bench.thousand import built
from provisioner.cluster.model import Host
from provisioner.context import Context
from provisioner.hosts.host_keys import establish
from provisioner.hosts.known_hosts import KnownHosts
from provisioner.hosts.openssh import Completed, OpenSsh, SshError, Transport
from provisioner.hosts.paramiko import Paramiko
from provisioner.inventory.addresses import own_address
from provisioner.observe.observation import observe
from provisioner.observe.preflight import preflight
from provisioner.observe.probe_client import ask
from provisioner.observe.status import summarize
from provisioner.plan.fingerprint import questions
from provisioner.probe import applied

MANY = 8


@dataclass
class Site:
    """A folder with an inventory, its context, and the server whose hosts are in it."""

    context: Context
    hosts: SimulatedCluster
    server: SshServer
    say: list[str] = field(default_factory=list)

    def questions(self) -> dict[str, dict[str, object]]:
        """What the driver asks each host about what was applied."""
        facts = observe(self.context.cluster, self.context.rendered, self.context.one_question, sections=("facts",)).facts()
        return {host: dict(own) for host, own in questions(self.context.cluster, self.context.rendered, self.context.defaults, facts,
                                                           self.context.ledger.cluster_id).items()}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    (tmp_path / "id_ed25519").write_text(private_text(b"k" * 32))
    (tmp_path / "id_ed25519").chmod(0o600)
    hosts = SimulatedCluster(Recording.read(), MANY)
    server = SshServer(hosts, private_key(b"k" * 32), answer_of(hosts))
    found = Site(Context(hosts.write_inventory(tmp_path, server.port)), hosts, server)
    found.hosts = built(tmp_path / "inventory.yml", hosts)
    server.answer = answer_of(found.hosts)
    found.context = Context(tmp_path / "inventory.yml")
    establish(found.context.cluster, say=found.say.append)
    yield found
    server.close()


def by_ssh(context: Context) -> Transport:
    return OpenSsh(context.cluster)


def by_paramiko(context: Context) -> Transport:
    return Paramiko(context.cluster, {host.name for host in context.cluster.hosts}, Nobody())


class Nobody:
    """A Transport for those who are not to need it."""

    def run(self, host: Host, command: str, stdin: bytes = b"", *, become: bool = False, timeout: float = 60.0,
            line: Callable[[bytes], None] | None = None) -> Completed:
        raise AssertionError(f"{host.name} was left to ssh")


@pytest.mark.parametrize("way", [by_ssh, by_paramiko])
def test_a_real_client_gets_a_real_answer(site: Site, way: Callable[[Context], Transport]) -> None:
    transport, last = way(site.context), site.context.host(f"a{MANY - 3}")
    answer = ask(transport, last, {"sections": ["facts", "health"], "health": {"consul": {}}})
    assert (answer.facts["hostname"], answer.errors) == (last.name, {})
    assert last.cluster_address in answer.facts["addresses"]
    assert {name: one["state"] for name, one in answer.health.items()} == {"consul": "ok"}, "only what was asked"
    assert transport.run(last, "true").code == 0
    assert transport.run(last, "hostname").code == 127, "it has no other commands"


@pytest.mark.parametrize("way", [by_ssh, lambda context: Paramiko(context.cluster, {"m1"}, OpenSsh(context.cluster))])
def test_a_wrong_key_is_refused(site: Site, tmp_path: Path, way: Callable[[Context], Transport]) -> None:
    (tmp_path / "id_ed25519").write_text(private_text(b"w" * 32))
    with pytest.raises(SshError) as refused:
        way(site.context).run(site.context.host("m1"), "true")
    assert refused.value.cause == "auth"


def test_a_host_with_another_key_is_not_asked(site: Site, tmp_path: Path) -> None:
    site.server.host_key = lambda host: private_key(b"o" * 32)  # type: ignore[method-assign]
    with pytest.raises(SshError) as refused:
        by_ssh(site.context).run(site.context.host("m1"), "true")
    assert refused.value.cause == "host-key-changed"


def test_every_host_has_a_key_of_its_own(site: Site) -> None:
    known = KnownHosts.of(site.context.cluster)
    keys = {known.keys(f"[{host.address}]:{host.port}")[0].key for host in site.context.cluster.hosts}
    assert len(keys) == len(site.say) == MANY


def test_only_this_machine_reaches_them(site: Site) -> None:
    own = own_address()
    if own:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((own, site.server.port), 5)


def test_the_cluster_is_healthy_and_fit(site: Site) -> None:
    context = site.context
    seen = observe(context.cluster, context.rendered, context.one_question)
    status = summarize(context.cluster, seen)
    assert status.problems == ()
    assert status.healthy
    assert len({host.facts["machine_id"] for host in seen.hosts.values()}) == MANY
    assert f"{MANY} of {MANY} members" in (seen.health("a1", "consul") or {})["detail"]
    assert any(f"leads with {MANY - 3} active agents" in row.detail for row in status.rows)
    report = preflight(context.cluster, context.rendered, context.one_question)
    assert [str(finding) for finding in report.findings if finding.severity == "fail"] == []


def test_what_was_applied_is_judged_by_the_digest(site: Site) -> None:
    context, asked = site.context, site.questions()
    before = observe(context.cluster, context.rendered, context.one_question, applied=asked)
    assert {why for host in before.hosts.values() for why in host.unsettled.values()} == {""}
    noted = {name: dict(own) for name, own in site.hosts.notes.items()}
    noted["a1"]["docker"] = "0" * 32
    del noted["m1"]["zookeeper"]
    site.server.answer = answer_of(dataclasses.replace(site.hosts, notes=noted))
    after = observe(context.cluster, context.rendered, context.one_question, applied=asked)
    wrong = {(host, name): why for host, own in after.hosts.items() for name, why in own.unsettled.items() if why}
    assert wrong == {("a1", "docker"): APPLIED_OTHERWISE, ("m1", "zookeeper"): NOT_APPLIED}


def test_its_words_are_those_of_the_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applied, "NOTES", str(tmp_path))
    asked = {"docker": {"digest": "a", "witness": {"files": [], "units": {}, "packages": [], "listeners": []}}}
    assert applied.unsettled(asked) == {"docker": NOT_APPLIED}
    (tmp_path / "docker.json").write_text('{"digest": "b", "time": 0, "witness": {}}')
    assert applied.unsettled(asked) == {"docker": APPLIED_OTHERWISE}


def test_what_was_not_recorded_is_not_made_up() -> None:
    cluster = SimulatedCluster(Recording.read(), MANY)
    host: Simulated = next(iter(cluster.hosts.values()))
    assert cluster.answer(host, {"sections": ["look"]})["errors"] == {"look": "this was not recorded"}


def test_ansible_is_told_that_it_is_root_before_it_sends_a_module() -> None:
    started = "sudo -H -S -n  -u root /bin/sh -c '\"'\"'echo BECOME-SUCCESS-abc ; /usr/bin/python3'\"'\"' && sleep 0"
    assert became_root(f"/bin/sh -c '{started}'") == "BECOME-SUCCESS-abc"
    assert became_root("/bin/sh -c 'echo BECOME-SUCCESS-abc ; /usr/bin/python3'") == "", "without sudo it would be no root"


@pytest.mark.parametrize("command", ["", "id", "sh -c id", "python3 -IS -c 'print(1)'", "sh -c 'exec sudo -n sh -c id'"])
def test_only_the_drivers_own_probe_is_run(command: str) -> None:
    assert not is_probe(command)
