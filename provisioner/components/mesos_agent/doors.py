"""The agent's doors: who gets in reads every sandbox and starts shells in containers."""

from provisioner.components.door import JSON, Door, Login, get, messages, post

DOORS = (
    Door(("mesos_agent_port",), "an HTTP password", "/health, /version, /help, the host's size (/system/stats.json)", (
        get("/state"),
        get("/flags"),
        get("/containers"),
        get("/files/debug"),
        get("/metrics/snapshot"),
        post("/api/v1", '{"type":"GET_STATE"}', headers=JSON),
        post("/slave(1)/api/v1", '{"type":"GET_STATE"}', headers=JSON),
        post("/api/v1/resource_provider", "{}", "POST /api/v1/resource_provider, incomplete", headers=JSON,
             gap="Mesos asks nobody who calls it for a password"),
        *messages("slave(1)"),
    )),
    Door(("mesos_agent_resources",), "what the task itself asks for"),
)
LOGINS = (
    Login("operator", "mesos_agent_operator_secret", "everything", url="http://{mesos_address}:{mesos_agent_port}/"),
    Login("viewer", "mesos_viewer_secret", "look", url="http://{mesos_address}:{mesos_agent_port}/"),
)
#: Executors listen where they like: programs by their names as the kernel cuts them, and what there is to say of it.
LISTENERS = dict.fromkeys(("mesos-executor", "mesos-docker-ex", "mesos-default-e"),
                          "an executor's own port, which Mesos can't lock without TLS")
SECRETS = {
    "mesos_agent_secret": "agents prove themselves to masters with it",
    "mesos_agent_operator_secret": "people and tools operate agents with it",
}
PRIVATE = ("/etc/mesos/credential.json", "/etc/mesos/http_credentials.json", "/etc/mesos/jwt*", "/etc/mesos/zk")
