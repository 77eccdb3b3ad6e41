"""What Consul's role refuses of its variables."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.inventory.role_rules import filters, internals
from provisioner.inventory.settings import Problem, Values

CONFIG = "consul_extra_config"


def problems(values: Values) -> Iterator[Problem]:
    """The problems of one host."""
    flags, extra = filters("flags"), values.get(CONFIG, {})
    for message in (*flags.setting_problems(extra, CONFIG, internals("consul")["__consul_owned"]), *flags.consul_client_problems(extra)):
        yield CONFIG, message
