"""Logstash on the masters, and on every host a forwarder that sends it the logs."""

from provisioner.components.model import LOOPBACK, Component, Need, Port

COMPONENT = Component(
    "logstash", "logstash", "all", "Logstash", unit="logstash", after=("kernel",), server_group="logstash_server", unit_on_servers=True,
    ports=(
        Port(5140, "Logstash, in an open cluster", "logstash_port", group="logstash_server", access="open"),
        Port(6514, "Logstash over TLS, in a closed one", "logstash_tls_port", group="logstash_server", access="closed"),
        Port(9600, "Logstash's API", "logstash_api_port", address=LOOPBACK, public=False, group="logstash_server"),
    ),
    needs=(Need(0, {"/usr": 900, "{logstash_data_dir}": 1024}, "logstash_heap_mb", 512, group="logstash_server"),),
    small={"logstash_heap_mb": 256},
    artefact="package", vendor=True,
    missing="every host forwards its log: put a host in masters or in logstash_server", required=True,
    data=("logstash_keep_data", False),
    reads=("/etc/logstash/conf.d/*.conf",),
)
