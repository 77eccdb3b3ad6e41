"""The kernel can do what overlay networks and Docker's storage need: tried, in namespaces that vanish again."""

import os
import subprocess
from pathlib import Path
from typing import Any

from provisioner.probe.health.answer import UnhealthyError, answer

TIMEOUT = 5.0
BRIDGE = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
# The role's note that a newer kernel was installed names the boot in which it was: after the reboot it asks for nothing.
NOTE = Path("/var/lib/provisioner/reboot-required")
BOOT = Path("/proc/sys/kernel/random/boot_id")
# /mnt is covered in a mount namespace of its own: nothing is written to the host, nothing is left behind.
OVERLAY = (
    "mount -t tmpfs probe /mnt && cd /mnt && mkdir lower upper work merged"
    " && mount -t overlay probe -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work /mnt/merged"
)
ATTEMPTS = (
    ("overlayfs", ("unshare", "--mount", "--propagation", "private", "sh", "-c", OVERLAY)),
    ("vxlan", ("unshare", "--net", "ip", "link", "add", "probe", "type", "vxlan", "id", "1", "dstport", "4789")),
)


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for the running kernel; without overlay networks there is nothing that it lacks."""
    release = os.uname().release
    facts = {"reboot": "pending"} if NOTE.exists() and BOOT.read_text().strip() in NOTE.read_text() else {}
    if not request.get("overlay"):
        return answer("ok", "overlay networks are not asked for", release, facts=facts)
    lacks = [f"{name} ({why})" for name, why in ((n, _attempt(c)) for n, c in ATTEMPTS) if why]
    if not BRIDGE.exists():
        lacks.append("br_netfilter (not loaded)")
    if lacks:
        raise UnhealthyError("the kernel lacks {}".format(", ".join(lacks)), release, facts)
    return answer("ok", "overlayfs, vxlan and br_netfilter work", release, facts=facts)


def _attempt(command: "tuple[str, ...]") -> str:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stdout.decode("utf-8", "replace").strip() or "refused")[:200]
