"""What agents prove themselves with, and who may ask them: under another name each time, as one name has one secret."""

from provisioner.components.rotation import Rotation

ROTATIONS = (
    Rotation("mesos_agent", ("mesos_agent_secret",), turns=True, felt="masters restart in turn, then agents, then masters; tasks stay"),
    Rotation("mesos_agent_operator", ("mesos_agent_operator_secret",), turns=True,
             felt="agents restart in turn, twice; its name changes, too: see 'provision credentials'"),
)
