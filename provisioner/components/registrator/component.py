"""Registrator, which publishes the containers of a host in Consul."""

from provisioner.components.model import Component, Need

COMPONENT = Component(
    "registrator", "registrator", "agents", "Registrator", unit="registrator", after=("docker", "consul"),
    needs=(Need(32, {"{docker_data_root}": 32}),),
    artefact="image",
)
