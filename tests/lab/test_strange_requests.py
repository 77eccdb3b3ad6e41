"""Thousands of strange requests, from outside and from hosts: nobody is let in, nothing falls, and no secret is told to a log."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.context import Context
from provisioner.inventory.render import host_variables
from provisioner.state import secrets
from provisioner_lab.under_test import ClusterUnderTest
from tests.lab.support import strange
from tests.lab.support.results import keep

pytestmark = [pytest.mark.provision(masters=3, agents=2), pytest.mark.nightly]

REQUESTS, FROM_HOSTS, UNREACHED, SEED = 10_000, 2_000, 200, 25
HOSTS = ("m1", "m2", "m3", "a1", "a2")
#: Component → variable of its port, whether it speaks TLS, paths that it locks.
OPERATORS = [
    ("mesos_master", "mesos_master_port", False, "/state /api/v1 /api/v1/scheduler /teardown /machine/down /flags /quota /weights"),
    ("mesos_agent", "mesos_agent_port", False, "/state /slave(1)/api/v1 /containers /files/browse /flags /monitor/statistics"),
    ("marathon", "marathon_port", False, "/v2/apps /v2/info /v2/leader /v2/tasks/delete /ping /metrics /v2/events /ui"),
    ("marathon", "marathon_https_port", True, "/v2/apps /v2/groups /v2/queue /v2/deployments"),
    ("chronos", "chronos_port", False, "/v1/scheduler/jobs /v1/scheduler/iso8601 /v1/scheduler/leader /logging /ping /metrics"),
    ("chronos", "chronos_https_port", True, "/v1/scheduler/jobs /scheduler/jobs"),
]
#: Component → port or its variable, whether it is spoken to in TLS (without a certificate): what only members reach.
MEMBERS = [
    ("zookeeper", "zookeeper_client_port", False), ("zookeeper", "zookeeper_election_port", False),
    ("zookeeper", "zookeeper_election_port", True),
    ("consul_server", 8300, False), ("consul", 8301, False), ("logstash_server", "logstash_tls_port", False),
    ("logstash_server", "logstash_tls_port", True), ("docker", 2377, False), ("docker", 2377, True), ("docker", 7946, False),
]
#: Of messages of Mesos a framework knows nothing but where they come from, so that it takes them from members.
LIBPROCESS = [("marathon", "marathon_libprocess_port", False), ("chronos", "chronos_libprocess_port", False)]
CONSUL = "/v1/agent/self /v1/kv/x /v1/acl/tokens /v1/operator/raft/configuration /v1/snapshot /v1/session/create /v1/agent/force-leave/a1"
UNITS = "mesos-master mesos-agent marathon chronos zookeeper consul logstash docker dnsmasq"
Found = dict[str, list[list[str]]]


def doors(context: Context, rows: list[Any], paths: str = "") -> list[dict[str, Any]]:
    """Each of these ports of each host that has it."""
    values = {host.name: {**context.defaults, **host_variables(context.rendered, host.name)} for host in context.cluster.hosts}
    return [{"name": f"{group} {port if isinstance(port, int) else values[host.name][port]}{' (TLS)' if tls else ''}",
             "address": host.cluster_address, "port": port if isinstance(port, int) else values[host.name][port], "tls": tls,
             "paths": (more[0] if more else paths).split()}
            for group, port, tls, *more in rows for host in context.cluster.members(group)]


def from_host(cluster: ClusterUnderTest, host: str, **asked: Any) -> Found:
    """What a host of the cluster is answered."""
    done = subprocess.run(["docker", "exec", "-i", f"{cluster.lab}-{host}", "python3", "-", json.dumps(asked)], check=True, timeout=600,
                          input=Path(strange.__file__).read_bytes(), stdout=subprocess.PIPE)
    found: Found = json.loads(done.stdout)
    return found


def running(cluster: ClusterUnderTest) -> dict[str, str]:
    """The main process of every unit that is knocked at, by host and unit."""
    return {host: cluster.host(host).run(f"systemctl show -p MainPID --value {UNITS}") for host in HOSTS}


@pytest.fixture(scope="module")
def calm(cluster: ClusterUnderTest) -> Iterator[list[str]]:
    """Lines for the table. When all is over nothing has been restarted, all is well, and the logs hold no secret."""
    lines: list[str] = []
    before = running(cluster)
    yield lines
    keep("strange-requests", "\n".join(lines))
    assert running(cluster) == before, "something was restarted"
    cluster.wait_healthy()
    known = secrets.load(Context(cluster.inventory).cluster)
    known.pop(secrets.AUTHORITY_CERTIFICATE)  # everybody may read it
    logs = {host: cluster.host(host).run("journalctl -o cat --since=-1h --no-pager") for host in HOSTS}
    assert [(host, name) for host, text in logs.items() for name, value in known.items() if value in text] == []


def let_in(found: Found) -> list[tuple[str, list[str]]]:
    """What was answered as if it had been let in."""
    return [(name, one) for name, each in found.items() for one in each if re.match(r"HTTP/1.. 2", one[1])]


def test_nobody_from_outside_is_let_in(cluster: ClusterUnderTest, calm: list[str]) -> None:
    found = strange.ask(doors(Context(cluster.inventory), OPERATORS), REQUESTS, SEED, 1.5)
    counts = strange.counts(found)
    calm += [f"from outside, {name}: {each}" for name, each in counts.items()]
    assert let_in(found) == []
    assert all(each.get("401", 0) > 0.1 * sum(each.values()) for each in counts.values()), f"not all are reached: {counts}"


def test_what_only_members_need_is_not_reached_from_outside(cluster: ClusterUnderTest, calm: list[str]) -> None:
    context = Context(cluster.inventory)
    ports = [*MEMBERS, *LIBPROCESS, ("consul", 8500, False), ("docker", 2375, False)]
    counts = strange.counts(strange.ask(doors(context, ports), UNREACHED, SEED, 1.0))
    calm += [f"from outside, {name}: {each}" for name, each in counts.items()]
    assert {kind for each in counts.values() for kind in each} == {"no connection"}


@pytest.mark.parametrize("host", ["m1", "a1"])
def test_a_host_without_password_and_certificate_is_not_let_in_by_others(cluster: ClusterUnderTest, calm: list[str], host: str) -> None:
    own = {"name": "Consul's API", "address": "127.0.0.1", "port": 8500, "tls": False, "paths": CONSUL.split()}
    asked = [*doors(Context(cluster.inventory), MEMBERS), *[own] * 9]
    found = from_host(cluster, host, doors=asked, count=FROM_HOSTS, seed=SEED, seconds=1.0)
    counts = strange.counts(found)
    calm += [f"from {host}, {name}: {each}" for name, each in counts.items()]
    # Whoever asks what may be asked is told so, of a path that is there.
    assert [one for one in let_in(found) if not one[1][0].startswith("OPTIONS")] == []
    assert counts["Consul's API"].get("403", 0) > 10, "it is reached"
