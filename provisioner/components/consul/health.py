"""Consul: servers by raft and autopilot, clients by what they reach through the servers."""

from typing import Any

from provisioner.probe.health.answer import UnhealthyError, amount, answer, number
from provisioner.probe.health.systemd import running
from provisioner.probe.health.web import credentials, get

ALIVE = 1


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for one agent. Who the raft leader is, a client has to ask a server: that proves its way there."""
    running(request["unit"], request.get("steady", 0))
    http = request["http"]
    access = credentials("consul")
    own = get(http, "/v1/agent/self", access).json()
    version = str(own.get("Config", {}).get("Version", ""))
    try:
        found = membership(own, get(http, "/v1/agent/members", access).json())
        reply = get(http, "/v1/status/leader")
        found["leader"] = str(reply.json() if reply.status == 200 else "")
        if not found["leader"]:
            why = reply.text.strip('"') or "none is elected"
            raise UnhealthyError(f"Consul has no leader: {why}", facts=found)
        if found["server"]:
            found.update(raft(get(http, "/v1/operator/raft/configuration", access).json()))
            found.update(_autopilot(http, access))
    except UnhealthyError as error:
        raise UnhealthyError(str(error), version, facts=error.facts) from error
    return judge(found, request, version)


def membership(own: "dict[str, Any]", members: "list[dict[str, Any]]") -> "dict[str, Any]":
    """What this agent is, and whom it sees."""
    statistics = own.get("Stats", {}).get("consul", {})
    debug = own.get("DebugConfig", {})
    acl = debug.get("ACLResolverSettings", debug)
    return {
        "server": bool(own.get("Config", {}).get("Server")),
        "acl": acl["ACLDefaultPolicy"] if acl.get("ACLsEnabled") else "off",
        "speaks_tls": bool(debug.get("TLS", {}).get("InternalRPC", debug).get("VerifyOutgoing")),
        "leading": statistics.get("leader") == "true",
        "known_servers": number(statistics.get("known_servers"), 0),
        "alive": sum(1 for m in members if m.get("Status") == ALIVE),
        "not_alive": sorted(str(m.get("Name")) for m in members if m.get("Status") != ALIVE)[:100],
    }


def raft(configuration: "dict[str, Any]") -> "dict[str, Any]":
    """The voters of the raft, and who of them leads."""
    servers = configuration.get("Servers") or []
    return {
        "raft_peers": sorted(str(s.get("Node")) for s in servers if s.get("Voter")),
        "raft_leader": next((str(s.get("Node")) for s in servers if s.get("Leader")), ""),
    }


def _autopilot(http: str, access: "dict[str, str]") -> "dict[str, Any]":
    reply = get(http, "/v1/operator/autopilot/health", access)
    # 429 means "unhealthy" and carries the same body as 200.
    if reply.status == 429:
        reply.status = 200
    state = reply.json()
    return {
        "healthy": bool(state.get("Healthy")),
        "failure_tolerance": number(state.get("FailureTolerance"), 0),
        "unhealthy": sorted(str(s.get("Name")) for s in state.get("Servers") or [] if not s.get("Healthy")),
    }


def judge(found: "dict[str, Any]", request: "dict[str, Any]", version: str) -> "dict[str, Any]":
    """Compare with the datacenter that was asked for."""
    if found["server"] != bool(request["server"]):
        detail = "runs as a client, not as a server" if request["server"] else "runs as a server, not as a client"
        return answer("down", detail, version, facts=found)
    seen = "{} of {} alive".format(found["alive"], amount(int(request["hosts"]), "member"))
    leading = bool(found["leading"])
    role, wrong = "client of {}, ".format(amount(found["known_servers"], "server")), ""
    if found["server"]:
        role = "leads, " if leading else "follows {}, ".format(found["raft_leader"] or found["leader"])
        peers, servers = len(found["raft_peers"]), int(request["servers"])
        if peers != servers:
            wrong = "raft has {}, {} wanted".format(amount(peers, "voter"), servers)
        elif not found["healthy"]:
            wrong = "autopilot finds {} unhealthy".format(", ".join(found["unhealthy"]) or "the servers")
    if found["acl"] != request["acl"]:
        wrong = "ACLs are " + found["acl"]
    if wrong:
        return answer("degraded", role + wrong, version, leading, facts=dict(found, itself="ok"))
    return answer("ok", role + seen, version, leading, facts=found)
