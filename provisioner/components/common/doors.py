"""What every host keeps to itself."""

SECRETS = {
    "cluster_ca_key": "the cluster's authority signs certificates with it, on the controller alone",
    "cluster_ca_certificate": "what the cluster's members trust; it is no secret",
}
#: Keys lie in the folders of the services that they are for.
PRIVATE = ("/etc/provisioner/credentials/*", "/etc/**/key.pem", "/etc/**/*.p12")
