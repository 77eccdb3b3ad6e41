#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.host import container, setting, text_of, works

DOCUMENTATION = r"""
module: kernel_info
short_description: What the running kernel has and lacks
description: Looks at modules, settings and the note about a reboot. Changes nothing.
options:
  modules: {description: Modules that are wanted., type: list, elements: str, default: []}
  sysctl: {description: Settings that are wanted., type: dict, default: {}}
  marker: {description: File that notes a wanted reboot., type: path, required: true}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Look at the kernel
  provisioner.core.kernel_info:
    modules: [overlay]
    sysctl: {net.ipv4.ip_forward: 1}
    marker: /var/lib/provisioner/reboot-required
"""
RETURN = r"""
container: {description: "Name of the container technology, empty on a machine.", returned: always, type: str}
loadable: {description: The modules that are not there but can be loaded., returned: always, type: list}
sysctl: {description: "The wanted settings, in a container those it may write.", returned: always, type: dict}
sysctl_differs: {description: Whether they have to be applied., returned: always, type: bool}
release: {description: Release of the running kernel., returned: always, type: str}
boot: {description: Id of this boot., returned: always, type: str}
reboot:
  description: Empty (no reboot asked for), V(pending) (asked for in this boot) or V(done) (asked for in an earlier one).
  returned: always
  type: str
"""
ARGUMENTS: dict[str, Any] = {
    "modules": {"type": "list", "elements": "str", "default": []},
    "sysctl": {"type": "dict", "default": {}},
    "marker": {"type": "path", "required": True},
}


def can_load(module: str) -> bool:
    """Whether a module is not there yet and the system has it."""
    return not Path("/sys/module", module).exists() and works("modprobe", "--dry-run", "--quiet", module)


def differs(settings: dict[str, Any]) -> bool:
    """Whether a live value is another. A setting that the kernel does not have yet comes with its module."""
    live = {key: text_of(setting(key)).split() for key in settings}
    return any(value and value != str(settings[key]).split() for key, value in live.items())


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """See RETURN."""
    inside = container()
    loadable = [] if inside else [module for module in asked["modules"] if can_load(module)]
    # On a machine br_netfilter brings its settings along when it is loaded; a container gets no others than it has.
    settings = {key: value for key, value in asked["sysctl"].items() if not inside or os.access(setting(key), os.W_OK)}
    boot, noted = text_of("/proc/sys/kernel/random/boot_id").strip(), text_of(asked["marker"])
    return {
        "container": inside,
        "loadable": loadable,
        "sysctl": settings,
        "sysctl_differs": bool(loadable) or differs(settings),
        "release": platform.release(),
        "boot": boot,
        "reboot": "" if not noted else "pending" if boot in noted else "done",
    }


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
