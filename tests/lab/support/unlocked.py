"""One lock taken away by hand: what is done on a host, how it is undone, and which doors are open then.

Every door of the components is opened by at least one row (tests/unit/test_audit.py).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

#: Waits until something listens on a port.
LISTENS = "for _ in $(seq 90); do ss -Hlnt 'sport = :{port}' | grep -q . && break; sleep 1; done"
#: Says yes to everybody, at an address and port.
YES = """
import http.server, sys
class Yes(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'{"yes": 1}')
    do_POST = do_GET
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Yes).serve_forever()
"""
#: Passes on what comes to a port to Docker's socket.
RELAY = """
import socket, sys, threading
def copy(one, other):
    while data := one.recv(65536):
        other.sendall(data)
    other.shutdown(socket.SHUT_WR)
for one, _ in iter(socket.create_server(("", int(sys.argv[1]))).accept, None):
    docker = socket.socket(socket.AF_UNIX); docker.connect("/run/docker.sock")
    for pair in ((one, docker), (docker, one)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""


@dataclass(frozen=True)
class Unlocked:
    """`host` is one, or `masters` for each of them in turn. `doors` as the audit names them; with `others` it may name more."""

    title: str
    host: str
    script: str
    undo: str
    doors: tuple[str, ...]
    others: bool = False


def started(unit: str, *command: str) -> str:
    """The script that starts a unit of that name."""
    # By itself systemd would call the unit by its command line, in the journal.
    return f"systemd-run --quiet --collect --unit={unit} --description=audited {shlex.join(command)}; sleep 1"


def edited(title: str, host: str, file: str, edit: str, unit: str, port: int, *doors: str) -> Unlocked:
    """A setting of a service, by an expression of sed; a file that stays as it was is no mutation."""
    restart = f"systemctl restart {unit}; sleep 1; {LISTENS.format(port=port)}; sleep 3"
    return Unlocked(
        title, host, f"cp -p {file} /root/locked; sed -i -E '{edit}' {file}; ! cmp -s {file} /root/locked || exit 1; {restart}",
        f"[ ! -e /root/locked ] || {{ cp -p /root/locked {file}; rm /root/locked; {restart}; }}", doors)


def beside(title: str, host: str, program: str, port: int, *doors: str) -> Unlocked:
    """Something that listens where nothing should."""
    unit, address = f"audit-yes-{port}", ("",) if program is YES else ()
    return Unlocked(title, host, started(unit, "python3", "-c", program, *address, str(port)), f"systemctl stop {unit}", doors)


_MASTER, _AGENT = "The Mesos master 5050/tcp", "The Mesos agent 5051/tcp"
_RULES = ("nft delete table inet provisioner", "systemctl reload provisioner-network")
_FRAMEWORKS = [started(f"audit-yes-{port}", "python3", "-c", YES, "", str(port)) for port in (15101, 15202)]
UNLOCKED = (
    Unlocked("no network rules", "masters", *_RULES, (
        "Docker swarm's managers 2377/tcp", "Docker swarm's gossip 7946/tcp", "A Consul server 8300/tcp", "Consul's gossip 8301/tcp",
        "Consul's gossip between sites 8302/tcp", "Dnsmasq 53/tcp", "Dnsmasq 53/udp", "ZooKeeper 2181/tcp", "ZooKeeper's peers 2888/tcp",
        "ZooKeeper's election 3888/tcp", "Logstash over TLS, in a closed one 6514/tcp")),
    # A lab's own Marathon and Chronos speak HTTP with Mesos, and listen for no messages.
    Unlocked("no network rules before frameworks", "m1", "; ".join((*_FRAMEWORKS, _RULES[0])),
             f"systemctl stop audit-yes-15101 audit-yes-15202; {_RULES[1]}",
             ("Marathon's libprocess 15101/tcp", "Chronos's libprocess 15202/tcp"), others=True),
    Unlocked("a network rule that lets everybody in", "a1", "nft insert rule inet provisioner members_only accept", _RULES[1], (
        "Docker swarm's gossip 7946/tcp", "Consul's gossip 8301/tcp")),
    Unlocked("Docker's socket is for all", "a1", "chmod 0666 /run/docker.sock", "chmod 0660 /run/docker.sock", ("Docker's socket",)),
    beside("Docker by TCP", "m1", RELAY, 2375, "Docker's API over TCP 2375/tcp"),
    beside("Docker by TCP, on the other port", "a1", RELAY, 2376, "Docker's API over TLS 2376/tcp"),
    beside("lines in clear", "m1", YES, 5140, "Logstash, in an open cluster 5140/tcp"),
    edited("Mesos master: who reads", "m1", "/etc/mesos/master.env", "s/(HTTP_READONLY=).*/\\1false/", "mesos-master", 5050, _MASTER),
    edited("Mesos master: who writes", "m2", "/etc/mesos/master.env", "s/(HTTP_READWRITE=).*/\\1false/", "mesos-master", 5050, _MASTER),
    edited("Mesos master: frameworks", "m3", "/etc/mesos/master.env", "s/(HTTP_FRAMEWORKS=).*/\\1false/", "mesos-master", 5050, _MASTER),
    edited("Mesos master: senders", "m1", "/etc/mesos/master.env", "/PEER_ADDRESS_IP_MATCH/d", "mesos-master", 5050, _MASTER),
    edited("Mesos agent: who reads", "a1", "/etc/mesos/agent.env", "s/(HTTP_READONLY=).*/\\1false/", "mesos-agent", 5051, _AGENT),
    edited("Mesos agent: who writes", "a1", "/etc/mesos/agent.env", "s/(HTTP_READWRITE=).*/\\1false/", "mesos-agent", 5051, _AGENT),
    edited("Mesos agent: senders", "a2", "/etc/mesos/agent.env", "/PEER_ADDRESS_IP_MATCH/d", "mesos-agent", 5051, _AGENT),
    # One that does not lead passes requests on to the leader, which asks for the password.
    edited("Marathon's password", "masters", "/etc/marathon/args", "/^--http_credentials /d", "marathon", 8080, "Marathon 8080/tcp",
           "Marathon's HTTPS 8443/tcp"),
    edited("Chronos' password", "masters", "/etc/chronos/args", "/^--http_credentials /d", "chronos", 4400, "Chronos 4400/tcp",
           "Chronos's HTTPS 4443/tcp"),
    edited("Consul: who brings no token", "m1", "/etc/consul.d/acl.json", 's/("default_policy": )"deny"/\\1"allow"/', "consul", 8500,
           "Consul's API 8500/tcp"),
    edited("Consul: for other hosts", "a1", "/etc/consul.d/consul.json", 's/("client_addr": )"127.0.0.1"/\\1"0.0.0.0"/', "consul", 8500,
           "Consul's API 8500/tcp", "Consul's DNS 8600/tcp", "Consul's DNS 8600/udp"),
    edited("Consul: RPC in clear", "m1", "/etc/consul.d/tls.json", 's/("verify_incoming(_rpc)?": )true/\\1false/', "consul", 8300,
           "A Consul server 8300/tcp"),
    edited("Consul: gossip in clear", "m2", "/etc/consul.d/consul.json", 's/^\\{/{"encrypt_verify_incoming": false,/', "consul", 8301,
           "Consul's gossip 8301/udp", "Consul's gossip between sites 8302/udp"),
    edited("ZooKeeper: peers in clear", "masters", "/etc/zookeeper/provisioner/zoo.cfg", "s/^portUnification=false/portUnification=true/",
           "zookeeper", 3888, "ZooKeeper's peers 2888/tcp", "ZooKeeper's election 3888/tcp"),
    edited("Logstash: who has no certificate", "m1", "/etc/logstash/conf.d/cluster.conf",
           's/(ssl_client_authentication => )"required"/\\1"none"/; s/(ssl_verify => )true/\\1false/', "logstash", 6514,
           "Logstash over TLS, in a closed one 6514/tcp"),
    edited("Logstash's API: for other hosts", "m2", "/etc/logstash/logstash.yml", "s/^(api.http.host: ).*/\\10.0.0.0/", "logstash", 9600,
           "Logstash's API 9600/tcp"),
)
