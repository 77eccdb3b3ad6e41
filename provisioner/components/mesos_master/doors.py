"""The master's doors. Its HTTP asks for a password; the messages of the older protocol can't."""

from provisioner.components.door import JSON, Door, Login, get, messages, post

#: A master that does not lead asks for the password before it says who does.
_LED = (307,)
DOORS = (
    Door(("mesos_master_port",), "an HTTP password; see mesos_acls for who may do what",
         "/health, /version, /redirect, /help, the host's size (/system/stats.json), the files of the web interface", (
        get("/state", admits=_LED),
        get("/flags"),
        get("/metrics/snapshot"),
        get("/files/debug"),
        post("/api/v1", '{"type":"GET_STATE"}', headers=JSON, admits=_LED),
        post("/api/v1/scheduler", '{"type":"SUBSCRIBE"}', "POST /api/v1/scheduler, incomplete", headers=JSON, admits=_LED),
        *messages("master"),
        get("/__processes__", gap="Mesos can't lock it: it names the parts of the process"),
    )),
)
LOGINS = (
    Login("operator", "mesos_operator_secret", "everything"),
    Login("viewer", "mesos_viewer_secret", "look"),
)
SECRETS = {
    "mesos_operator_secret": "people and tools operate Mesos with it",
    "mesos_viewer_secret": "people look at Mesos with it",
    "verify_secret": "'provision verify' registers a framework with it",
    "zookeeper_mesos_password": "Mesos owns its nodes in ZooKeeper with it",
    "zookeeper_mesos_digest": "what ZooKeeper knows of that password",
}
PRIVATE = ("/etc/mesos/credentials.json", "/etc/mesos/zk")
