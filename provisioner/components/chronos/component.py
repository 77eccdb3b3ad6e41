"""Chronos, the scheduler of jobs."""

from provisioner.components.model import Component, Election, Need, Port, Versions

COMPONENT = Component(
    "chronos", "chronos", "masters", "Chronos", unit="chronos", after=("mesos_master", "docker"),
    rolling="chronos", election=Election("chronos"), framework=True,
    endpoint="http://{address}:{chronos_port}/", closed_endpoint="https://{address}:{chronos_https_port}/",
    ports=(Port(4400, "Chronos", "chronos_port", reach="operators"),
           Port(4443, "Chronos's HTTPS", "chronos_https_port", reach="operators", access="closed"),
           Port(15202, "Chronos's libprocess", "chronos_libprocess_port")),
    needs=(Need(0, {"{docker_data_root}": 512}, "chronos_heap_mb", 512),),
    small={"chronos_heap_mb": 256},
    artefact="image",
    versions=Versions(alike=True),
    secrets={"chronos_secret": "password", "chronos_http_password": "password", "chronos_keystore_password": "password"},
    zookeeper_user="chronos",
    znodes=("{chronos_zk_path}",),
    principal="chronos",
    saved_by="chronos",
)
