"""Marathon starts a container on every agent, and calls it healthy after asking it over HTTP."""

from __future__ import annotations

from typing import Any

from provisioner.cluster.model import Host
from provisioner.errors import UnreachableError
from provisioner.hosts.remote_calls import BrokenLink
from provisioner.observe.proof import CONTAINER_PORT, Cleaning, Instance, Link, Proof

#: Whose credentials go with a request.
NAME = "marathon"
#: Pulling the image from the cluster's registry and starting it; a first pull of a vendor's image is the slow case.
DEPLOY_SECONDS = 150.0
STOP_SECONDS = 60.0
CREATED, MISSING = 201, 404


def definition(proof: Proof) -> dict[str, Any]:
    """The app. Its shell is process 1 and ends on TERM at once, so that cleaning up does not take the grace period."""
    command = (f"mkdir -p /www && echo {proof.name} > /www/index.html && echo \"{proof.name} app line from $HOST\""
               f" && {{ httpd -f -p {CONTAINER_PORT} -h /www & trap 'exit 0' TERM; wait; }}")
    check = {"protocol": "HTTP", "path": "/", "portIndex": 0, "gracePeriodSeconds": 60, "intervalSeconds": 2,
             "timeoutSeconds": 2, "maxConsecutiveFailures": 5, "delaySeconds": 1}
    return {
        "id": f"/{proof.name}", "cmd": command, "instances": len(proof.agents), "cpus": 0.05, "mem": 32,
        "constraints": [["hostname", "UNIQUE"]], "env": {"SERVICE_NAME": proof.name}, "healthChecks": [check],
        "networks": [{"mode": "container/bridge"}],
        "container": {"type": "DOCKER", "docker": {"image": proof.image},
                      "portMappings": [{"containerPort": CONTAINER_PORT, "hostPort": 0, "protocol": "tcp"}]},
    }


def marathon(proof: Proof) -> tuple[Host, str]:
    """A host whose Marathon answers, and where. Followers pass requests on, so any will do."""
    hosts = proof.cluster.members("marathon")
    if not hosts:
        raise BrokenLink("Marathon", "no host is in the group marathon")
    why = []
    for host in hosts:
        server = proof.server(host, "marathon")
        reply = proof.calls.get(host, server, "/v2/leader", credentials=NAME)
        if reply.ok:
            return host, server
        why.append(f"{host.name}: {reply}")
    raise proof.cause_of("; ".join(why), *(("marathon", h) for h in hosts))


def deploy(proof: Proof) -> str:
    """Start the app on every agent and wait until Marathon calls all instances healthy."""
    host, server = marathon(proof)
    proof.begun.add("app")
    made = proof.calls.http(host, "POST", server, "/v2/apps", definition(proof), credentials=NAME)
    if made.status != CREATED:
        raise BrokenLink(f"Marathon on {host.name}", f"it refused the app: {made}")
    wanted = len(proof.agents)

    def healthy() -> dict[str, Any] | None:
        app = _app(proof, host, server)
        return app if app.get("tasksHealthy") == wanted and app.get("tasksRunning") == wanted else None

    app = proof.until(DEPLOY_SECONDS, healthy)
    if app is None:
        raise _why_not(proof, host, _app(proof, host, server))
    proof.instances = tuple(_instance(proof, task) for task in app["tasks"])
    return ", ".join(f"{i.agent.name}:{i.port}" for i in proof.instances)


def remove(proof: Proof) -> None:
    """Stop the app and wait until nothing of it is left. Raises BrokenLink when something is."""
    host, server = marathon(proof)

    def gone() -> bool | None:
        return True if proof.calls.get(host, server, path, credentials=NAME).status == MISSING else None

    path = f"/v2/apps/{proof.name}"
    reply = proof.calls.http(host, "DELETE", server, f"{path}?force=true", credentials=NAME)
    if not (reply.ok or reply.status == MISSING):
        raise BrokenLink(f"Marathon on {host.name}", f"it does not delete the app /{proof.name}: {reply}")
    if proof.until(STOP_SECONDS, gone) is None:
        raise BrokenLink(f"Marathon on {host.name}", f"the app /{proof.name} is still there after {STOP_SECONDS:.0f} s")


def _app(proof: Proof, host: Host, server: str) -> dict[str, Any]:
    found = proof.calls.get(host, server, f"/v2/apps/{proof.name}", credentials=NAME).json()
    return (found.get("app") or {}) if isinstance(found, dict) else {}


def _agent(proof: Proof, name: str) -> Host | None:
    return next((a for a in proof.agents if name in (a.name, a.address, a.cluster_address)), None)


def _instance(proof: Proof, task: dict[str, Any]) -> Instance:
    agent = _agent(proof, str(task.get("host")))
    if agent is None:
        raise BrokenLink("Mesos agents", f"an instance runs on {task.get('host')}, which is no agent of the inventory")
    return Instance(agent, agent.cluster_address, int(task["ports"][0]))


def _why_not(proof: Proof, host: Host, app: dict[str, Any]) -> BrokenLink:
    """Agents without an instance first, then instances that do not answer Marathon's question, then Marathon itself."""
    tasks = [t for t in app.get("tasks", []) if t.get("state", "TASK_RUNNING") == "TASK_RUNNING"]
    failed = (app.get("lastTaskFailure") or {}).get("message", "")
    last = f"; the last instance that failed said: {failed}" if failed else ""
    busy = {str(t.get("host")) for t in tasks}
    idle = [a for a in proof.agents if not busy & {a.name, a.address, a.cluster_address}]
    if app and idle:
        why = f"no instance of the app runs there after {DEPLOY_SECONDS:.0f} s{last}"
        return proof.cause_of(why, *((c, a) for a in idle for c in ("mesos_agent", "docker")))
    for task in tasks:
        results = task.get("healthCheckResults") or []
        if not any(r.get("alive") for r in results):
            cause = next((r.get("lastFailureCause") for r in results if r.get("lastFailureCause")), "no answer")
            return BrokenLink(f"the way from Marathon to {task.get('host')}:{(task.get('ports') or ['?'])[0]}",
                              f"the app runs, but is not called healthy: {cause}")
    try:
        return proof.cause_of(f"Marathon does not have the app running{last}", ("marathon", host))
    except UnreachableError as error:
        return BrokenLink(f"SSH to {host.name}", error.message)


LINKS = (Link("a Marathon app is healthy on every agent", "Marathon → Mesos → Docker", deploy),)
CLEANING: tuple[Cleaning, ...] = (("app", remove),)
