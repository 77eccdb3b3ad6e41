"""The kernel suffices or is replaced: what it can do is tried, and a host where the trial fails gets the planned upgrade."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.support.checkout import ClusterUnderTest

On = Callable[[str], Any]
Converge = Callable[..., subprocess.CompletedProcess[str]]
#: A package of the mirror that stands for the newer kernel, and its program; nothing else of the upgrade is pretended.
INSTEAD_OF_A_KERNEL, PROGRAM = "elinks", "elinks"
#: Where the driver learns that a reboot is due.
NOTE = "/var/lib/provisioner/reboot-required"
#: The probe's inputs: a program that makes no VXLAN link, one that says this is a machine and no container, and a boot loader.
FAKES = {
    "ip": '#!/bin/sh\ncase "$*" in *vxlan*) echo "Error: Unknown device type." >&2; exit 2;; esac\nexec /usr/sbin/ip "$@"\n',
    "systemd-detect-virt": "#!/bin/sh\necho none\nexit 1\n",
    "grubby": "#!/bin/sh\nexit 0\n",
}


@pytest.fixture
def old_kernel(on: On, packages: Callable[..., None]) -> Iterator[Any]:
    """A host whose kernel makes no VXLAN links and that has no newer one yet."""
    host = on("a1")
    packages("a1", "remove", INSTEAD_OF_A_KERNEL)
    for name, script in FAKES.items():
        host.check_output(f"printf '%s' {shlex.quote(script)} > /usr/local/bin/{name} && chmod 755 /usr/local/bin/{name}")
    yield host
    for name in FAKES:
        host.check_output(f"rm -f /usr/local/bin/{name}")
    host.check_output(f"rm -f {NOTE} /etc/modules-load.d/provisioner.conf")
    packages("a1", "install", INSTEAD_OF_A_KERNEL)


def test_the_running_kernel_suffices(cluster: ClusterUnderTest) -> None:
    rows = cluster.rows("kernel")
    assert {row["state"] for row in rows} == {"ok"}, rows


def test_packets_pass_between_networks(on: On) -> None:
    for host in ("m1", "a1"):
        assert on(host).check_output("cat /proc/sys/net/ipv4/ip_forward") == "1", f"{host} forwards nothing for its containers"


def test_a_kernel_that_fails_is_named_then_replaced_where_that_is_allowed(old_kernel: Any, converge: Converge) -> None:
    done = converge("kernel", "a1", kernel_packages=[INSTEAD_OF_A_KERNEL])
    assert done.returncode != 0, "a kernel without VXLAN was accepted"
    for word in ("vxlan", "Unknown device type", "kernel_upgrade"):
        assert word in done.stdout, f"the refusal does not say {word!r}:\n{done.stdout[-2000:]}"
    assert not old_kernel.exists(PROGRAM), "the newer kernel was installed although kernel_upgrade is false"
    assert not old_kernel.file(NOTE).exists

    done = converge("kernel", "a1", kernel_upgrade=True, kernel_packages=[INSTEAD_OF_A_KERNEL])
    assert done.returncode == 0, f"the kernel was not replaced although kernel_upgrade is true:\n{done.stdout[-3000:]}"
    assert old_kernel.exists(PROGRAM), "the newer kernel is not installed"
    boot = old_kernel.check_output("cat /proc/sys/kernel/random/boot_id")
    assert boot in old_kernel.file(NOTE).content_string, "the driver would not know that a reboot is due"


def test_the_note_about_a_reboot_goes_when_the_host_has_booted_anew(on: On, converge: Converge) -> None:
    on("a1").check_output(f"mkdir -p {NOTE.rpartition('/')[0]}; echo 'kernel: something installed in boot 00000000-0000' > {NOTE}")
    assert converge("kernel", "a1").returncode == 0
    assert not on("a1").file(NOTE).exists, "the driver would reboot the host again and again"
