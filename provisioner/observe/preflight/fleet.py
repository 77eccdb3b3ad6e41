"""Rules about hosts among each other: clones, and clocks that disagree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from provisioner.observe.preflight.report import Finding, Seen

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
        if (own := str(one.variables.get("common_address", ""))).startswith("127."):
            hint = "set cluster_address to its address in the network; for the machine that provision runs on, ansible_connection: local"
            yield Finding("fail", one.host, "address", f"containers can't reach it at {own}", hint)
        if not one.facts["machine_id"]:
            yield Finding("fail", one.host, "machine-id", "it has no machine-id", "systemd-machine-id-setup; reboot")


def clocks(seen: Sequence[Seen]) -> Iterator[Finding]:
    """Only what is certain counts: a clock is as far off as its nearest bound is from where most hosts can agree."""
    if not seen:
        return
    first, last = _agreed([one.ahead for one in seen])
    for one in seen:
        low, high = one.ahead
        off = low - last if low > last else high - first if high < first else 0.0
        text = f"its clock is {abs(off):.1f} s {'ahead of' if off > 0 else 'behind'} the others"
        hint = "let chrony or systemd-timesyncd keep it right: timedatectl set-ntp true"
        if abs(off) > SKEW_FAIL:
            yield Finding("fail", one.host, "clock", text, hint)
        elif abs(off) > SKEW_WARN:
            yield Finding("warn", one.host, "clock", text, hint)
        else:
            yield Finding("ok", one.host, "clock", "its clock agrees with the others")


def _agreed(bounds: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The interval that the most hosts hold (Marzullo's algorithm, by which NTP selects its clocks: RFC 5905, 11.2.1).

    A login that takes long only widens the bounds of its host, to one side; their middles would be off for all that are slow.
    """
    ends = sorted([(low, 0) for low, _ in bounds] + [(high, 1) for _, high in bounds])
    holding, most, found = 0, 0, ends[0][0]
    for place, kind in ends:
        holding += 1 if kind == 0 else -1
        if holding > most:
            most, found = holding, place
    return found, min(place for place, kind in ends if kind == 1 and place >= found)


RULES = (duplicates, clocks)
