"""Role zookeeper as pyinfra would have it: packages held, folders, files, the unit. What the role checks besides is left out.

The files' contents were taken from the hosts beforehand, so pyinfra is spared the rendering.
"""

from pathlib import Path

from pyinfra import host
from pyinfra.facts.server import Command
from pyinfra.operations import apt, files, server, systemd

own = Path("files") / host.data.name
packages = host.data.packages

apt.packages(name="Packages", packages=packages, _sudo=True)
held = host.get_fact(Command, "apt-mark showhold").split()
if not set(packages) <= set(held):
    server.shell(name="Hold the packages", commands=[f"apt-mark hold {' '.join(packages)}"], _sudo=True)
files.directory(name="Settings", path="/etc/zookeeper/provisioner", user="root", group="root", mode="755", _sudo=True)
files.directory(name="Data", path="/var/lib/zookeeper", user="zookeeper", group="zookeeper", mode="750", _sudo=True)
for path, owner, mode in (
    ("/etc/zookeeper/provisioner/zoo.cfg", "root", "644"),
    ("/etc/zookeeper/provisioner/super.args", "zookeeper", "600"),
    ("/etc/systemd/system/zookeeper.service", "root", "644"),
):
    files.put(name=path, src=str(own / Path(path).name), dest=path, user=owner, group=owner, mode=mode, _sudo=True)
systemd.service(name="Unit", service="zookeeper", running=True, enabled=True, _sudo=True)
