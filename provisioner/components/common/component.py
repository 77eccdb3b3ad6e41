"""The base system of every host: names, time, limits, the firewall."""

from provisioner.components.model import Component, Need

COMPONENT = Component("common", "common", "all", "Base system", after=("repos",), needs=(Need(256, {"/var": 256}),))
