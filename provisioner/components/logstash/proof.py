"""Lines that the app and every host log arrive at Logstash, each of them once."""

from __future__ import annotations

import re
from collections import Counter

from provisioner.cluster.model import Host
from provisioner.cluster.names import counted
from provisioner.hosts.openssh import fan_out
from provisioner.hosts.remote_calls import BrokenLink
from provisioner.inventory.schema import load_schema
from provisioner.observe.observation import Observation
from provisioner.observe.proof import Link, Proof

ARRIVE_SECONDS = 45.0
#: A line that is shipped twice comes the second time with the next batch.
TWICE_SECONDS = 2.0
OUTPUT = "logstash_output_file"


def prepare(proof: Proof, seen: Observation) -> str:
    """Remember how long the collectors' files are, so that not whole logs have to be read later."""
    for server in proof.cluster.members("logstash_server"):
        said = proof.calls.send(server, "sizes", pattern=_pattern(proof, server))
        proof.log_sizes[server.name] = dict(said.get("sizes", {}))
    return ""


def arrive(proof: Proof) -> str:
    """Every host writes a line to its log; with the app's own lines they must all arrive, and none twice."""
    servers = proof.cluster.members("logstash_server")
    if not servers:
        raise BrokenLink("Logstash", "no host is in the group logstash_server")
    hosts = proof.cluster.members("logstash")
    said = fan_out(hosts, lambda h: proof.calls.send(h, "log", tag="verify", text=_host_line(proof, h)))
    for name, answer in said.items():
        if isinstance(answer, Exception):
            raise answer
        if "error" in answer:
            raise BrokenLink(f"the log of {name}", str(answer["error"]))
    wanted = {_host_line(proof, h): h for h in hosts}
    wanted.update({f"{proof.name} app line from {i.agent.name}": i.agent for i in proof.instances})
    if proof.until(ARRIVE_SECONDS, lambda: True if wanted.keys() <= _seen(proof, wanted).keys() else None) is None:
        raise _why_not(proof, wanted, servers)
    proof.sleep(TWICE_SECONDS)
    twice = {line: n for line, n in _seen(proof, wanted).items() if n > 1}
    if twice:
        line, times = next(iter(twice.items()))
        raise BrokenLink(f"log forwarding on {wanted[line].name}", f"the line '{line}' arrived {times} times")
    return f"lines of {counted(len(hosts), 'host')} and of {counted(len(proof.instances), 'instance')} of the app, each once"


def _host_line(proof: Proof, host: Host) -> str:
    return f"{proof.name} host line from {host.name}"


def _pattern(proof: Proof, server: Host) -> str:
    """The collector's output file, with `*` for what Logstash fills in: `%{+YYYY-MM-dd}`, `%{host}`."""
    chosen = proof.variable(server, OUTPUT) or load_schema().all_defaults()[OUTPUT]
    return re.sub(r"%\{[^}]*\}", "*", str(chosen))


def _seen(proof: Proof, wanted: dict[str, Host]) -> Counter[str]:
    """How often each wanted line stands in the collectors' files."""
    found: Counter[str] = Counter()
    for server in proof.cluster.members("logstash_server"):
        said = proof.calls.send(server, "lines", pattern=_pattern(proof, server), needle=proof.name,
                                  sizes=proof.log_sizes.get(server.name, {}))
        for text in said.get("lines", []):
            found.update(line for line in wanted if re.search(rf"{re.escape(line)}(?![\w.-])", text))
    return found


def _why_not(proof: Proof, wanted: dict[str, Host], servers: tuple[Host, ...]) -> BrokenLink:
    missing = [line for line in wanted if line not in _seen(proof, wanted)]
    if not missing:
        return BrokenLink("Logstash", f"log lines take longer than {ARRIVE_SECONDS:.0f} s")
    why = f"not arrived within {ARRIVE_SECONDS:.0f} s: {'; '.join(missing[:5])}"
    hosts = {wanted[line].name: wanted[line] for line in missing}.values()
    return proof.cause_of(why, *(("logstash", h) for h in (*hosts, *servers)))


LINKS = (Link("log lines of app and hosts arrive at Logstash", "log forwarding → Logstash", arrive),)
