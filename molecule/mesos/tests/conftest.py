"""A framework for the tests of tasks, and an agent that finds control groups v2 only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.filter.mesos import environment, isolation

from tests.lab.support.checkout import eventually
from tests.lab.support.mesos_api import Masters
from tests.lab.support.mesos_framework import Framework

HOST = "a1"
On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
Variable = Callable[[str, str], Any]

#: As mesos_info tells of a host with nothing but v2.
V2 = {"cgroup": "v2", "cgroup2": "/sys/fs/cgroup", "controllers": True, "systemd": True, "root_slice": True}
#: Runs a program with cgroup2 and no other hierarchy mounted. /proc shows its groups of v1 all the same, over which the agent would
#: stumble when asked for statistics of a Docker task; it would not where v1 is not in use.
VIEW = r"""set -e
for point in $(awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/self/mounts) /sys/fs/cgroup; do
  ! mountpoint -q $point || umount --lazy $point
done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec "$@"
"""
UNIT = """[Service]
EnvironmentFile=/run/v2.env
ExecStart=
ExecStart=unshare --mount sh /run/v2.sh mesos-agent
"""
DROP_IN = "/run/systemd/system/mesos-agent.service.d"


@pytest.fixture(scope="module")
def masters(members: Members, variable: Variable) -> Masters:
    """The masters, asked by somebody who may look."""
    return Masters(members("mesos_master"), f"viewer:{variable('m1', 'vault_mesos_viewer_secret')}")


@pytest.fixture(scope="module")
def framework(masters: Masters, variable: Variable) -> Iterator[Framework]:
    """Connected with the leading master."""
    with Framework(f"{masters.addresses[masters.leader()]}:5050", "marathon", variable("m1", "vault_marathon_secret")) as one:
        yield one


@pytest.fixture(scope="module")
def image(inventory: dict[str, Any]) -> str:
    """Of the lab's own registry."""
    return f"{inventory['all']['vars']['docker_registry']}/busybox:1.35"


@pytest.fixture(params=["the machine's", "v2 only"])
def control_groups(request: pytest.FixtureRequest, on: On, variable: Variable) -> Iterator[None]:
    """The agent of HOST as it is, and once more in a view of v2 only, with the flags that the role would choose there."""
    if request.param == "the machine's":
        yield
        return
    chosen = isolation(V2, "auto", variable(HOST, "mesos_cgroup_requirement"), variable(HOST, "mesos_version"), HOST)
    assert chosen["problems"] == []
    on(HOST).check_output(f"mkdir -p {DROP_IN}")
    for path, text in (("/run/v2.env", environment(chosen["flags"])), ("/run/v2.sh", VIEW), (f"{DROP_IN}/v2.conf", UNIT)):
        on(HOST).check_output("printf %s %s >%s", "%s", text, path)
    restart = "systemctl daemon-reload && systemctl restart mesos-agent"
    try:
        on(HOST).check_output(restart)
        mounted = "awk '$3 ~ /^cgroup/ {print $3}' /proc/$(systemctl show -p MainPID --value mesos-agent)/mounts"
        eventually("the agent sees v2 only", 30, lambda: on(HOST).run(mounted).stdout.split() == ["cgroup2"])
        yield
    finally:
        on(HOST).check_output(f"rm -r /run/v2.env /run/v2.sh {DROP_IN} && {restart}")
