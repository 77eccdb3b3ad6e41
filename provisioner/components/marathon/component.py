"""Marathon, the scheduler of services."""

from provisioner.components.model import Component, Election, Need, Port, Versions

COMPONENT = Component(
    "marathon", "marathon", "masters", "Marathon", unit="marathon", after=("mesos_master", "docker"),
    rolling="marathon", election=Election("marathon"), framework=True,
    endpoint="http://{address}:{marathon_port}/", closed_endpoint="https://{address}:{marathon_https_port}/",
    ports=(Port(8080, "Marathon", "marathon_port", reach="operators"),
           Port(8443, "Marathon's HTTPS", "marathon_https_port", reach="operators", access="closed"),
           Port(15101, "Marathon's libprocess", "marathon_libprocess_port")),
    needs=(Need(0, {"{docker_data_root}": 768}, "marathon_heap_mb", 512),),
    small={"marathon_heap_mb": 256},
    artefact="image",
    # Marathon's upgrade guide: no minor release may be skipped.
    versions=Versions(alike=True, migrates=True, minors_at_once=1),
    secrets={"marathon_secret": "password", "marathon_http_password": "password", "marathon_keystore_password": "password"},
    zookeeper_user="marathon",
    znodes=("/marathon/leader-curator",),
    principal="marathon",
    saved_by="marathon",
)
