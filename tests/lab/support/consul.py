"""Consul's program as root runs it on a host: with the token that lies there in a closed cluster."""

TOKEN = "/etc/provisioner/credentials/consul.token"
CONSUL = f"test ! -e {TOKEN} || export CONSUL_HTTP_TOKEN_FILE={TOKEN}; consul"
