"""Trying every door of the cluster from five places, and looking for secrets where others can see them."""

from __future__ import annotations

import functools
import secrets as random
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from provisioner.cluster.model import Cluster, Host
from provisioner.cluster.names import counted
from provisioner.components import COMPONENTS, component
from provisioner.components.door import Place, called, of
from provisioner.errors import UnreachableError
from provisioner.hosts.openssh import Transport, fan_out
from provisioner.observe.audit.report import Finding, Report, Row, by_door, judged
from provisioner.observe.audit.visits import Target, Visit, headers, request, targets, visits
from provisioner.observe.probe_client import ask
from provisioner.observe.proof import test_image
from provisioner.probe.knocking import connect, knock_at
from provisioner.probe.look import WORDS, digest
from provisioner.state.secrets import AUTHORITY_CERTIFICATE, trusted

#: A host looks through a journal and may start two containers.
TIMEOUT_SECONDS = 240.0
#: Nobody listens there (discard); it takes no packet to learn by which address a host is reached.
NO_PORT = 9
#: For a place that is no host.
HERE = "(here)"
#: How long a place may knock.
KNOCK_SECONDS = 90.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Auditor:
    """What an audit needs: the cluster, the role variables of a host with their defaults, the way to the hosts, the secrets by name, and
    whether the cluster is closed or open.
    """

    cluster: Cluster
    variables: Callable[[Host], Mapping[str, Any]]
    transport: Transport
    secrets: Mapping[str, str]
    access: str
    say: Say

    def audit(self, hosts: Sequence[str] = ()) -> Report:
        """Try every door of these hosts, or of all, and look at each host. Never raises for a host."""
        every = targets(self.cluster, self.variables, hosts)
        asked = [h for h in self.cluster.hosts if not hosts or h.name in hosts]
        self.say(f"looking at {counted(len(asked), 'host')} …")
        looked = fan_out(asked, lambda host: self._look(host, every))
        lost = {name: error.message for name, error in looked.items() if isinstance(error, UnreachableError)}
        answers = {name: answer for name, answer in looked.items() if not isinstance(answer, UnreachableError)}
        if not answers:
            return Report(self.cluster.name, self.access, 0, (), unreachable=lost)
        there = [self._weakened(t, answers[t.host.name]["weak"]) for t in every if t.host.name in answers]
        found = [Finding(severity, name, check, text) for name, answer in answers.items() for severity, check, text in answer["found"]]
        listening = {name: set(answer["listening"]) for name, answer in answers.items()}
        tried = [t for t in there if t.knocks]
        silent = [t for t in tried if t.port and f"{t.protocol}/{t.port}" not in listening[t.host.name]]
        networks = {h.name: self._networks(h) for h in asked if h.name in answers}
        rows, visible = self._visit(visits(self.cluster, there, networks), found)
        found += visible
        found += [row for name, answer in answers.items() for row in self.strange(self.cluster.host(name), answer["strange"])]
        # Nobody is locked out where nothing listens.
        idle = {(t.host.name, t.name) for t in silent}
        rows = [row for row in rows if row.verdict != "locked out" or (row.host, row.door) not in idle]
        return Report(self.cluster.name, self.access, len(tried), tuple(rows), tuple(found),
                      tuple(f"{t.host.name}: {t.name}" for t in silent),
                      tuple(f"{t.host.name}: {t.name}" for t in there if not t.knocks), lost)

    @staticmethod
    def _weakened(target: Target, weak: Mapping[str, str]) -> Target:
        """The same door, where its program can't lock it."""
        why = weak.get(f"{target.component.name} {target.variable}", "")
        return replace(target, knocks=tuple(replace(knock, gap=why) for knock in target.knocks)) if why else target

    @property
    def _authority(self) -> str:
        """Who is trusted, as certificates (PEM); nobody in an open cluster."""
        return trusted(self.secrets) if self.access == "closed" else ""

    def _look(self, host: Host, every: Sequence[Target]) -> Mapping[str, Any]:
        """What root sees there."""
        salt = random.token_hex(16)
        known = [[t.protocol, t.port, t.port] for t in every if t.host.name == host.name]
        known += [["tcp", host.port, host.port], ["tcp", 22, 22], ["udp", 68, 68]]
        variables = self.variables(host)
        private = [pattern for c in COMPONENTS if c.name in host.groups for pattern in of(c, "PRIVATE")]
        known += [["tcp", first, last] for c in COMPONENTS if c.name in host.groups for port in c.ports if port.ranges
                  for first, last in port.ranges(str(variables.get(port.variable) or ""))]
        asked = {"salt": salt, "digests": digests(self.secrets, salt.encode(), self._logins()), "doors": known, "private": private,
                 "user": host.user}
        probes = {c.name: variables[f"{c.name}_probe"] for c in COMPONENTS if c.name in host.groups and of(c, "weak")}
        answer = ask(self.transport, host, {"sections": ["look", "health"], "look": asked, "health": probes}, timeout=TIMEOUT_SECONDS)
        weak = {f"{name} {port}": why for name, one in answer.health.items()
                for port, why in of(component(name), "weak")(one["version"]).items() if one["version"]}
        if "look" in answer.errors:
            return {"found": [["fail", "look", answer.errors["look"]]], "listening": [], "strange": [], "weak": weak}
        return {**answer.more["look"], "weak": weak}

    def _logins(self) -> list[str]:
        """What travels instead of a password: the headers of logins."""
        logins = [called(each, self.secrets) for c in COMPONENTS for each in of(c, "LOGINS")]
        return [value for login in logins if (secret := self.secrets.get(f"vault_{login.secret}"))
                for value in headers(login, secret).values() if value.startswith("Basic ")]

    def _networks(self, host: Host) -> dict[Place, str]:
        variables = self.variables(host)
        found: dict[Place, str] = {}
        for one in (c for c in COMPONENTS if c.name in host.groups):
            found.update(of(one, "networks")(variables) if of(one, "networks") else {})
        return found

    def _visit(self, every: Sequence[Visit], problems: list[Finding]) -> tuple[list[Row], list[Finding]]:
        """All places knock; those on hosts at the same time, while this machine does."""
        self.say(f"knocking from {counted(len(every), 'place')} …")
        rows: list[Row] = []
        seen: list[Finding] = []
        theirs: dict[str, list[Visit]] = {}
        for visit in every:
            if visit.here is not None:
                theirs.setdefault(visit.here.name, []).append(visit)

        def one(host: Host) -> list[tuple[Visit, Mapping[str, Any]]]:
            with ThreadPoolExecutor(len(theirs[host.name])) as pool:
                return list(zip(theirs[host.name], pool.map(functools.partial(self._knock, host), theirs[host.name]), strict=True))

        def here(visit: Visit) -> tuple[list[dict[str, Any]], list[list[Any]]]:
            doors = self._requests(visit)
            for door in doors:
                door["read"] = self._reader(visit.doors[door["id"]][0], seen)
            return doors, knock_at(doors, KNOCK_SECONDS)

        with ThreadPoolExecutor(1) as pool:
            mine = [(visit, pool.submit(here, visit)) for visit in every if visit.here is None]
            there = fan_out([self.cluster.host(name) for name in theirs], one)
        for visit, asked in mine:
            doors, said = asked.result()
            rows += _rows(visit, doors, said)
            problems += untried(visit, said)
        for name, done in there.items():
            if isinstance(done, UnreachableError):
                problems.append(Finding("fail", name, "place", f"nobody could knock from here: {done.message}"))
                continue
            for visit, answer in done:
                if answer.get("error"):
                    problems.append(Finding("fail", name, "place", f"nobody could knock from {visit.place}: {answer['error']}"))
                    continue
                rows += _rows(visit, self._requests(visit), answer["rows"])
                problems += untried(visit, answer["rows"])
        return rows, list(dict.fromkeys(seen))

    def _requests(self, visit: Visit) -> list[dict[str, Any]]:
        return [request(i, t, a, self.secrets, self._authority) for i, (t, a) in enumerate(visit.doors)]

    def _knock(self, host: Host, visit: Visit) -> Mapping[str, Any]:
        asked = {"doors": self._requests(visit), "root": visit.place == "member", "network": visit.network,
                 "image": test_image(self.cluster), "container": f"audit-{random.token_hex(4)}"}
        answer = ask(self.transport, host, {"sections": ["knock"], "knock": asked}, timeout=TIMEOUT_SECONDS)
        return answer.more["knock"] if "knock" not in answer.errors else {"rows": [], "error": answer.errors["knock"]}

    def _reader(self, target: Target, seen: list[Finding]) -> Callable[[str, str], None]:
        """Looks for secrets in what somebody with the right credentials is shown."""
        words = {word: name for name, word in words_of(self.secrets, self._logins())}

        def read(title: str, body: str) -> None:
            for name in {words[word] for pattern in WORDS for word in pattern.findall(body.encode()) if word in words}:
                seen.append(Finding("fail", target.host.name, "secrets", f"{name} is in the answer to {title} of {target.title}"))

        return read

    def strange(self, host: Host, listeners: Sequence[Sequence[Any]]) -> list[Finding]:
        """Whether a listener that is no known door can be reached from here."""
        found = []
        gaps = {name: why for c in COMPONENTS for name, why in dict(of(c, "LISTENERS")).items()}
        for protocol, address, port, who in listeners:
            try:
                if who.split(" ")[0] in gaps:
                    text = f"{who} listens on {address}:{port}: {gaps[who.split(' ')[0]]}"
                    found.append(Finding("note", host.name, "listeners", text))
                elif protocol == "tcp":
                    connect({"address": host.cluster_address, "port": port}).close()
                    found.append(Finding("fail", host.name, "listeners", f"{who} listens on {address}:{port}, which is no known door"))
                else:
                    found.append(Finding("note", host.name, "listeners", f"{who} listens on {address}:{port}/udp, which is no known door"))
            except Exception as error:  # the program's own error: no connection
                found.append(Finding("note", host.name, "listeners", f"{who} listens on {address}:{port}, not reached from here: {error}"))
        return found


def _rows(visit: Visit, doors: Sequence[Mapping[str, Any]], answers: Sequence[Sequence[Any]]) -> list[Row]:
    """Of one place, by door: of several addresses what says most."""
    by_target: dict[int, tuple[Target, list[Sequence[Any]], list[str]]] = {}
    answered = by_door(answers)
    for door, (target, _) in zip(doors, visit.doors, strict=True):
        right = [name for name, key in door["keys"].items() if key.get("right")]
        by_target.setdefault(id(target), (target, [], right))[1].extend(answered.get(int(door["id"]), []))
    own = visit.here.name if visit.here else ""
    return [row for target, said, right in by_target.values()
            for row in judged(target, visit.place, target.host.name == own, said, right, "" if visit.here else _reaching(target.host))]


def _reaching(host: Host) -> str:
    """The address of this machine from which it reaches a host; '' where it does not."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nothing_is_sent:
        try:
            nothing_is_sent.connect((host.cluster_address, NO_PORT))
        except OSError:
            return ""
        return str(nothing_is_sent.getsockname()[0])


def untried(visit: Visit, answers: Sequence[Sequence[Any]]) -> list[Finding]:
    """The doors of a visit that were not tried after all: nobody knows whether they are open."""
    failed = {int(number): str(words) for number, _, _, kind, words in answers if kind == "failed"}
    answered = {int(number) for number, *_ in answers} - failed.keys()
    left = [(number, target) for number, (target, _) in enumerate(visit.doors) if number not in answered]
    if not left:
        return []
    number, first = left[0]
    text = f"{len(left)} of {len(visit.doors)} were not tried from {visit.place}: {first.name} of {first.host.name}"
    return [Finding("fail", visit.here.name if visit.here else HERE, "place", f"{text}: {failed.get(number, 'there was no time')}")]


def words_of(secrets: Mapping[str, str], logins: Sequence[str]) -> list[tuple[str, bytes]]:
    """The words by which each secret is known where it is seen, without those that everybody may read."""
    values = [(name, value) for name, value in secrets.items() if not name.startswith(AUTHORITY_CERTIFICATE) and not name.endswith("_turn")]
    values += [("a password", value.removeprefix("Basic ")) for value in logins]
    return [(name, word) for name, value in values for line in value.splitlines() if not line.startswith("-----")
            for pattern in WORDS for word in pattern.findall(line.encode())]


def digests(secrets: Mapping[str, str], salt: bytes, logins: Sequence[str]) -> dict[str, str]:
    """Salted digest → the name of the secret."""
    return {digest(salt, word): name for name, word in words_of(secrets, logins)}
