"""Rules about hosts among each other: clones, and clocks that disagree."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from provisioner.preflight.report import Finding, Seen

#: Seconds of difference between two hosts. Certificates, Consul and Mesos sessions suffer from more.
SKEW_WARN, SKEW_FAIL = 1.0, 5.0


def duplicates(seen: Sequence[Seen]) -> Iterator[Finding]:
    """Two entries of the inventory must not be one machine, nor two machines look like one."""
    unique: tuple[tuple[str, Callable[[Seen], str], str], ...] = (
        ("machine-id", lambda s: s.facts["machine_id"],
         "if they are clones: rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; reboot"),
        ("address", lambda s: str(s.variables.get("common_address", "")), "give every host its own ansible_host or cluster_address"),
        ("hostname", lambda s: s.facts["hostname"], "hostnamectl set-hostname, a different one on each"),
    )
    for what, of, hint in unique:
        groups: dict[str, list[str]] = defaultdict(list)
        for one in seen:
            groups[of(one)].append(one.host)
        for value, hosts in groups.items():
            if value and len(hosts) > 1:
                for host in hosts:
                    others = ", ".join(h for h in hosts if h != host)
                    yield Finding("fail", host, what, f"it has the same {what} ({value}) as {others}", hint)
    for one in seen:
        if not one.facts["machine_id"]:
            yield Finding("fail", one.host, "machine-id", "it has no machine-id", "systemd-machine-id-setup; reboot")


def clocks(seen: Sequence[Seen]) -> Iterator[Finding]:
    """Only what is certain counts: a clock is as far off as its nearest bound is from the median of all."""
    if not seen:
        return
    middle = statistics.median((low + high) / 2 for low, high in (one.ahead for one in seen))
    for one in seen:
        low, high = one.ahead
        off = low - middle if low > middle else high - middle if high < middle else 0.0
        text = f"its clock is {abs(off):.1f} s {'ahead of' if off > 0 else 'behind'} the others"
        hint = "let chrony or systemd-timesyncd keep it right: timedatectl set-ntp true"
        if abs(off) > SKEW_FAIL:
            yield Finding("fail", one.host, "clock", text, hint)
        elif abs(off) > SKEW_WARN:
            yield Finding("warn", one.host, "clock", text, hint)
        else:
            yield Finding("ok", one.host, "clock", "its clock agrees with the others")


RULES = (duplicates, clocks)
