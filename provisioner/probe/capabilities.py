"""What Docker's storage and overlay networks need of the kernel, tried instead of concluded from a version.

Each trial happens in namespaces of its own, which vanish with the process, so it leaves nothing behind.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

TIMEOUT = 10.0
DOCKER_ROOT = "/var/lib/docker"
BRIDGE_SYSCTL = "/proc/sys/net/bridge/bridge-nf-call-iptables"
# Writing and reading through the merged tree shows what a bare mount does not: an upper layer that can't be written.
_OVERLAY = """
cd "$1" && mkdir lower upper work merged && echo below >lower/file || exit 1
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged || exit 1
echo above >merged/file && [ "$(cat upper/file)" = above ]
"""
# What Docker asks the kernel for between two hosts of an encrypted network (libnetwork, drivers/overlay/encryption.go).
_ESP = ("ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 mode transport "
        "aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 64")
_VXLAN = "ip link add provision0 type vxlan id 4242 dstport 4789 && ip link add provision1 type bridge"


def capabilities(root: str) -> "dict[str, str]":
    """`overlayfs`, `vxlan`, `br_netfilter` and `esp`: '' when it works, else one sentence with the reason."""
    return {"overlayfs": overlayfs(root), "vxlan": vxlan(), "br_netfilter": br_netfilter(), "esp": esp()}


def overlayfs(root: str) -> str:
    """Mount an overlay on the filesystem that holds Docker's data and write through it."""
    parent = Path(root)
    while not parent.is_dir():
        parent = parent.parent
    try:
        folder = tempfile.mkdtemp(prefix=".provision-", dir=str(parent))
    except OSError as error:
        return f"nothing can be written in {parent}: {error.strerror}"
    try:
        wrong = complaint(["unshare", "--mount", "sh", "-c", _OVERLAY, "sh", folder])
    finally:
        shutil.rmtree(folder)
    return wrong and f"overlayfs does not work in {parent}: {wrong}"


def vxlan() -> str:
    """Make a VXLAN link and a bridge in a network namespace."""
    wrong = complaint(["unshare", "--net", "sh", "-c", _VXLAN])
    return wrong and f"a VXLAN link can't be made: {wrong}"


def esp() -> str:
    """Make a state of IPsec in a network namespace."""
    wrong = complaint(["unshare", "--net", "sh", "-c", _ESP])
    return wrong and f"the kernel can't encrypt between hosts: {wrong}"


def br_netfilter() -> str:
    """Bridged traffic must pass iptables: the sysctl is there, or the module can be loaded when it is needed."""
    if Path(BRIDGE_SYSCTL).exists():
        return ""
    wrong = complaint(["modprobe", "--dry-run", "br_netfilter"])
    return wrong and f"the module br_netfilter can't be loaded: {wrong}"


def complaint(command: "list[str]") -> str:
    """'' when the command succeeds, else the last line it said."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=TIMEOUT, check=False, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        return f"the program {command[0]} is missing"
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not end within {TIMEOUT:.0f} s"
    if done.returncode == 0:
        return ""
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"{command[0]} ended with {done.returncode}"
