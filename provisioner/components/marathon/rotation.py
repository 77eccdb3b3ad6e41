"""Marathon's secrets. It knows one of each, so that its members change together, but for what others accept two of."""

from provisioner.components.rotation import Rotation

ROTATIONS = (
    Rotation("marathon_http", ("marathon_http_password",), both=False, together=True,
             felt="its API is away for about half a minute, and asks for the new password then; tasks stay"),
    Rotation("marathon_keystore", ("marathon_keystore_password",), both=False, felt="its members restart one after the other"),
    Rotation("marathon_secret", ("marathon_secret",), alone=True,
             felt="Mesos' masters restart one after the other, and Marathon ends and returns when another one leads; tasks stay"),
    Rotation("zookeeper_marathon", ("zookeeper_marathon_password",), together=True, between="zookeeper",
             closed="in an open cluster nobody keeps the rules of ZooKeeper's nodes",
             felt="its API is away for about half a minute; tasks stay"),
)
