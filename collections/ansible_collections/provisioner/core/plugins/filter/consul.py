"""Filters of role consul: a token of its own for every agent, and how the agent is told of tokens by its version."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.provisioner.core.plugins.module_utils.consul import consul_token


def consul_agent_tokens(secret: str, nodes: list[str], policy: str) -> list[dict[str, str]]:
    """The tokens of the agents of these names, as the module consul_acl takes them."""
    return [{"name": f"agent {node}", "secret": consul_token(secret, node), "policy": policy, "node": node} for node in nodes]


def consul_acl(policy: str, version: str, tokens: dict[str, str]) -> dict[str, Any]:
    """The setting `acl` of an agent. `policy` is what counts where no rule does: a client too goes by its own where it is asked itself.

    `tokens`: management, recovery, agent and dns, each of them or none. Up to 1.16 the agent asks for DNS with the token that it also
    lends to whoever brings none on its own host; up to 1.10 the first two had other names.
    """
    release = [int(part) for part in re.findall(r"\d+", version)[:2]]
    new = release >= [1, 11]
    named = {"management": "initial_management" if new else "master", "recovery": "agent_recovery" if new else "agent_master",
             "agent": "agent", "dns": "dns" if release >= [1, 17] else "default"}
    return {
        "enabled": True,
        # What an agent knows of a token holds while no server can be asked.
        "down_policy": "extend-cache",
        "default_policy": policy,
        "tokens": {named[name]: token for name, token in tokens.items() if token},
    }


def consul_tls(how: str, version: str, server: bool) -> dict[str, Any]:
    """The settings that encrypt what agents and servers say to each other, from 1.12 on in an object of their own.

    `how` is for servers, which can't all change at once: `accept` takes both and speaks in clear, as the others may have no certificate
    yet; `use` takes both and speaks TLS; `require` takes nothing else. Clients speak TLS.
    """
    speaks = not server or how in ("use", "require")
    verified = {"verify_outgoing": speaks, "verify_server_hostname": speaks}
    files = {name: f"/etc/consul.d/tls/{file}.pem" for name, file in
             (("ca_file", "ca"), ("cert_file", "certificate"), ("key_file", "key"))}
    strict = server and how == "require"
    if [int(part) for part in re.findall(r"\d+", version)[:2]] >= [1, 12]:
        return {"tls": {"internal_rpc": {**files, **verified, "verify_incoming": strict}}}
    return {**files, **verified, "verify_incoming_rpc": strict}


class FilterModule:
    """The names under which templates find the functions above."""

    def filters(self) -> dict[str, Any]:
        """Ansible's way to ask."""
        return {"consul_acl": consul_acl, "consul_agent_tokens": consul_agent_tokens, "consul_tls": consul_tls,
                "consul_token": consul_token}
