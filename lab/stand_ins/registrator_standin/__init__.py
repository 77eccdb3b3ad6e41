"""Test equipment: puts the published ports of this host's containers into Consul, as Registrator does."""

VERSION = "v7.4.0-standin"
