#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.consul import Agent, RefusedError, bearing, consul_token

DOCUMENTATION = r"""
module: consul_acl
short_description: Policies and tokens in Consul
description:
  - Makes what is missing, corrects what differs and, where it is to O(prune), deletes other tokens of the same name. Whoever brings no
    token gets nothing, so what somebody gave to the anonymous token is taken away.
  - Runs on a server's host. A server that can not be asked yet is no error; C(ready) says so.
options:
  agent: {description: "Consul's HTTP API, as host:port.", type: str, default: "127.0.0.1:8500"}
  management: {description: A token that may do everything., type: str, required: true}
  management_also: {description: "Another such token that is to be known, while it is replaced.", type: str, default: ""}
  agents: {description: What the tokens of agents follow from., type: list, elements: str, default: []}
  prune: {description: "Whether to delete what is ours and not named here.", type: bool, default: true}
  datacenter: {description: Where the nodes are., type: str, default: dc1}
  policies: {description: Rules by the policy's name., type: dict, default: {}}
  tokens:
    description: Tokens that there are to be.
    type: list
    elements: dict
    default: []
    options:
      name: {description: What it is for, type: str, required: true}
      secret: {description: The token itself (a UUID), type: str, required: true}
      policy: {description: Name of its policy, type: str, required: true}
      node: {description: The node that it may write as, type: str, default: ""}
  absent: {description: Names of tokens that are to be deleted., type: list, elements: str, default: []}
  wait: {description: "How long to wait until Consul answers the management token, in seconds.", type: int, default: 0}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Have a token for DNS
  provisioner.core.consul_acl:
    management: "{{ consul_management_token }}"
    policies:
      names: 'service_prefix "" { policy = "read" }'
    tokens:
      - {name: DNS, secret: "{{ consul_dns_token }}", policy: names}
  no_log: true
"""
RETURN = r"""
ready: {description: Whether Consul could be asked., returned: always, type: bool}
why: {description: What it said where it could not., returned: always, type: str}
unknown: {description: Whether it said that it does not know the management token., returned: always, type: bool}
made: {description: Names of the policies and tokens that are new or others now., returned: always, type: list}
"""
ARGUMENTS: dict[str, Any] = {
    "agent": {"type": "str", "default": "127.0.0.1:8500"},
    "management": {"type": "str", "required": True, "no_log": True},
    "management_also": {"type": "str", "default": "", "no_log": True},
    "agents": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "prune": {"type": "bool", "default": True},
    "datacenter": {"type": "str", "default": "dc1"},
    "policies": {"type": "dict", "default": {}},
    "tokens": {"type": "list", "elements": "dict", "default": [], "no_log": False, "options": {
        "name": {"type": "str", "required": True},
        "secret": {"type": "str", "required": True, "no_log": True},
        "policy": {"type": "str", "required": True},
        "node": {"type": "str", "default": ""}}},
    "absent": {"type": "list", "elements": "str", "default": []},
    "wait": {"type": "int", "default": 0},
}
ANONYMOUS = "00000000-0000-0000-0000-000000000002"
#: What is ours begins so.
PREFIX = "provisioner: "
#: How those call it who made the first management token: Consul itself, by its settings, up to 1.10 and after.
MANAGEMENT = (f"{PREFIX}management", "Initial Management Token", "Master Token")
AGENT = f"{PREFIX}agent "
SECONDS = 10
#: The answers to a token that the servers do not know, and of those that know of no tokens.
UNKNOWN = (401, 403)


def accessor(secret: str) -> str:
    """What a token is called by. It follows from the token, so that a changed token is another one, and tells nothing of it."""
    return str(uuid.UUID(bytes=hashlib.sha256(b"accessor " + secret.encode()).digest()[:16], version=4))


class Consul:
    """What it knows of policies and tokens, asked with a token that may do everything."""

    def __init__(self, agent: str, token: str) -> None:
        self._agent = Agent(agent, bearing(token), SECONDS)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Its answer as data. Raises RefusedError."""
        return json.loads(self._agent.ask(method, "/v1/acl/" + path, body))


def unready(consul: Consul, seconds: int) -> RefusedError | None:
    """Why Consul does not know the management token after so long; None when it does."""
    end = time.monotonic() + seconds
    while True:
        try:
            consul.ask("GET", "token/self")
        except RefusedError as error:
            if time.monotonic() >= end:
                return error
        else:
            return None
        time.sleep(0.5)


def changed_policies(consul: Consul, wanted: dict[str, str], dry: bool) -> list[str]:
    """Names of those that are new or have other rules now."""
    known = {each["Name"]: each["ID"] for each in consul.ask("GET", "policies")}
    made = []
    for name, rules in wanted.items():
        if name in known and consul.ask("GET", "policy/" + known[name])["Rules"] == rules:
            continue
        made.append(name)
        if not dry:
            own = known.get(name, "")
            consul.ask("PUT", f"policy/{own}" if own else "policy", {"ID": own, "Name": name, "Description": PREFIX + name, "Rules": rules})
    return made


def changed_management(consul: Consul, also: str, known: bool, prune: bool, dry: bool) -> list[str]:
    """Make the other management token, unless it is `known`; without one the one that is asked with stays alone."""
    if also and not known:
        if not dry:
            consul.ask("PUT", "token", {"AccessorID": accessor(also), "SecretID": also, "Description": MANAGEMENT[0],
                                        "Policies": [{"Name": "global-management"}]})
        return ["management"]
    if also or not prune:
        return []
    own = consul.ask("GET", "token/self")["AccessorID"]
    known_as = {each["AccessorID"]: each.get("Description") for each in consul.ask("GET", "tokens")}
    old = [name for name, about in known_as.items() if name != own and about in MANAGEMENT]
    for name in () if dry else old:
        consul.ask("DELETE", "token/" + name)
    return ["management"] if old else []


def strange(found: dict[str, Any], agents: list[str]) -> bool:
    """Whether it is an agent's token, and follows from none of these."""
    about = str(found.get("Description"))
    return bool(agents) and about.startswith(AGENT) and found["AccessorID"] not in {
        accessor(consul_token(secret, about[len(AGENT):])) for secret in agents}


def changed_tokens(consul: Consul, wanted: list[dict[str, Any]], absent: list[str], datacenter: str, dry: bool,
                   agents: list[str], prune: bool = True) -> list[str]:
    """Names of those that are new, have other rights now or are gone."""
    known = {each["AccessorID"]: each for each in consul.ask("GET", "tokens")}
    made = []
    for each in wanted:
        name, found = accessor(each["secret"]), known.get(accessor(each["secret"]))
        nodes = [{"NodeName": each["node"], "Datacenter": datacenter}] if each["node"] else []
        if found and [p["Name"] for p in found.get("Policies") or []] == [each["policy"]] and (found.get("NodeIdentities") or []) == nodes:
            continue
        made.append(each["name"])
        if not dry:
            body = {"AccessorID": name, "SecretID": each["secret"], "Description": PREFIX + each["name"],
                    "Policies": [{"Name": each["policy"]}], "NodeIdentities": nodes}
            consul.ask("PUT", "token/" + name if found else "token", body)
    kept = {accessor(each["secret"]) for each in wanted}
    ours = {PREFIX + each["name"] for each in wanted} if prune else set()
    gone = {PREFIX + name for name in absent}
    for name, found in known.items():
        about = str(found.get("Description"))
        if about in gone or (about in ours and name not in kept) or (prune and strange(found, agents)):
            made.append(about[len(PREFIX):])
            if not dry:
                consul.ask("DELETE", "token/" + name)
    anonymous = known.get(ANONYMOUS, {})
    if any(anonymous.get(kind) for kind in ("Policies", "Roles", "ServiceIdentities", "NodeIdentities")):
        made.append("anonymous")
        if not dry:
            consul.ask("PUT", "token/" + ANONYMOUS, {"AccessorID": ANONYMOUS, "Description": anonymous["Description"]})
    return made


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    asked = module.params
    consul = Consul(asked["agent"], asked["management"])
    why = unready(consul, asked["wait"])
    made: list[str] = []
    if not why:
        try:
            made = changed_policies(consul, asked["policies"], module.check_mode)
            other = asked["management_also"]
            known = bool(other) and not unready(Consul(asked["agent"], other), 0)
            made += changed_management(consul, other, known, asked["prune"], module.check_mode)
            made += changed_tokens(consul, asked["tokens"], asked["absent"], asked["datacenter"], module.check_mode, asked["agents"],
                                   asked["prune"])
        except RefusedError as error:
            module.fail_json(msg=f"Consul at {asked['agent']} refuses: {error}")
    module.exit_json(changed=bool(made), ready=not why, why=str(why or ""), made=made,
                     unknown=why is not None and why.status in UNKNOWN)


if __name__ == "__main__":
    main()
