"""Lines that the app and every host log arrive at Logstash, each of them once."""

from __future__ import annotations

import re
from collections import Counter

from provisioner.cluster.model import Host
from provisioner.hosts.openssh import fan_out
from provisioner.hosts.remote_calls import BrokenLink
from provisioner.inventory.schema import load_schema
from provisioner.verbs.proofs.proof import Scene

ARRIVE_SECONDS = 45.0
#: A line that is shipped twice comes the second time with the next batch.
TWICE_SECONDS = 2.0
OUTPUT = "logstash_output_file"


def mark(scene: Scene) -> None:
    """Remember how long the collectors' files are, so that not whole logs have to be read later."""
    for server in scene.cluster.members("logstash_server"):
        said = scene.errands.send(server, "sizes", pattern=_pattern(scene, server))
        scene.log_sizes[server.name] = dict(said.get("sizes", {}))


def arrive(scene: Scene) -> str:
    """Every host writes a line to its log; with the app's own lines they must all arrive, and none twice."""
    servers = scene.cluster.members("logstash_server")
    if not servers:
        raise BrokenLink("Logstash", "no host is in the group logstash_server")
    hosts = scene.cluster.members("logstash")
    said = fan_out(hosts, lambda h: scene.errands.send(h, "log", tag="verify", text=_host_line(scene, h)))
    for name, answer in said.items():
        if isinstance(answer, Exception):
            raise answer
        if "error" in answer:
            raise BrokenLink(f"the log of {name}", str(answer["error"]))
    wanted = {_host_line(scene, h): h for h in hosts}
    wanted.update({f"{scene.name} app line from {i.agent.name}": i.agent for i in scene.instances})
    if scene.until(ARRIVE_SECONDS, lambda: True if wanted.keys() <= _seen(scene, wanted).keys() else None) is None:
        raise _why_not(scene, wanted, servers)
    scene.sleep(TWICE_SECONDS)
    twice = {line: n for line, n in _seen(scene, wanted).items() if n > 1}
    if twice:
        line, times = next(iter(twice.items()))
        raise BrokenLink(f"log forwarding on {wanted[line].name}", f"the line '{line}' arrived {times} times")
    return f"{len(hosts)} hosts' and {len(scene.instances)} app lines, each once"


def _host_line(scene: Scene, host: Host) -> str:
    return f"{scene.name} host line from {host.name}"


def _pattern(scene: Scene, server: Host) -> str:
    """The collector's output file, with `*` for what Logstash fills in: `%{+YYYY-MM-dd}`, `%{host}`."""
    chosen = scene.variable(server, OUTPUT) or load_schema().all_defaults()[OUTPUT]
    return re.sub(r"%\{[^}]*\}", "*", str(chosen))


def _seen(scene: Scene, wanted: dict[str, Host]) -> Counter[str]:
    """How often each wanted line stands in the collectors' files."""
    found: Counter[str] = Counter()
    for server in scene.cluster.members("logstash_server"):
        said = scene.errands.send(server, "lines", pattern=_pattern(scene, server), needle=scene.name,
                                  sizes=scene.log_sizes.get(server.name, {}))
        for text in said.get("lines", []):
            found.update(line for line in wanted if re.search(rf"{re.escape(line)}(?![\w.-])", text))
    return found


def _why_not(scene: Scene, wanted: dict[str, Host], servers: tuple[Host, ...]) -> BrokenLink:
    missing = [line for line in wanted if line not in _seen(scene, wanted)]
    if not missing:
        return BrokenLink("Logstash", f"log lines take longer than {ARRIVE_SECONDS:.0f} s")
    why = f"not arrived within {ARRIVE_SECONDS:.0f} s: {'; '.join(missing[:5])}"
    hosts = {wanted[line].name: wanted[line] for line in missing}.values()
    return scene.blame(why, *(("logstash", h) for h in (*hosts, *servers)))
