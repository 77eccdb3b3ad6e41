"""The kernel suffices or is replaced: what it can do is tried, and a host where the trial fails gets the planned upgrade."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster_under_test import ClusterUnderTest

On = Callable[[str], Any]
Converge = Callable[..., subprocess.CompletedProcess[str]]
#: A package of the mirror that stands for the newer kernel; nothing else of the upgrade is pretended.
INSTEAD_OF_A_KERNEL = "elinks"
#: The probe's inputs: a program that makes no VXLAN link, and one that says this is a machine and no container.
FAKES = {
    "ip": '#!/bin/sh\ncase "$*" in *vxlan*) echo "Error: Unknown device type." >&2; exit 2;; esac\nexec /usr/sbin/ip "$@"\n',
    "systemd-detect-virt": "#!/bin/sh\necho none\nexit 1\n",
}


@pytest.fixture
def old_kernel(on: On) -> Iterator[Any]:
    """A host whose kernel makes no VXLAN links."""
    host = on("a1")
    for name, script in FAKES.items():
        host.check_output("printf '%s' '" + script.replace("'", "'\\''") + f"' > /usr/local/bin/{name} && chmod 755 /usr/local/bin/{name}")
    yield host
    for name in FAKES:
        host.check_output(f"rm -f /usr/local/bin/{name}")
    host.check_output("rm -f /var/lib/provisioner/reboot-required /etc/modules-load.d/provisioner.conf")


def test_the_running_kernel_suffices(cluster: ClusterUnderTest) -> None:
    rows = cluster.rows("kernel")
    assert {row["state"] for row in rows} == {"ok"}, rows


def test_packets_pass_between_networks(on: On) -> None:
    assert on("m1").check_output("cat /proc/sys/net/ipv4/ip_forward") == "1"


def test_a_kernel_that_fails_is_named_and_kept_unless_its_upgrade_is_allowed(old_kernel: Any, converge: Converge) -> None:
    done = converge("kernel", "a1")
    assert done.returncode != 0, "a kernel without VXLAN was accepted"
    assert "vxlan" in done.stdout
    assert "kernel_upgrade" in done.stdout
    assert not old_kernel.file("/var/lib/provisioner/reboot-required").exists


def test_where_it_is_allowed_the_upgrade_is_installed_and_asks_for_a_reboot(old_kernel: Any, converge: Converge) -> None:
    old_kernel.check_output(f"DEBIAN_FRONTEND=noninteractive apt-get remove -qy {INSTEAD_OF_A_KERNEL}")
    done = converge("kernel", "a1", kernel_upgrade=True, kernel_packages=[INSTEAD_OF_A_KERNEL])
    assert done.returncode == 0, done.stdout[-3000:]
    assert old_kernel.package(INSTEAD_OF_A_KERNEL).is_installed
    boot = old_kernel.check_output("cat /proc/sys/kernel/random/boot_id")
    assert boot in old_kernel.file("/var/lib/provisioner/reboot-required").content_string, "the driver would not know that a reboot is due"
