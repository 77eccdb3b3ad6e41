"""Chronos' doors: a job is any command."""

from provisioner.components.door import JSON, MESSAGE, Door, Login, get, post

DOORS = (
    Door(("chronos_port", "chronos_https_port"), "an HTTP password", knocks=(
        get("/v1/scheduler/jobs"),
        get("/scheduler/jobs"),
        get("/ping"),
        get("/metrics"),
        post("/v1/scheduler/iso8601", "{}", "POST /v1/scheduler/iso8601, a job without a name", headers=JSON),
    )),
    Door(("chronos_libprocess_port",), "a network of the cluster", knocks=(
        MESSAGE,
    )),
)
LOGINS = (Login("operator", "chronos_http_password", "everything"),)
SECRETS = {
    "chronos_secret": "Chronos proves itself to Mesos with it",
    "chronos_http_password": "people and tools operate Chronos with it",
    "chronos_keystore_password": "the key store with Chronos's key is locked with it",
    "zookeeper_chronos_password": "Chronos owns its nodes in ZooKeeper with it",
    "zookeeper_chronos_digest": "what ZooKeeper knows of that password",
}
PRIVATE = ("/etc/chronos/secret", "/etc/chronos/args", "/etc/chronos/*.env", "/etc/chronos/*credentials*", "/etc/chronos/*password*")
