"""ZooKeeper's super user: a member knows one password of it, so they change one after the other, and who asks tries both."""

from provisioner.components.rotation import Rotation

ROTATIONS = (
    Rotation("zookeeper_super", ("zookeeper_super_password",), both=False, felt="ZooKeeper's members restart one after the other"),
)
