"""Marathon's doors: who gets in starts programs on every agent."""

from provisioner.components.door import JSON, MESSAGE, Door, Login, get, post

DOORS = (
    Door(("marathon_port", "marathon_https_port"), "an HTTP password", knocks=(
        get("/v2/apps"),
        get("/v2/info"),
        get("/ping"),
        get("/metrics"),
        post("/v2/apps", "{}", "POST /v2/apps, an app without a name", headers=JSON),
    )),
    Door(("marathon_libprocess_port",), "a network of the cluster", knocks=(
        MESSAGE,
    )),
)
LOGINS = (Login("operator", "marathon_http_password", "everything"),)
SECRETS = {
    "marathon_secret": "Marathon proves itself to Mesos with it",
    "marathon_http_password": "people and tools operate Marathon with it",
    "marathon_keystore_password": "the key store with Marathon's key is locked with it",
    "zookeeper_marathon_password": "Marathon owns its nodes in ZooKeeper with it",
    "zookeeper_marathon_digest": "what ZooKeeper knows of that password",
}
PRIVATE = ("/etc/marathon/secret", "/etc/marathon/args", "/etc/marathon/*.env", "/etc/marathon/*credentials*", "/etc/marathon/*password*")
