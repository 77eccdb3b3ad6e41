"""What every host needs of its system: neighbours by name, limits, kernel settings, tools, and no firewall in the way."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
Converge = Callable[..., subprocess.CompletedProcess[str]]


def test_every_host_knows_every_other_by_name(on: On, members: Members) -> None:
    for host in members("common"):
        for name, address in members("common").items():
            found = on(host).check_output(f"getent ahostsv4 {name}").split()[0]
            assert found == address, f"{host} finds {name} at {found}"


def test_kernel_settings_are_live(on: On) -> None:
    """One that a container may set for itself. Limits of open files can't be shown here: containers may not raise theirs."""
    assert on("a1").check_output("cat /proc/sys/net/core/somaxconn") == "1024"


def test_the_tools_work(on: On) -> None:
    for command in ("git --version", "wget --version", "elinks -version", "command -v rz", "command -v nc"):
        on("a1").check_output(command)


def test_a_firewall_that_runs_is_switched_off(on: On, converge: Converge) -> None:
    """As an operator may have it: installed, enabled and running before we come."""
    host = on("a2")
    host.check_output("DEBIAN_FRONTEND=noninteractive apt-get install -qy firewalld && systemctl enable --now firewalld")
    try:
        assert host.check_output("firewall-cmd --state") == "running"
        done = converge("common", "a2")
        assert done.returncode == 0, done.stdout[-3000:]
        assert not host.service("firewalld").is_running, "firewalld still runs"
        assert not host.service("firewalld").is_enabled, "firewalld would come back at the next boot"
    finally:
        host.check_output("DEBIAN_FRONTEND=noninteractive apt-get purge -qy firewalld && apt-get autoremove -qy")


def test_a_clock_or_an_address_that_is_not_ours_is_named(converge: Converge) -> None:
    done = converge("common", "a1", common_address="198.51.100.7")
    assert done.returncode != 0
    assert "198.51.100.7" in done.stdout
