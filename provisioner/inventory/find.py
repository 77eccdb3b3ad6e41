"""Which inventory a command works on."""

from __future__ import annotations

import os
from pathlib import Path

from provisioner.errors import UsageError

ENVIRONMENT = "PROVISION_HOSTS"


def find_inventory(hosts: str | None, lab: str | None) -> Path:
    """`--hosts`, else `--lab`, else $PROVISION_HOSTS, else ./inventory.yml, else that of the running default lab.

    Raises UsageError that says where it looked.
    """
    if hosts:
        return Path(hosts)
    if not lab and os.environ.get(ENVIRONMENT):
        return Path(os.environ[ENVIRONMENT])
    here = Path("inventory.yml")
    if not lab and here.is_file():
        return here
    from provisioner_lab.model import default_inventory  # loads much that the other ways don't need

    if lab:
        path = default_inventory(lab)
        if not path.is_file():
            raise UsageError(f"there is no lab {lab!r} on this machine", hint=f"provision lab up --name {lab}")
        return path
    default = default_inventory("default")
    if default.is_file():
        return default
    raise UsageError(
        f"no inventory: no --hosts, no ${ENVIRONMENT}, no inventory.yml in {Path.cwd()}, no running lab",
        hint="'provision init' writes an inventory.yml to fill in; 'provision lab up' makes hosts on this machine",
    )
