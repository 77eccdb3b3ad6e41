"""ZooKeeper: the ensemble in which Mesos, Marathon and Chronos elect their leaders and keep what they know."""

from provisioner.components.model import Component, Election, Need, Port, Versions

COMPONENT = Component(
    "zookeeper", "zookeeper", "masters", "ZooKeeper", unit="zookeeper", after=("kernel",), rolling="zookeeper", upgraded_before="consul",
    election=Election("zookeeper", majority=True),
    endpoint="{address}:{zookeeper_client_port}",
    ports=(
        Port(2181, "ZooKeeper", "zookeeper_client_port"),
        Port(2888, "ZooKeeper's peers", "zookeeper_peer_port"),
        Port(3888, "ZooKeeper's election", "zookeeper_election_port"),
    ),
    needs=(Need(0, {"/usr": 250, "/opt": 50, "{zookeeper_data_dir}": 512}, "zookeeper_heap_mb", 512),),
    small={"zookeeper_heap_mb": 128},
    artefact="archive",
    versions=Versions(alike=True),
    zookeeper_user="super",
    data=("zookeeper_keep_data", False),
    saved_by="zookeeper",
)
