"""An inventory in, a checked Cluster out; or one InventoryError that lists everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from provisioner.cluster.model import SHORTHANDS, Cluster, Host, name_order
from provisioner.errors import InventoryError
from provisioner.inventory import by_ansible, checks, connection, formats, groups, move, plain, variables
from provisioner.inventory.by_ansible import Vault
from provisioner.inventory.described import ALL, TEMPLATE_MARKS, UNGROUPED, Described
from provisioner.inventory.formats import HOSTS_MAX
from provisioner.inventory.groups import DEFAULT_GROUP, HOST_WIDE, WRITABLE
from provisioner.inventory.ports import OWN_LINE, Lines
from provisioner.inventory.schema import Schema, load_schema
from provisioner.state.problems import Problems, show
from provisioner.state.yaml_document import NotPlainError, read_text


def load(path: Path, schema: Schema | None = None, *, text: str | None = None, vault: Vault | None = None,
         without: Collection[str] = ()) -> Cluster:
    """The cluster that an inventory describes, of any kind that Ansible reads.

    `schema` is that of the roles unless given; `text` what is to be in the file, a plain one, instead of what is; `vault` opens the
    user's vaults; `without` these hosts. Raises InventoryError.
    """
    schema = schema or load_schema()
    problems = Problems(str(path))
    described = describe(path, schema, problems, text=text, vault=vault)
    described.leave_out(set(without))
    for group in described.groups.values():
        group.hosts.difference_update(without)
    return understood(described, path, schema, problems)


def describe(path: Path, schema: Schema, problems: Problems, *, text: str | None = None, vault: Vault | None = None) -> Described:
    """What the inventory says, unchecked: quickly where it is a plain YAML file, else by Ansible. Raises InventoryError."""
    try:
        if text is not None:
            return plain.read(text, problems)
        if not path.exists():
            read_text(path, problems.source)  # says what there is instead
        if not by_ansible.needed(path):
            found = read_text(path, problems.source)
            if not any(mark in found for mark in TEMPLATE_MARKS):
                return _plain(found, path, problems)
    except NotPlainError:
        if text is not None:
            raise
    return by_ansible.read(path, schema.prefixes, vault or Vault(), problems)


def is_plain(path: Path) -> bool:
    """Whether the inventory is one file of plain YAML, in which a line can be taken out for what it says. Raises InventoryError."""
    try:
        if not by_ansible.needed(path):
            found = read_text(path, str(path))
            return not any(mark in found for mark in TEMPLATE_MARKS) and bool(_plain(found, path, Problems(str(path))))
    except NotPlainError:
        pass
    return False


def _plain(text: str, path: Path, problems: Problems) -> Described:
    """As plain YAML. Raises NotPlainError also for what only looks like broken YAML, because it is something else."""
    if path.suffix:
        return plain.read(text, problems)
    try:
        return plain.read(text, Problems(problems.source))
    except InventoryError as error:
        raise NotPlainError(error.message, where=error.where) from None


def understood(described: Described, path: Path, schema: Schema, problems: Problems) -> Cluster:
    """The cluster of an inventory that was read. Raises InventoryError."""
    strangers = groups.strangers(described)
    warnings = [*described.warnings, *groups.look(described, problems)]
    if strangers:
        theirs = {name for name in groups.own(described) if described.groups[name].hosts & strangers}
        guessed = ", ".join(f"{name} into {meant}" for name in sorted(theirs) if (meant := move.guess(name)))
        warnings.append(f"{groups.listed(strangers)} will be left alone: only in groups of your own ({groups.listed(theirs)}); "
                        f"put these groups into masters, agents or a component's group{f' ({guessed}?)' if guessed else ''} to make them "
                        "part of the cluster")
        described.leave_out(strangers)
    warnings += variables.check(described, schema, problems)
    _names(described, problems)
    if not described.settings:
        if strangers:
            hint = f"put them into masters and agents: 'provision init --from {path}' writes the lines"
            own = groups.listed(groups.own(described))
            raise problems.fail(0, f"no host is in a group that says what runs on it; your own groups: {own}", hint)
        problems.raise_if_any()
        raise problems.fail(0, "no hosts", "name them below 'masters: hosts:' and 'agents: hosts:'",
                            ini="name them below [masters] and [agents]")
    if len(described.settings) > HOSTS_MAX:
        raise problems.fail(0, f"more than {HOSTS_MAX} hosts")
    settings = variables.cluster_settings(described, schema, problems)
    # What a wrong or missing line leads to would only hide that line.
    problems.raise_if_any()
    order = sorted(described.settings, key=name_order)
    members = _members(described)
    groups_of: dict[str, set[str]] = {name: set() for name in order}
    for group, names in members.items():
        for name in names & groups_of.keys():
            groups_of[name].add(group)
    folder = path.absolute().parent
    hosts = tuple(_host(name, described, groups_of[name], folder, problems) for name in order)
    lines: Lines = {name: {OWN_LINE: described.lines[name], **{k: s.line for k, s in described.settings[name].items()}} for name in order}
    cluster = Cluster(str(settings["cluster_name"]), path.absolute(), hosts, settings)
    warnings += (*checks.check(cluster, schema, lines, problems), *connection.warnings(cluster))
    problems.raise_if_any()
    return Cluster(cluster.name, cluster.path, cluster.hosts, cluster.variables, tuple(map(problems.without_secrets, warnings)))


def _host(name: str, described: Described, groups: Collection[str], folder: Path, problems: Problems) -> Host:
    variables = connection.normalise({k: s.value for k, s in described.settings[name].items()}, folder)
    port = variables.get("ansible_port", 22)
    return Host(
        name,
        address=str(variables.get("ansible_host", name)),
        port=port if isinstance(port, int) else 22,
        user=str(variables.get("ansible_user", "")),
        groups=frozenset(groups),
        variables=variables,
        where=problems.at(described.lines[name]),
    )


def _members(described: Described) -> dict[str, set[str]]:
    """The hosts of each component: of its own group where that is written, else of the shorthand; and those of own groups."""
    everybody = set(described.settings)
    written = {name: group.hosts for name, group in described.groups.items()}
    shorthands = {s: written.get(s, set()) for s in SHORTHANDS}
    ours = {g: written.get(g, shorthands.get(default, set())) for g, default in DEFAULT_GROUP.items()}
    own = {name: written[name] for name in groups.own(described)}
    return {**own, ALL: everybody, **dict.fromkeys(HOST_WIDE, everybody), **shorthands, **ours}


def _names(described: Described, problems: Problems) -> None:
    for name in described.settings:
        wrong = formats.host_name(name)
        if wrong:
            hint = f"write {name.lower()}" if not formats.host_name(name.lower()) else ""
            problems.add(described.lines[name], f"host name {show(name)} {wrong}", hint)
        elif name in (ALL, UNGROUPED, *WRITABLE, *HOST_WIDE):
            problems.add(described.lines[name], f"a host can't have the name of the group {name}", "use the machine's own name")
