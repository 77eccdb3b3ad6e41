"""Where the files that belong to the tool lie: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

import functools
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent


@functools.cache
def project_dir() -> Path:
    """The folder that holds `roles`, `collections`, `playbooks` and `inventory`."""
    return _CHECKOUT if (_CHECKOUT / "roles").is_dir() else _PACKAGE / "_data"


def roles_dir() -> Path:
    """The Ansible roles."""
    return project_dir() / "roles"


def collection_dir() -> Path:
    """The Ansible collection of what the roles share, provisioner.core."""
    return project_dir() / "collections/ansible_collections/provisioner/core"


def playbooks_dir() -> Path:
    """One playbook per verb."""
    return project_dir() / "playbooks"


def inventory_examples_dir() -> Path:
    """Ready-to-edit inventories."""
    return project_dir() / "inventory"
