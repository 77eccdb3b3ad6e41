"""The lab behind every scenario: `create`, `create_older`, `prepare`, `up`, `up_open`, `destroy`, called by the scenarios' playbooks.

One lab serves scenario after scenario: each brings up what its component stands on, which the scenarios before it may
have done already. Environment: LAB_OS (operating system of the hosts), LAB_NAME (another lab than the usual one), NEEDS
(components, in build order), KEEP_LAB (destroy nothing), MOLECULE_EPHEMERAL_DIRECTORY (where the inventory goes).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from provisioner.cluster.facts import to_ansible_facts
from provisioner.context import Context
from provisioner.hosts.login import ansible_ssh_args
from provisioner.observe.observation import observe
from provisioner.plan.fingerprint import questions
from provisioner.run.ansible import seed_facts
from provisioner.state import ledger, secrets
from provisioner.state.files import write_private
from provisioner_lab.model import default_inventory
from tests.cluster_under_test import HOME, ClusterUnderTest, lab_name, provision
from tests.next_versions import older

SYSTEM = os.environ.get("LAB_OS") or "debian12"
NAME = os.environ.get("LAB_NAME") or lab_name(f"molecule{SYSTEM}")
CLUSTER = ClusterUnderTest(NAME, HOME)


def create() -> None:
    """Make the lab, or find it there."""
    provision("lab", "up", "--name", NAME, "--os", SYSTEM, *shlex.split(os.environ.get("LAB_SHAPE", "")))


def create_older() -> None:
    """Make a lab whose cluster starts with older versions, in the place of one whose hosts have had newer ones."""
    provision("lab", "down", "--name", NAME, "--ignore-missing")
    folder = older(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]))
    provision("lab", "up", "--name", NAME, "--os", SYSTEM, "--artifacts", str(folder))


def prepare() -> None:
    """Bring up what the component stands on, where that is not so yet; write the inventory and the facts that Ansible reads."""
    needs = os.environ.get("NEEDS", "").split()
    if needs:
        CLUSTER.up(*(word for need in needs for word in ("--only", need)))
    context = Context(default_inventory(NAME))
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
    arguments = inventory["all"]["vars"].get("ansible_ssh_common_args", "")
    inventory["all"]["vars"]["ansible_ssh_common_args"] = f"{ansible_ssh_args(context.cluster)} {arguments}"
    write_private(folder / "lab.json", json.dumps(inventory).encode())


def up() -> None:
    """Bring up the whole cluster; prints what `up --json` ends with."""
    print(json.dumps(CLUSTER.up()))


def up_open() -> None:
    """The same without authentication, as the inventory then says."""
    inventory = default_inventory(NAME)
    text = inventory.read_text()
    if "cluster_authentication" not in text:
        inventory.write_text(re.sub(r"^( +)cluster_name:", r"\1cluster_authentication: false\n\g<0>", text, count=1, flags=re.MULTILINE))
    up()


def destroy() -> None:
    """Throw the lab away."""
    if not os.environ.get("KEEP_LAB"):
        provision("lab", "down", "--name", NAME)


if __name__ == "__main__":
    os.chdir(HOME)
    {"create": create, "create_older": create_older, "prepare": prepare, "up": up, "up_open": up_open, "destroy": destroy}[sys.argv[1]]()
