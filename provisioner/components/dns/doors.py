"""The doors of DNS: open to the host and its containers, so that it is no resolver for others."""

from provisioner.components.door import Door, Knock

DOORS = (
    Door((53,), "a program or a container of the host", "names", (Knock("a name", "dns"), Knock("a name", "dns", protocol="udp")),
         ("user", "container", "overlay")),
)
