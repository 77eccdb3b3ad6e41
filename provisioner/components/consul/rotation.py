"""Consul's tokens and the key of its gossip: it knows any number of both."""

from provisioner.components.rotation import Rotation

ROTATIONS = (
    Rotation("consul_gossip_key", ("consul_gossip_key",), felt="no agent restarts"),
    Rotation("consul_management_token", ("consul_management_token",), felt="Consul's servers restart one after the other"),
    Rotation("consul_agent_token", ("consul_agent_token",), felt="Consul restarts on every host, its servers one after the other"),
    Rotation("consul_dns_token", ("consul_dns_token",), felt="Consul restarts on every host, its servers one after the other"),
    Rotation("consul_registrator_token", ("consul_registrator_token",), felt="Registrator restarts on every agent"),
    Rotation("consul_operator_token", ("consul_operator_token",), felt="people and tools that bring it need the new one"),
)
