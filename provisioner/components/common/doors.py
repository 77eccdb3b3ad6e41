"""What every host keeps to itself."""

SECRETS = {
    "cluster_ca_key": "the cluster's authority signs certificates with it, on the controller alone",
    "cluster_ca_certificate": "what the cluster's members trust; it is no secret",
}
PRIVATE = ("/etc/provisioner/credentials/*", "/etc/provisioner/tls/key.pem")
