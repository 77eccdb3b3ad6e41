"""The Mesos agent."""

from provisioner.components.mesos_agent.resources import task_ports
from provisioner.components.model import Component, Need, Port, Versions

COMPONENT = Component(
    "mesos_agent", "mesos", "agents", "Mesos agent", unit="mesos-agent", after=("mesos_master", "docker"), batched=True, runs_tasks=True,
    ports=(
        Port(5051, "the Mesos agent", "mesos_agent_port", reach="operators"),
        Port(0, "tasks of the Mesos agent", "mesos_agent_resources", ranges=task_ports, reach="users"),
    ),
    # DC/OS asks agents for 20 GB under /var, where sandboxes and images lie (its system requirements).
    needs=(Need(192, {"/usr": 200, "{mesos_work_dir}": 512}, good_disk_mb=20 * 1024, programs=("{mesos_work_dir}",)),),
    small={"mesos_agent_resources": "mem:1024"},
    artefact="package", vendor=True,
    versions=Versions(alike=True),
    secrets={"mesos_agent_secret": "password", "mesos_agent_operator_secret": "password"},
    principal="agent",
    data=("mesos_keep_data", False),
    missing="no task can run",
)
