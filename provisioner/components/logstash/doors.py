"""The doors of the logs: who gets in writes lines in the name of any host."""

from provisioner.components.door import Door, Knock, get

DOORS = (
    Door(("logstash_port", "logstash_tls_port"), "a certificate of the cluster", knocks=(Knock("a line without a certificate", "tls"),)),
    Door(("logstash_api_port",), "", "what the pipeline does, to programs of the host", (get("/"),), ("user",)),
)
