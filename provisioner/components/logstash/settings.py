"""What Logstash's role refuses of its variables."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.inventory.role_rules import filters, internals
from provisioner.inventory.settings import Problem, Values

SETTINGS = "logstash_extra_settings"


def problems(values: Values) -> Iterator[Problem]:
    """The problems of one host."""
    for message in filters("flags").setting_problems(values.get(SETTINGS, {}), SETTINGS, internals("logstash")["__logstash_owned"]):
        yield SETTINGS, message
