"""A Mesos agent: what the leading master says of it. The agent itself counts as registered what it merely detected."""

from typing import Any

from provisioner.probe.health.answer import UnhealthyError, answer
from provisioner.probe.health.mesos import agents, ask_leader, read, version
from provisioner.probe.health.systemd import running
from provisioner.probe.health.web import get


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for one agent: recovered, and listed as active by the leader under the same id and the same pid."""
    running(request["unit"], request.get("steady", 0))
    server = "{}:{}".format(request["address"], request["port"])
    says = version(server)
    recovered = get(server, "/health")
    if recovered.status != 200:
        raise UnhealthyError(f"{recovered.where} answers {recovered.status}: the agent has not recovered yet", says)
    try:
        state = read(server, "/state")
        leader, listing = ask_leader(request["masters"], "GET_AGENTS")
    except UnhealthyError as error:
        raise UnhealthyError(str(error), says) from error
    found = judge(state, leader, agents(listing), says, drained=bool(request.get("drained")))
    flags = state.get("flags", {})
    if flags.get("jwt_secret_key") and flags.get("authenticate_http_executors") != "true":
        found["detail"] += "; still takes executors without a token"
    if request.get("note"):
        found["detail"] += "; {}".format(request["note"])
    return found


def judge(state: "dict[str, Any]", leader: str, listed: "list[dict[str, Any]]", says: str, *,
          drained: bool = False) -> "dict[str, Any]":
    """Compare what the agent says of itself with what the leader lists. `drained`: the operator wants it to take no work."""
    own, pid = state.get("id", ""), state.get("pid", "")
    found = {"id": own, "pid": pid, "leader": leader, "attributes": state.get("attributes", {})}
    if not own:
        return answer("down", "has no id: it never registered with a master", says, facts=found)
    row = next((a for a in listed if a["id"] == own), None)
    if row is None:
        others = [a["id"] for a in listed if a["pid"] == pid]
        hint = f", which knows {others[0]} at this address instead" if others else ""
        return answer("down", f"is not registered with the leading master {leader}{hint}", says, facts=found)
    found["drain"], found["deactivated"] = row["drain"], row["deactivated"]
    if row["pid"] != pid:
        return answer("down", "is registered as {}, but runs as {}".format(row["pid"], pid), says, facts=found)
    if row["deactivated"]:
        detail = "is deactivated{}".format(" and " + row["drain"] if row["drain"] else "")
        if drained and row["drain"] == "DRAINED":
            return answer("ok", "is drained, as asked for: 'provision undrain' lets it take work again", says, facts=found)
        return answer("degraded", detail, says, facts=found)
    if not row["active"]:
        return answer("down", f"is listed as inactive by the leading master {leader}", says, facts=found)
    if drained:
        return answer("degraded", "takes work, although it is to be drained: run 'provision drain' again", says, facts=found)
    return answer("ok", f"registered with {leader}", says, facts=found)
