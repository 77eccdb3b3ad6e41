#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: packages
short_description: The packages of a role, in one transaction of the host's package manager
description:
  - Installs or removes by M(ansible.builtin.apt) or M(ansible.builtin.dnf), whichever the host has; it waits for others that hold its lock.
  - The host is asked first, in one cheap command; where all is there, the module is not run.
  - No service of a package is started by its installation on Debian; those of RedHat start none.
  - The action plugin of this name does it; there is nothing of our own on the host.
options:
  apt: {description: "Names for hosts of the Debian family, as name or name=version.", type: list, elements: str, default: []}
  dnf: {description: "Names for hosts of the RedHat family, as name or name-version.", type: list, elements: str, default: []}
  state: {description: Whether they are to be there., type: str, choices: [present, absent], default: present}
  hold:
    description: Packages that other upgrades must not touch (a hold of dpkg, a versionlock of dnf, whose plugin has to be among O(dnf)).
    type: list
    elements: str
    default: []
  locked:
    description: Of packages in O(hold) those that are to have just this version, by name, whatever version is asked for; apt's alone.
    type: dict
    default: {}
  refresh:
    description: Fetch the lists of packages first where they are older than an hour, or lack what is wanted and are older than a minute;
      not in a preview. dnf looks after its own.
    type: bool
    default: false
  recommended: {description: Install also what the packages only recommend., type: bool, default: false}
  dpkg_options: {description: "Options of dpkg, as M(ansible.builtin.apt) takes them.", type: str, default: ""}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Install the engine, not started yet
  provisioner.core.packages:
    apt: [docker-ce=5:29.0.0*]
    dnf: [docker-ce-29.0.0, python3-dnf-plugin-versionlock]
    hold: [docker-ce]
    refresh: true
  notify: Restart Docker
"""
RETURN = r"""
held: {description: Whether a package was not held before., returned: where some are to be held, type: bool}
"""
ARGUMENTS: dict[str, Any] = {
    "apt": {"type": "list", "elements": "str", "default": []},
    "dnf": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "hold": {"type": "list", "elements": "str", "default": []},
    "locked": {"type": "dict", "default": {}},
    "refresh": {"type": "bool", "default": False},
    "recommended": {"type": "bool", "default": False},
    "dpkg_options": {"type": "str", "default": ""},
}


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.fail_json(msg="provisioner.core.packages works through its action plugin only")


if __name__ == "__main__":
    main()
