"""The lab behind every scenario: `create`, `prepare`, `destroy`, called by the scenarios' playbooks.

One lab serves scenario after scenario: each brings up what its component stands on, which the scenarios before it may
have done already. Environment: LAB_OS (operating system of the hosts), LAB_NAME (another lab than the usual one), NEEDS
(components, in build order), KEEP_LAB (destroy nothing), MOLECULE_EPHEMERAL_DIRECTORY (where the inventory goes).
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from provisioner.cluster.facts import to_ansible_facts
from provisioner.components import SITE
from provisioner.context import Context
from provisioner.observe.observation import observe
from provisioner.plan.fingerprint import questions
from provisioner.run.ansible import seed_facts, with_ssh_arguments
from provisioner.state import ledger, secrets
from provisioner.state.files import write_private
from tests.lab.support.a_mirror import with_mirror
from tests.lab.support.checkout import HOME, SHARED, SYSTEM, ClusterUnderTest, provision

CLUSTER = ClusterUnderTest(SHARED, HOME)


def create() -> None:
    """Make the lab, or find it there."""
    provision("lab", "up", "--name", SHARED, "--os", SYSTEM, *shlex.split(os.environ.get("LAB_SHAPE", "")))


def prepare() -> None:
    """Bring up what the component stands on, where that is not so yet; write the inventory and the facts that Ansible reads."""
    needs = os.environ.get("NEEDS", "").split()
    if needs:
        CLUSTER.up(*(word for need in needs for word in ("--only", need)))
    context = Context(CLUSTER.inventory)
    if os.environ.get("COMPONENT") == SITE.name:
        context = with_mirror(context)
    ledger.save(context.cluster, context.ledger)
    secrets.ensure(context.cluster)
    inventory = context.rendered
    folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
    seen = observe(context.cluster, inventory, context.transport, sections=("facts",))
    facts = {name: to_ansible_facts(host.facts) for name, host in seen.hosts.items()}
    seed_facts(folder, facts)
    # Digests of the rendered inventory as the driver has it, before it is changed for a plain ansible-playbook.
    notes = questions(context.cluster, inventory, context.defaults, facts, context.ledger.cluster_id)
    inventory["all"]["vars"].update(secrets.load(context.cluster), component_notes=notes)
    write_private(folder / "lab.json", json.dumps(with_ssh_arguments(inventory, context.cluster)[0]).encode())


def destroy() -> None:
    """Throw the lab away."""
    if not os.environ.get("KEEP_LAB"):
        provision("lab", "down", "--name", SHARED)


if __name__ == "__main__":
    os.chdir(HOME)
    {"create": create, "prepare": prepare, "destroy": destroy}[sys.argv[1]]()
