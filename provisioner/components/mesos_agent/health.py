"""A Mesos agent: what the leading master says of it. The agent itself counts as registered what it merely detected."""

from typing import Any

from provisioner.probe.health.answer import UnhealthyError, answer
from provisioner.probe.health.mesos import agents, ask_leader, read, row, version
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
        leader, listed = registered(request["masters"], state)
    except UnhealthyError as error:
        raise UnhealthyError(str(error), says) from error
    found = judge(state, leader, listed, says, drained=bool(request.get("drained")))
    flags = state.get("flags", {})
    if flags.get("jwt_secret_key") and flags.get("authenticate_http_executors") != "true":
        found["detail"] += "; still takes executors without a token"
    if request.get("note"):
        found["detail"] += "; {}".format(request["note"])
    return found


def registered(masters: "list[str]", state: "dict[str, Any]") -> "tuple[str, list[dict[str, Any]]]":
    """The leading master, and what it lists of this agent; all agents where it does not list this one.

    Each agent asks: if all of them asked for the whole list, what the leader sends would grow with the square of their number.
    """
    leader, _ = ask_leader(masters, "GET_MASTER")
    own = [row(each) for each in read(leader, "/slaves?slave_id=" + state["id"])["slaves"]] if state.get("id") else []
    if not own:
        leader, listing = ask_leader(masters, "GET_AGENTS")
        own = agents(listing)
    return leader, own


def judge(state: "dict[str, Any]", leader: str, listed: "list[dict[str, Any]]", says: str, *,
          drained: bool = False) -> "dict[str, Any]":
    """Compare what the agent says of itself with what the leader lists. `drained`: the operator wants it to take no work."""
    own, pid = state.get("id", ""), state.get("pid", "")
    found = {"id": own, "pid": pid, "leader": leader, "attributes": state.get("attributes", {})}
    if not own:
        return answer("down", "has no id: it never registered with a master", says, facts=found)
    here = next((a for a in listed if a["id"] == own), None)
    if here is None:
        others = [a["id"] for a in listed if a["pid"] == pid]
        hint = f", which knows {others[0]} at this address instead" if others else ""
        return answer("down", f"is not registered with the leading master {leader}{hint}", says, facts=found)
    found["drain"], found["deactivated"] = here["drain"], here["deactivated"]
    if here["pid"] != pid:
        return answer("down", "is registered as {}, but runs as {}".format(here["pid"], pid), says, facts=found)
    if here["deactivated"]:
        detail = "is deactivated{}".format(" and " + here["drain"] if here["drain"] else "")
        if drained and here["drain"] == "DRAINED":
            return answer("ok", "is drained, as asked for: 'provision undrain' lets it take work again", says, facts=found)
        return answer("degraded", detail, says, facts=found)
    if not here["active"]:
        return answer("down", f"is listed as inactive by the leading master {leader}", says, facts=found)
    if drained:
        return answer("degraded", "takes work, although it is to be drained: run 'provision drain' again", says, facts=found)
    return answer("ok", f"registered with {leader}", says, facts=found)
