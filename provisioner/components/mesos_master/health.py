"""A Mesos master: who leads by the operator API, and whether the ensemble behind it is the one that was asked for.

`/health` is 200 on a master that leads nothing, and `master/elected` and `registrar/log/recovered` are 1 on a lone
master without a quorum. Only the operator API refuses (503) until the master really leads.
"""

from typing import Any

from provisioner.probe.health.answer import UnhealthyError, amount, answer, number
from provisioner.probe.health.mesos import agents, operator, read, version
from provisioner.probe.health.systemd import running

# What is listed of agents must fit the probe's answer also in a large cluster.
LISTED_AGENTS = 300


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for one master: leading or following a leader that answers, with the requested quorum and all replicas."""
    running(request["unit"], request.get("steady", 0))
    server = "{}:{}".format(request["address"], request["port"])
    says = version(server)
    try:
        found = leadership(server)
        found.update(ensemble(read(server, "/metrics/snapshot"), read(server, "/flags")))
    except UnhealthyError as error:
        raise UnhealthyError(str(error), says) from error
    return judge(found, int(request["masters"]), int(request["quorum"]), says)


def leadership(server: str) -> "dict[str, Any]":
    """Does this master lead, or does the one it names? Raises UnhealthyError when nobody does."""
    reply = operator(server, "GET_AGENTS")
    if reply.status == 200:
        listed = agents(reply.json())
        active = [a for a in listed if a["active"]]
        return {"leading": True, "leader": server, "agents": len(active), "agents_listed": listed[:LISTED_AGENTS],
                "agents_inactive": [a["hostname"] for a in listed if not a["active"]][:LISTED_AGENTS]}
    if reply.status != 307:
        raise UnhealthyError(f"{reply.where} answers {reply.status}: {reply.text}")
    leader = reply.headers.get("location", "").split("//", 1)[-1].split("/")[0]
    if not leader:
        raise UnhealthyError(f"{reply.where} redirects to nowhere")
    # For ten seconds after its death a leader is still the one that the others name.
    there = operator(leader, "GET_MASTER")
    if there.status not in (200, 401):
        raise UnhealthyError(f"the leader it names does not lead: {there.where} answers {there.status} {there.text}")
    return {"leading": False, "leader": leader}


def ensemble(metrics: "dict[str, Any]", flags: "dict[str, Any]") -> "dict[str, Any]":
    """The quorum and the passwords this master runs with, and the number of live replicas of the registry it sees."""
    return {
        "elected": number(metrics.get("master/elected")) == 1,
        "quorum": number(flags.get("flags", {}).get("quorum")),
        "knows_credentials": bool(flags.get("flags", {}).get("credentials")),
        "authenticates": flags.get("flags", {}).get("authenticate_agents") == "true",
        "closed": flags.get("flags", {}).get("authenticate_http_readonly") == "true",
        "ensemble_size": number(metrics.get("registrar/log/ensemble_size"), 0),
        "log_recovered": number(metrics.get("registrar/log/recovered")) == 1,
        "uptime_seconds": number(metrics.get("master/uptime_secs"), 0),
    }


def judge(found: "dict[str, Any]", masters: int, quorum: int, says: str) -> "dict[str, Any]":
    """Compare with the ensemble that was asked for. A wrong quorum shows no other symptom and loses data."""
    leading = bool(found["leading"])
    if found["quorum"] != quorum:
        detail = "runs with quorum {}, but {} need {}".format(found["quorum"], amount(masters, "master"), quorum)
        return answer("degraded", detail, says, leading, facts=found)
    role = "leads with " + amount(found["agents"], "active agent") if leading else "follows " + found["leader"]
    if not found["log_recovered"]:
        detail = role + ", but its replica of the registry is still recovering"
        return answer("degraded", detail, says, leading, facts=found)
    if found["ensemble_size"] < quorum:
        # Such a leader answers everything until the first change of the registry, and dies of that.
        detail = "{}, but sees no quorum of {}".format(role, amount(masters, "registry replica"))
        return answer("down", detail, says, leading, facts=found)
    if found["ensemble_size"] != masters:
        detail = "{}, sees {} of {}".format(role, found["ensemble_size"], amount(masters, "registry replica"))
        return answer("degraded", detail, says, leading, facts=dict(found, itself="ok"))
    return answer("ok", role, says, leading, facts=found)
