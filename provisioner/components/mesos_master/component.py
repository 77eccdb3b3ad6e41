"""The Mesos master."""

from provisioner.components.model import Component, Election, Need, Port, Versions

COMPONENT = Component(
    "mesos_master", "mesos", "masters", "Mesos master", unit="mesos-master", after=("zookeeper", "dns"), rolling="mesos_master",
    election=Election("mesos_master", majority=True),
    endpoint="http://{address}:{mesos_master_port}/",
    ports=(Port(5050, "the Mesos master", "mesos_master_port", reach="operators"),),
    needs=(Need(192, {"/usr": 200, "{mesos_work_dir}": 256}),),
    artefact="package", vendor=True,
    versions=Versions(alike=True),
    secrets={"mesos_operator_secret": "password", "mesos_viewer_secret": "password"},
    zookeeper_user="mesos",
    znodes=("/mesos/log_replicas",),
    data=("mesos_keep_data", False),
)
