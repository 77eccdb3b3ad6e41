"""Drain this host's Mesos agent, or let a drained one take work again. Prints JSON {changed, detail}; exits 1 with a sentence.

Arguments: "drain" or "reactivate", and JSON {masters: ["address:port"], agent: "address:port", grace, timeout} (seconds).

Draining kills the tasks at once (SIGTERM, SIGKILL after `grace`) and starts replacements elsewhere only afterwards. A
drain of which the last status update was never acknowledged stays DRAINING for ever: asked again, Mesos looks anew.
"""
import json
import sys
import time
import urllib.error
import urllib.request

SECONDS = 10
PAUSE = 1.0
RETURN_SECONDS = 20
TERMINAL = {"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE",
            "TASK_GONE_BY_OPERATOR", "TASK_UNREACHABLE", "TASK_UNKNOWN"}


def call(server, kind, **body):
    """The answer of one master as (status, JSON or text). 0 when it does not answer."""
    data = json.dumps(dict({"type": kind}, **body)).encode()
    request = urllib.request.Request("http://" + server + "/api/v1", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 (always http)
            text = answer.read().decode()
            return answer.status, json.loads(text) if text else {}
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def give_up(sentence):
    sys.exit(sentence)


class Agent:
    def __init__(self, asked):
        self.masters, self.pid = asked["masters"], "@" + asked["agent"]
        self.leader = ""

    def look(self):
        """This agent as the leading master lists it, None when it does not; gives up when nobody leads."""
        said = []
        for server in [self.leader or self.masters[0], *self.masters]:
            status, answer = call(server, "GET_AGENTS")
            if status == 200:
                self.leader = server
                rows = answer["get_agents"].get("agents", [])
                return next((a for a in rows if a["pid"].endswith(self.pid)), None)
            said.append(f"{server} answers {status} {answer}")
        return give_up("No Mesos master leads: " + "; ".join(said[1:]) + ". Bring up the masters first.")

    def ask(self, kind, row, **more):
        field = dict({"agent_id": row["agent_info"]["id"]}, **more)
        status, answer = call(self.leader, kind, **{kind.lower(): field})
        if status != 200:
            give_up(f"The master {self.leader} refuses {kind}: {status} {answer}")

    def tasks(self, row):
        """Ids of the tasks on this agent that have not ended, with the frameworks they belong to."""
        status, answer = call(self.leader, "GET_TASKS")
        if status != 200:
            return give_up(f"The master {self.leader} does not list its tasks: {status} {answer}")
        mine = row["agent_info"]["id"]["value"]
        rows = answer["get_tasks"].get("tasks", [])
        return {t["task_id"]["value"]: t["framework_id"]["value"] for t in rows
                if t["agent_id"]["value"] == mine and t["state"] not in TERMINAL}

    def orphans(self, row):
        """Those of frameworks that are gone: a drain would wait for them for ever."""
        status, answer = call(self.leader, "GET_FRAMEWORKS")
        rows = answer["get_frameworks"].get("frameworks", []) if status == 200 else []
        gone = {f["framework_info"]["id"]["value"] for f in rows if f.get("recovered")}
        return sorted({framework for framework in self.tasks(row).values() if framework in gone})


def state(row):
    return row.get("drain_info", {}).get("state", "")


def refuse_orphans(agent, row):
    """Gives up on tasks whose framework stays away: for a moment after an election that is true of all frameworks."""
    deadline = time.time() + RETURN_SECONDS
    gone = agent.orphans(row)
    while gone:
        if time.time() > deadline:
            give_up("The agent has tasks of frameworks that are gone ({}): a drain would never end. Tear them down first, POST "
                    "/teardown frameworkId=<id> to {}; this kills their tasks on every agent.".format(", ".join(gone), agent.leader))
        time.sleep(PAUSE)
        gone = agent.orphans(row)


def drain(agent, asked):
    row = agent.look()
    if row is None:
        return False, "the masters do not know this agent: nothing to drain"
    if state(row) == "DRAINED":
        return False, "drained already"
    refuse_orphans(agent, row)
    deadline, asked_at = time.time() + asked["timeout"], 0.0
    while state(row) != "DRAINED":
        idle = state(row) == "DRAINING" and not agent.tasks(row)
        if state(row) != "DRAINING" or (idle and time.time() - asked_at > 3 * PAUSE):
            agent.ask("DRAIN_AGENT", row, max_grace_period={"seconds": asked["grace"]}, mark_gone=False)
            asked_at = time.time()
        if time.time() > deadline:
            give_up("The agent is not drained after {} s; these tasks are left: {}. Run the drain again, or raise "
                    "mesos_agent_drain_seconds.".format(asked["timeout"], ", ".join(agent.tasks(row)) or "none"))
        time.sleep(PAUSE)
        row = agent.look()
        if row is None:
            give_up("The agent went away while it was drained: look at its journal.")
    return True, "drained"


def reactivate(agent, asked):
    deadline = time.time() + asked["timeout"]
    row = agent.look()
    while row is None or state(row) == "DRAINING":
        if time.time() > deadline:
            give_up("The agent is {} after {} s and cannot take work yet: drain it again, then bring it up.".format(
                state(row) if row else "not registered", asked["timeout"]))
        time.sleep(PAUSE)
        row = agent.look()
    if not row.get("deactivated"):
        return False, "takes work"
    agent.ask("REACTIVATE_AGENT", row)
    while agent.look().get("deactivated"):
        if time.time() > deadline:
            give_up("The agent is still deactivated after {} s: look at the journal of the leading master.".format(asked["timeout"]))
        time.sleep(PAUSE)
    return True, "takes work again"


def main():
    asked = json.loads(sys.argv[2])
    work = {"drain": drain, "reactivate": reactivate}[sys.argv[1]]
    changed, detail = work(Agent(asked), asked)
    print(json.dumps({"changed": changed, "detail": detail}))


if __name__ == "__main__":
    main()
