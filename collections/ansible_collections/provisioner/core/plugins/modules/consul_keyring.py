#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import json
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.consul import Agent, RefusedError, bearing

DOCUMENTATION = r"""
module: consul_keyring
short_description: The keys of Consul's gossip
description:
  - Agents keep the keys that they have had, so that a setting alone changes nothing. A key is given to all agents of the cluster, is used
    when all of them have it, and others are taken away.
  - Runs on a server's host, and changes what agents hold in memory and on disk; none restarts. An agent that is away meanwhile stays out.
options:
  agent: {description: "Consul's HTTP API, as host:port.", type: str, default: "127.0.0.1:8500"}
  token: {description: A token that may change keys. Empty where Consul asks for none., type: str, default: ""}
  key: {description: "The key that what is sent is encrypted with, 32 bytes in base64.", type: str, required: true}
  also: {description: Another one that is understood. Empty for none., type: str, default: ""}
  wait: {description: "How long to wait until every agent has a key, in seconds.", type: int, default: 60}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Have one key
  provisioner.core.consul_keyring:
    token: "{{ consul_management_token }}"
    key: "{{ consul_gossip_key }}"
  no_log: true
"""
RETURN = r"""
made: {description: "What was done with keys: install, use, remove.", returned: always, type: list}
"""
ARGUMENTS: dict[str, Any] = {
    "agent": {"type": "str", "default": "127.0.0.1:8500"},
    "token": {"type": "str", "default": "", "no_log": True},
    "key": {"type": "str", "required": True, "no_log": True},
    "also": {"type": "str", "default": "", "no_log": True},
    "wait": {"type": "int", "default": 60},
}
SECONDS = 30
PAUSE = 1.0
PATH = "/v1/operator/keyring"
METHODS = {"install": "POST", "use": "PUT", "remove": "DELETE"}


class Keyring:
    """Consul's HTTP API for the keys of its gossip: one ring within the datacenter, one between the servers of several."""

    def __init__(self, agent: str, token: str) -> None:
        self._agent = Agent(agent, bearing(token), SECONDS)
        #: What was done so far.
        self.done: list[str] = []

    def rings(self) -> list[dict[str, Any]]:
        """Each with its keys, how many agents have which, and how many there are."""
        found: list[dict[str, Any]] = json.loads(self._agent.ask("GET", PATH))
        return found

    def do(self, what: str, key: str) -> None:
        """See METHODS."""
        self._agent.ask(METHODS[what], PATH, {"Key": key})
        self.done.append(what)


def lacking(rings: list[dict[str, Any]], key: str) -> list[str]:
    """For each ring in which not everybody has the key, how many have it."""
    return [f"{ring['Keys'].get(key, 0)} of {ring['NumNodes']}" for ring in rings if ring["Keys"].get(key, 0) != ring["NumNodes"]]


def used(rings: list[dict[str, Any]], key: str) -> bool:
    """Whether everybody encrypts with it; old releases do not tell."""
    return all("PrimaryKeys" in ring and ring["PrimaryKeys"].get(key, 0) == ring["NumNodes"] for ring in rings)


def settled(keyring: Keyring, key: str, also: str, dry: bool) -> list[str]:
    """Bring the rings to these keys; what was done. RefusedError where not every agent answers, or takes one."""
    made, rings = [], keyring.rings()
    for each in filter(None, (key, also)):
        if lacking(rings, each):
            made.append("install")
            if not dry:
                keyring.do("install", each)
                rings = keyring.rings()
                if left := lacking(rings, each):
                    raise RefusedError(f"{', '.join(left)} agents have the key; who has not would be shut out")
    if not used(rings, key):
        made.append("use")
        if not dry:
            keyring.do("use", key)
    for old in sorted({each for ring in rings for each in ring["Keys"]} - {key, also}):
        made.append("remove")
        if not dry:
            keyring.do("remove", old)
    # Where Consul does not tell which one is used it was used already.
    return made if made != ["use"] or all("PrimaryKeys" in ring for ring in rings) else []


def settle(keyring: Keyring, key: str, also: str, wait: float, dry: bool) -> list[str]:
    """The same, until it works: an agent that has just started may not answer the others yet."""
    end = time.monotonic() + wait
    while True:
        before = list(dict.fromkeys(keyring.done))
        try:
            return list(dict.fromkeys([*before, *settled(keyring, key, also, dry)]))
        except RefusedError:
            if time.monotonic() >= end:
                raise
        time.sleep(PAUSE)


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    asked = module.params
    try:
        made = settle(Keyring(asked["agent"], asked["token"]), asked["key"], asked["also"], asked["wait"], module.check_mode)
    except RefusedError as error:
        module.fail_json(msg=f"Consul at {asked['agent']} refuses: {error}")
    module.exit_json(changed=bool(made), made=made)


if __name__ == "__main__":
    main()
