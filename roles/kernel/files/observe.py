"""Print, as JSON, what the role needs to know about this kernel. Argument 1: JSON {modules, sysctl, marker}.

container  name of the container technology, "" on a machine
loadable   the modules that are not there but can be loaded
sysctl     the wanted settings, in a container those it may write; sysctl_differs: whether they have to be applied
release    of the running kernel; boot: id of this boot
reboot     "" (no reboot asked for), "pending" (asked for in this boot) or "done" (asked for in an earlier one)
"""
import json
import os
import platform
import subprocess
import sys
from pathlib import Path


def text_of(path):
    file = Path(path)
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def printed(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode(errors="replace").strip()


def can_load(module):
    if Path("/sys/module", module).exists():
        return False
    return subprocess.call(["modprobe", "--dry-run", "--quiet", module]) == 0


def differs(settings):
    live = {key: text_of("/proc/sys/" + key.replace(".", "/")).split() for key in settings}
    return any(value and value != str(settings[key]).split() for key, value in live.items())


def main():
    asked = json.loads(sys.argv[1])
    virtual = printed(["systemd-detect-virt", "--container"])
    container = "" if virtual == "none" else virtual
    loadable = [] if container else [module for module in asked["modules"] if can_load(module)]
    # On a machine br_netfilter brings its settings along when it is loaded; a container gets no others than it has.
    settings = {
        key: value for key, value in asked["sysctl"].items()
        if not container or os.access("/proc/sys/" + key.replace(".", "/"), os.W_OK)
    }
    boot = text_of("/proc/sys/kernel/random/boot_id").strip()
    marker = text_of(asked["marker"])
    print(json.dumps({
        "container": container,
        "loadable": loadable,
        "sysctl": settings,
        "sysctl_differs": bool(loadable) or differs(settings),
        "release": platform.release(),
        "boot": boot,
        "reboot": "" if not marker else "pending" if boot in marker else "done",
    }))


if __name__ == "__main__":
    main()
