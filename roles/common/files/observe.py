"""Print, as JSON, what the role needs to know about this host. Argument 1: JSON {address, hosts, sysctl}.

hosts            /etc/hosts as it should be; hosts_now: as it is
synchronised     whether the kernel's clock is disciplined; clock_services: which of the usual services run
container        name of the container technology, "" on a machine
absent           the address if this host does not have it, else ""
firewalls        of firewalld and ufw: those that run or start at boot
firewalld_runs   whether firewalld runs and starts at boot; ufw_on: whether ufw's own settings switch it on
docker           whether the Docker service runs (it has rules of its own in the firewall)
sysctl           the wanted settings that exist and may be written here; sysctl_differs: whether a live value differs
ssh_ports        where the SSH server listens
cloud_init       whether cloud-init could rewrite /etc/hosts at the next boot
"""
import ctypes
import errno
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

HOSTS = "/etc/hosts"
BEGIN = "# Begin provisioner, role common"
END = "# End provisioner, role common"
CLOCK_SERVICES = ("chrony", "chronyd", "ntp", "ntpd", "ntpsec", "openntpd", "systemd-timesyncd")
LISTEN, ESTABLISHED = "0A", "01"  # states in /proc/net/tcp
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised to a reliable server


def lines_of(command):
    """What a query printed; a program that is not installed has nothing to say."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        return []
    return done.stdout.decode(errors="replace").splitlines()


def text_of(path):
    file = Path(path)
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def running(units):
    answers = lines_of(["systemctl", "is-active", *units])  # one line for each, in order
    return [units[at] for at, answer in enumerate(answers) if answer == "active"]


def outside_our_block(text):
    lines, inside = [], False
    for line in text.splitlines():
        if line in (BEGIN, END):
            inside = line == BEGIN
        elif not inside:
            lines.append(line)
    return lines


def without_names(line, names):
    """The line of /etc/hosts without these names: the first entry for a name wins, and Debian writes 127.0.1.1 for its own."""
    entry, _, comment = line.partition("#")
    address, *others = entry.split() or [""]
    kept = [name for name in others if name not in names]
    if kept == others:
        return line
    return " ".join([address, *kept]) + (" #" + comment if comment else "") if kept else ""


def wanted_hosts(text, address, hosts, own_name):
    """With no hosts at all our block goes, and the host's own name gets Debian's usual entry back if it would have none."""
    if not hosts:
        lines = outside_our_block(text)
        known = any(own_name in line.partition("#")[0].split()[1:] for line in lines)
        return "".join(line + "\n" for line in lines + ([] if known else ["127.0.1.1 " + own_name]))
    ours = {host["name"] for host in hosts} | {own_name}
    lines = [(line, without_names(line, ours)) for line in outside_our_block(text)]
    block = [BEGIN]
    for host in hosts:
        names = [host["name"]]
        if host["address"] == address and own_name not in names:
            names.append(own_name)
        block.append(" ".join([host["address"], *names]))
    kept = [new for old, new in lines if new or not old]
    return "".join(line + "\n" for line in kept + block + [END])


def missing_address(address):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            return address if error.errno == errno.EADDRNOTAVAIL else ""
    return ""


def firewalls():
    units = ["firewalld.service", "ufw.service"]
    listed = lines_of(["systemctl", "list-unit-files", "--no-legend", *units])
    enabled = [line.split()[0] for line in listed if line.split()[1:2] == ["enabled"]]
    active = running(units)
    return {
        "firewalls": sorted(unit.rpartition(".")[0] for unit in {*active, *enabled}),
        "firewalld_runs": units[0] in active and units[0] in enabled,
        "ufw_on": "ENABLED=yes" in text_of("/etc/ufw/ufw.conf").splitlines(),
    }


def sysctl(wanted, container):
    """Settings that can be written here, and whether a live value differs. A container has only network settings of its own."""
    possible, differs = {}, False
    for key, value in wanted.items():
        path = "/proc/sys/" + key.replace(".", "/")
        if os.access(path, os.W_OK) and (key.startswith("net.") or not container):
            possible[key] = value
            differs = differs or text_of(path).split() != str(value).split()
    return possible, differs


def ancestors():
    """Process ids from our parent up to, without, PID 1: sudo, the shell, sshd."""
    pid, found = os.getppid(), []
    while pid > 1:
        found.append(pid)
        pid = int(re.search(r"^PPid:\s+(\d+)", text_of(f"/proc/{pid}/status"), re.M).group(1))
    return found


def ssh_ports():
    """Local ports of the SSH server that carries this very connection, so that a firewall rule cannot miss it."""
    inodes = set()
    for pid in ancestors():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(os.readlink(str(descriptor)))  # noqa: PTH115 - Path.readlink came with Python 3.9
            except FileNotFoundError:  # closed since it was listed
                continue
    listening, connected = set(), set()
    for line in text_of("/proc/net/tcp").splitlines()[1:] + text_of("/proc/net/tcp6").splitlines()[1:]:
        _, local, _, state, *rest = line.split()
        address, _, port = local.rpartition(":")
        if f"socket:[{rest[5]}]" in inodes and address != "0100007F":
            {LISTEN: listening, ESTABLISHED: connected}.get(state, set()).add(str(int(port, 16)))
    return sorted(listening or connected or {"22"})


def main():
    asked = json.loads(sys.argv[1])
    now = text_of(HOSTS)
    container = "".join(name for name in lines_of(["systemd-detect-virt", "--container"]) if name != "none")
    settings, differs = sysctl(asked["sysctl"], container)
    print(json.dumps({
        "hosts": wanted_hosts(now, asked["address"], asked["hosts"], socket.gethostname()),
        "hosts_now": now,
        "synchronised": ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) != TIME_ERROR,
        "clock_services": running(CLOCK_SERVICES),
        "container": container,
        "absent": missing_address(asked["address"]) if asked["address"] else "",
        **firewalls(),
        "docker": bool(running(["docker"])),
        "sysctl": settings,
        "sysctl_differs": differs,
        "ssh_ports": ssh_ports(),
        "cloud_init": Path("/etc/cloud/cloud.cfg.d").is_dir(),
    }))


if __name__ == "__main__":
    main()
