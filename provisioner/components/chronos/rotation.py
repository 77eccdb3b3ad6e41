"""Chronos's secrets. It knows one of each, so that its members change together, but for what others accept two of."""

from provisioner.components.rotation import Rotation

ROTATIONS = (
    Rotation("chronos_http", ("chronos_http_password",), both=False, together=True,
             felt="its API is away for about half a minute, and asks for the new password then; tasks stay"),
    Rotation("chronos_keystore", ("chronos_keystore_password",), both=False, felt="its members restart one after the other"),
    Rotation("chronos_secret", ("chronos_secret",), alone=True,
             felt="Mesos' masters restart one after the other, and Chronos ends and returns when another one leads; tasks stay"),
    Rotation("zookeeper_chronos", ("zookeeper_chronos_password",), together=True, between="zookeeper",
             closed="in an open cluster nobody keeps the rules of ZooKeeper's nodes",
             felt="its API is away for about half a minute; tasks stay"),
)
