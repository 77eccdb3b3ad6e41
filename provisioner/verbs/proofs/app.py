"""Marathon starts a container on every agent, and calls it healthy after asking it over HTTP."""

from __future__ import annotations

from typing import Any

from provisioner.cluster.model import Host
from provisioner.cluster.names import host_list
from provisioner.errors import UnreachableError
from provisioner.hosts.remote_calls import BrokenLink
from provisioner.verbs.proofs.proof import Instance, Scene

#: Pulling the image from the cluster's registry and starting it; a first pull of a vendor's image is the slow case.
DEPLOY_SECONDS = 150.0
STOP_SECONDS = 60.0
CONTAINER_PORT = 8080
CREATED, MISSING = 201, 404


def hosts_answer(scene: Scene) -> str:
    """Every host can be reached; agents that somebody took out of service on purpose are left alone."""
    seen = scene.look(())
    away = [(name, host.error) for name, host in seen.hosts.items() if not host.reachable]
    if away:
        raise BrokenLink(f"SSH to {away[0][0]}", "; ".join(f"{name} is unreachable: {error}" for name, error in away))
    agents: list[Host] = []
    resting: list[Host] = []
    for host in scene.cluster.members("mesos_agent"):
        health = seen.health(host.name, "mesos_agent")
        out = bool(health and health["facts"].get("deactivated"))
        (resting if out else agents).append(host)
    scene.agents = tuple(agents)
    if not agents:
        raise BrokenLink("Mesos agents", "there is no Mesos agent that takes work")
    text = f"{len(seen.hosts)} hosts answer"
    return text + (f"; left out, because deactivated: {host_list([h.name for h in resting])}" if resting else "")


def definition(scene: Scene) -> dict[str, Any]:
    """The app. Its shell is process 1 and ends on TERM at once, so that cleaning up does not take the grace period."""
    command = (f"mkdir -p /www && echo {scene.name} > /www/index.html && echo \"{scene.name} app line from $HOST\""
               f" && {{ httpd -f -p {CONTAINER_PORT} -h /www & trap 'exit 0' TERM; wait; }}")
    check = {"protocol": "HTTP", "path": "/", "portIndex": 0, "gracePeriodSeconds": 60, "intervalSeconds": 2,
             "timeoutSeconds": 2, "maxConsecutiveFailures": 5, "delaySeconds": 1}
    return {
        "id": f"/{scene.name}", "cmd": command, "instances": len(scene.agents), "cpus": 0.05, "mem": 32,
        "constraints": [["hostname", "UNIQUE"]], "env": {"SERVICE_NAME": scene.name}, "healthChecks": [check],
        "networks": [{"mode": "container/bridge"}],
        "container": {"type": "DOCKER", "docker": {"image": scene.image},
                      "portMappings": [{"containerPort": CONTAINER_PORT, "hostPort": 0, "protocol": "tcp"}]},
    }


def marathon(scene: Scene) -> tuple[Host, str]:
    """A host whose Marathon answers, and where. Followers pass requests on, so any will do."""
    hosts = scene.cluster.members("marathon")
    if not hosts:
        raise BrokenLink("Marathon", "no host is in the group marathon")
    why = []
    for host in hosts:
        server = scene.server(host, "marathon")
        reply = scene.errands.get(host, server, "/v2/leader")
        if reply.ok:
            return host, server
        why.append(f"{host.name}: {reply}")
    raise scene.blame("; ".join(why), *(("marathon", h) for h in hosts))


def deploy(scene: Scene) -> str:
    """Start the app on every agent and wait until Marathon calls all instances healthy."""
    host, server = marathon(scene)
    scene.begun.add("app")
    made = scene.errands.http(host, "POST", server, "/v2/apps", definition(scene))
    if made.status != CREATED:
        raise BrokenLink(f"Marathon on {host.name}", f"it refused the app: {made}")
    wanted = len(scene.agents)

    def healthy() -> dict[str, Any] | None:
        app = _app(scene, host, server)
        return app if app.get("tasksHealthy") == wanted and app.get("tasksRunning") == wanted else None

    app = scene.until(DEPLOY_SECONDS, healthy)
    if app is None:
        raise _why_not(scene, host, _app(scene, host, server))
    scene.instances = tuple(_instance(scene, task) for task in app["tasks"])
    return ", ".join(f"{i.agent.name}:{i.port}" for i in scene.instances)


def remove(scene: Scene) -> None:
    """Stop the app and wait until nothing of it is left. Raises BrokenLink when something is."""
    host, server = marathon(scene)

    path = f"/v2/apps/{scene.name}"
    reply = scene.errands.http(host, "DELETE", server, f"{path}?force=true")
    if not (reply.ok or reply.status == MISSING):
        raise BrokenLink(f"Marathon on {host.name}", f"it does not delete the app /{scene.name}: {reply}")
    if scene.until(STOP_SECONDS, lambda: True if scene.errands.get(host, server, path).status == MISSING else None) is None:
        raise BrokenLink(f"Marathon on {host.name}", f"the app /{scene.name} is still there after {STOP_SECONDS:.0f} s")


def _app(scene: Scene, host: Host, server: str) -> dict[str, Any]:
    found = scene.errands.get(host, server, f"/v2/apps/{scene.name}").json()
    return (found.get("app") or {}) if isinstance(found, dict) else {}


def _agent(scene: Scene, name: str) -> Host | None:
    return next((a for a in scene.agents if name in (a.name, a.address, a.cluster_address)), None)


def _instance(scene: Scene, task: dict[str, Any]) -> Instance:
    agent = _agent(scene, str(task.get("host")))
    if agent is None:
        raise BrokenLink("Mesos agents", f"an instance runs on {task.get('host')}, which is no agent of the inventory")
    return Instance(agent, agent.cluster_address, int(task["ports"][0]))


def _why_not(scene: Scene, host: Host, app: dict[str, Any]) -> BrokenLink:
    """Agents without an instance first, then instances that do not answer Marathon's question, then Marathon itself."""
    tasks = [t for t in app.get("tasks", []) if t.get("state", "TASK_RUNNING") == "TASK_RUNNING"]
    failed = (app.get("lastTaskFailure") or {}).get("message", "")
    last = f"; the last instance that failed said: {failed}" if failed else ""
    busy = {str(t.get("host")) for t in tasks}
    idle = [a for a in scene.agents if not busy & {a.name, a.address, a.cluster_address}]
    if app and idle:
        why = f"no instance of the app runs there after {DEPLOY_SECONDS:.0f} s{last}"
        return scene.blame(why, *((c, a) for a in idle for c in ("mesos_agent", "docker")))
    for task in tasks:
        results = task.get("healthCheckResults") or []
        if not any(r.get("alive") for r in results):
            cause = next((r.get("lastFailureCause") for r in results if r.get("lastFailureCause")), "no answer")
            return BrokenLink(f"the way from Marathon to {task.get('host')}:{(task.get('ports') or ['?'])[0]}",
                              f"the app runs, but is not called healthy: {cause}")
    try:
        return scene.blame(f"Marathon does not have the app running{last}", ("marathon", host))
    except UnreachableError as error:
        return BrokenLink(f"SSH to {host.name}", error.message)
