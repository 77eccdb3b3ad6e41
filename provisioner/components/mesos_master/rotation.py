"""Whom Mesos' masters know. They know one secret of each name, so that operators, viewers and agents change their names with it."""

from provisioner.components.rotation import Rotation

ROTATIONS = (
    Rotation("mesos_operator", ("mesos_operator_secret",), turns=True,
             felt="masters restart one after the other, twice; its name changes, too: see 'provision credentials'"),
    Rotation("mesos_viewer", ("mesos_viewer_secret",), turns=True,
             felt="masters and agents restart in turn, twice; its name changes, too: see 'provision credentials'"),
    Rotation("verify", ("verify_secret",), both=False, felt="masters restart one after the other"),
    Rotation("zookeeper_mesos", ("zookeeper_mesos_password",), closed="in an open cluster nobody keeps the rules of ZooKeeper's nodes",
             felt="masters, agents, Marathon and Chronos restart in turn"),
)
