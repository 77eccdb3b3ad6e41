"""`provision infra plan|up|down|show`."""

from __future__ import annotations

import functools
import os
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path

from provisioner.cluster.model import Cluster
from provisioner.cluster.names import counted
from provisioner.console import Console
from provisioner.errors import InventoryError, UnreachableError, UsageError
from provisioner.hosts.known_hosts import forget
from provisioner.hosts.login import known_hosts_file, login
from provisioner.hosts.openssh import OpenSsh
from provisioner.inventory.edit import host_names
from provisioner.inventory.find import ENVIRONMENT
from provisioner.inventory.load import load
from provisioner.state.files import rewrite
from provisioner.state.yaml_document import read_text
from provisioner.verbs.infra import Down, Module, Plan, Show, Up, contract
from provisioner.verbs.infra.arrival import answers, await_hosts
from provisioner.verbs.infra.contract import Outputs
from provisioner.verbs.infra.inventory import merged, tree, without
from provisioner.verbs.infra.terraform import CHANGES, Terraform
from provisioner.verbs.shared.confirm import confirm, confirm_by_name


class Infra:
    """One command on one root module and the inventory that goes with it."""

    def __init__(self, module: Module, console: Console) -> None:
        self._module, self._console = module, console
        self._inventory = Path(module.hosts or os.environ.get(ENVIRONMENT) or "inventory.yml")
        self._terraform = Terraform(Path(module.dir).absolute(), module.var, binary=module.binary, say=console.say)

    def ready(self) -> None:
        """Let Terraform fetch what it needs; where all is there it takes a moment. Raises StepFailed."""
        self._terraform.init()

    def plan(self, options: Plan) -> int:
        """What Terraform would do, in its own words. 0; with --detailed-exitcode 2 when there is something to do."""
        with tempfile.TemporaryDirectory() as folder:
            plan = Path(folder) / "plan"
            changes = self._terraform.plan(plan, self._console.say if options.json else lambda line: self._console.write(line + "\n"))
            if options.json:
                self._console.json({"changes": changes, "resources": self._terraform.planned(plan)})
        return CHANGES if changes and options.detailed_exitcode else 0

    def up(self, options: Up) -> int:
        """Apply, write the inventory, wait for the machines. Raises StepFailed, InventoryError, UnreachableError."""
        self._apply(lambda: confirm("Apply this plan?", yes=options.yes))
        outputs, before = self._outputs(), self._before()
        rewrite(self._inventory, merged(self._text(), tree(outputs), str(self._inventory)).encode())
        cluster = load(self._inventory)
        if before:
            forget(cluster, _keys(before) - _keys(cluster))
        await_hosts(cluster, tuple(outputs.hosts), OpenSsh(cluster), seconds=options.wait, again=self._again(), say=self._console.say)
        self._console.say(f"{counted(len(outputs.hosts), 'host answers', 'hosts answer')}; inventory: {self._inventory}\n"
                          f"Next: provision up --hosts {shlex.quote(str(self._inventory))}")
        if options.json:
            self._console.json({"inventory": str(self._inventory), "hosts": {m.name: m.address for m in outputs.hosts.values()}})
        return 0

    def down(self, options: Down) -> int:
        """Destroy the machines; then inventory and known hosts without them. Raises UsageError when the name was not typed."""
        cluster, text = self._before(), self._text()
        left = without(text, str(self._inventory))  # what can't be tidied up is said before
        name = self._name(cluster)
        agree = functools.cache(lambda: confirm_by_name(options.yes, name, "The machines and all data on them are destroyed."))
        self._apply(agree, destroy=True)
        if left != text:  # also where Terraform knows of no machines: it may be the wrong folder
            agree()
        if cluster:
            self._forget(cluster, left)
        if left:
            rewrite(self._inventory, left.encode())
            self._console.say(f"kept {self._inventory} for the lines that are yours")
        else:
            self._inventory.unlink(missing_ok=True)
        return 0

    def show(self, options: Show) -> int:
        """The machines and whether each lets us in; 0 when all do. Raises UsageError where no inventory was written yet."""
        outputs, cluster = self._outputs(), self._cluster()
        if cluster is None:
            raise UsageError("the machines exist, but this inventory has no hosts", where=str(self._inventory), hint=self._again())
        known = {host.name for host in cluster.hosts}
        silent = answers(cluster, [h for h in cluster.hosts if h.name in outputs.hosts], OpenSsh(cluster))
        problems = {name: "not in the inventory" if name not in known else silent[name].message if name in silent else ""
                    for name in outputs.hosts}
        if options.json:
            hosts = {name: {"address": m.address, "groups": list(m.groups), "answers": not problems[name], "problem": problems[name]}
                     for name, m in outputs.hosts.items()}
            self._console.json({"cluster": outputs.cluster_name, "inventory": str(self._inventory), "hosts": hosts})
        else:
            self._console.table(f"machines of {outputs.cluster_name}", ("host", "address", "groups", "SSH"),
                                ([name, m.address, ", ".join(m.groups), problems[name] or "answers"] for name, m in outputs.hosts.items()))
        return UnreachableError.exit_code if any(problems.values()) else 0

    def _apply(self, agree: Callable[[], None], *, destroy: bool = False) -> None:
        """Show what would be done, have somebody agree, and do exactly that."""
        with tempfile.TemporaryDirectory() as folder:  # a plan holds secrets; the folder is ours alone
            plan = Path(folder) / "plan"
            if self._terraform.plan(plan, self._console.say, destroy=destroy):
                agree()
                self._terraform.apply(plan)

    def _name(self, cluster: Cluster | None) -> str:
        """What has to be typed before everything goes; the folder's name where nothing tells the cluster's. Raises InventoryError."""
        told = self._terraform.outputs().get("variables")
        made = str(told.get("cluster_name", "")) if isinstance(told, dict) else ""
        if cluster and made not in ("", cluster.name):
            raise InventoryError(f"this is the inventory of another cluster, {cluster.name}; Terraform made {made}",
                                 where=str(self._inventory), hint="nothing was changed: name the right file with --hosts")
        return made or (cluster.name if cluster else self._terraform.directory.name)

    def _outputs(self) -> Outputs:
        return contract.read(self._terraform.outputs(), str(self._terraform.directory))

    def _text(self) -> str:
        return read_text(self._inventory, str(self._inventory)) if self._inventory.exists() else ""

    def _cluster(self) -> Cluster | None:
        """The inventory as it is; None where there is none yet, or one that is to get its hosts from Terraform."""
        return load(self._inventory) if host_names(self._text(), str(self._inventory)) else None

    def _before(self) -> Cluster | None:
        """The same; None also where it is no valid cluster: what Terraform does next may mend just that."""
        try:
            return self._cluster()
        except InventoryError:
            return None

    def _forget(self, cluster: Cluster, left: str) -> None:
        """The keys of the hosts that are gone, and files and folders that held nothing else."""
        stay = host_names(left, str(self._inventory))
        forget(cluster, _keys(cluster) - {login(h).known_as for h in cluster.hosts if h.name in stay})
        keys = known_hosts_file(cluster)
        if keys.exists() and not keys.read_bytes().strip():
            keys.unlink()
        if cluster.state_dir.is_dir() and not any(cluster.state_dir.iterdir()):
            cluster.state_dir.rmdir()
        if cluster.state_dir.is_dir():
            self._console.say(f"kept {cluster.state_dir}: the cluster's identities, secrets and backups")

    def _again(self) -> str:
        """The command that makes the machines, or goes on where it ended."""
        words = ["provision", "infra", "up", "--dir", self._module.dir, "--hosts", str(self._inventory)]
        return shlex.join([*words, *(word for text in self._module.var for word in ("--var", text))])


def _keys(cluster: Cluster) -> set[str]:
    """The names in known_hosts."""
    return {login(host).known_as for host in cluster.hosts}
