"""What there is to say of a component: one row, of which every table that names components is derived."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

Shorthand = Literal["", "all", "masters", "agents"]
Protocol = Literal["tcp", "udp"]
Artefact = Literal["", "archive", "image", "package"]
SecretKind = Literal["password", "key", "token"]
Reach = Literal["", "host", "members", "operators", "users"]
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Port:
    """A port that a component opens.

    `title` says what listens. `variable` moves it from `number`; without one it is fixed. `address` is where it is opened: an
    address, the name of a role variable in braces, or nothing for all addresses and where that depends on settings. `public` ports
    are those that the other hosts reach. `group` restricts it to hosts of that group, `when` to hosts where a variable has that
    value. `by_kernel`: the socket is the kernel's own; `unit` opens it, where that is not the component's own unit. With `ranges` the
    variable's text holds ranges of ports that belong to what the component starts.

    `access` restricts it to a closed or an open cluster.

    `reach` is who has to reach it: programs of its `host` only, the `members` of the cluster, `operators` and their tools from where
    they are, `users` of what runs on the cluster. Where it is not written a public port is the members', and any other the host's.
    A public port of the host's is for its containers too.
    """

    number: int
    title: str
    variable: str = ""
    protocols: tuple[Protocol, ...] = ("tcp",)
    address: str = ""
    public: bool = True
    group: str = ""
    when: tuple[str, str] = ("", "")
    by_kernel: bool = False
    ranges: Callable[[str], list[tuple[int, int]]] | None = None
    reach: Reach = ""
    access: Literal["", "closed", "open"] = ""
    unit: str = ""

    @property
    def reached_by(self) -> Reach:
        """Who has to reach it."""
        return self.reach or ("members" if self.public else "host")

    def opened_by(self, groups: Collection[str], variables: Mapping[str, Any], access: str = "") -> bool:
        """Whether a host of these groups and role variables opens it, in a cluster that is `closed` or `open` ('': in either)."""
        name, value = self.when
        if self.access and access not in ("", self.access):
            return False
        return (not self.group or self.group in groups) and (not name or variables.get(name) == value)

    def on(self, variables: Mapping[str, Any]) -> int:
        """Where it is with these role variables; its default where the value is no number."""
        value = variables.get(self.variable, self.number) if self.variable else self.number
        return value if isinstance(value, int) else self.number


@dataclass(frozen=True)
class Need:
    """Memory (MiB, resident when idle, rounded up) and free disk (MiB by directory, as installed, with room for some weeks of
    logs and snapshots; below `good_disk_mb` free there is a warning). A directory may be a role variable in braces. From those in
    `programs` it starts programs, so that no file system of theirs may be mounted noexec. `heap` names the variable with the size
    of its Java heap, `heap_mb` its default. `group` as for a port.
    """

    memory_mb: int = 0
    disk_mb: Mapping[str, int] = field(default_factory=dict)
    heap: str = ""
    heap_mb: int = 0
    group: str = ""
    good_disk_mb: int = 0
    programs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Election:
    """Its members elect a leader: those in `group`, by majority or by whoever comes first."""

    group: str
    majority: bool = False


@dataclass(frozen=True)
class Versions:
    """How its version may change. `migrates`: the first leader of a new version migrates what it stores, and no older one may lead then.
    `alike`: different ones side by side mean an upgrade that did not finish.

    `minors_at_once`: how many minor releases of one major may be taken at a time, 0 for any. `way_into`: the oldest version from
    which a major release is reached.
    """

    alike: bool = False
    migrates: bool = False
    minors_at_once: int = 0
    way_into: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """That the cluster installs what it serves, where the inventory names no other place. Each is the name of a role variable.

    `folder` is on the operator's machine, and is sent to `data` on the host; `port` is of its packages and files, `registry_port` of its
    images.
    """

    folder: str
    data: str
    port: str
    registry_port: str


@dataclass(frozen=True, eq=False)
class Component:
    """One thing the cluster runs.

    `name` is also the inventory group; `role` is its Ansible role; `shorthand` is the group by which a host joins it when its own
    group is not written, '' where none does; `unit` is the systemd unit that runs it. `server_group` marks those of its members that are
    servers, by default the masters; where only these have the unit, `unit_on_servers`.

    `after` are the components that have to work before it is brought up, by name; what these stand on is understood.

    `rolling` names the group whose members are changed one at a time once they serve (a quorum, or members that share a leader);
    `batched` means that all others are then changed in batches, because a change is felt by what runs on the host; `carries` names
    components with a leader that run in it and restart with it; `upgraded_before` names the component before which it is upgraded,
    where that is not the order of a build.

    `reboots` names the variable that allows its role to install what only a reboot puts to work; its health then says that one is
    pending. In one that `runs_tasks` the tasks of the cluster's users run, which move away before it goes; a new version of one that
    `ends_tasks` ends those of its host. Hosts leave one that `leaves_in_turn` one at a time.

    `endpoint` is where operators find it, of `address` and role variables in braces; `closed_endpoint` in a closed cluster, where that is
    another place.

    `artefact` is what is installed: a package (variables `<role>_package`, `<role>_version`), an archive (`<role>_archive_url`) or
    an image (`<role>_image`); `vendor`: the package comes from a repository of its vendor's. `secrets` are made once per cluster:
    name → kind. `zookeeper_user`: it logs in to ZooKeeper with a password of its own. `principal`: by which it is known to Mesos.
    `znodes` are nodes of ZooKeeper that it alone uses, by that password: paths, or role variables in braces.

    `small` are role variables of a host that carries a whole cluster, where its inventory does not set them: together the components
    then fit into 4 GiB.
    `networks`: what it runs has networks of its own, which must not hold the addresses of hosts. `bridges`: interfaces of a host by
    which these reach it, by name, or how their names begin and '*'.

    `reset` are role variables for the removal of a whole cluster; `data` is the variable that decides whether a removal deletes
    what it has stored, and the value that does. `saved_by` is the group whose members have what a backup keeps. `missing` is what a
    cluster without any host that has its unit can't do; where it is `required` that is an error, and `missing` what to do.
    `reads` are patterns of files that its program reads, whoever wrote them. With `site` the others install from it.
    """

    name: str
    role: str
    shorthand: Shorthand
    title: str
    unit: str = ""
    after: tuple[str, ...] = ()
    server_group: str = ""
    unit_on_servers: bool = False
    rolling: str = ""
    batched: bool = False
    carries: tuple[str, ...] = ()
    upgraded_before: str = ""
    election: Election | None = None
    framework: bool = False
    runs_tasks: bool = False
    ends_tasks: bool = False
    leaves_in_turn: bool = False
    reboots: str = ""
    networks: bool = False
    bridges: tuple[str, ...] = ()
    endpoint: str = ""
    closed_endpoint: str = ""
    ports: tuple[Port, ...] = ()
    needs: tuple[Need, ...] = ()
    artefact: Artefact = ""
    vendor: bool = False
    versions: Versions = Versions()
    secrets: Mapping[str, SecretKind] = field(default_factory=dict)
    zookeeper_user: str = ""
    znodes: tuple[str, ...] = ()
    principal: str = ""
    small: Mapping[str, Any] = field(default_factory=dict)
    reset: Mapping[str, Any] = field(default_factory=dict)
    data: tuple[str, bool] | None = None
    saved_by: str = ""
    missing: str = ""
    required: bool = False
    reads: tuple[str, ...] = ()
    site: Site | None = None

    @property
    def probe_variable(self) -> str:
        """The role variable that holds this component's probe request."""
        return f"{self.name}_probe"

    @property
    def voters(self) -> str:
        """The group whose members make its quorum; '' where nobody votes."""
        return self.election.group if self.election and self.election.majority else ""

    @property
    def unit_group(self) -> str:
        """The group of the hosts that have its unit."""
        return self.server_group if self.unit_on_servers else self.name

    def part(self, name: str) -> ModuleType | None:
        """The module `name` of its folder (`wiring`, `health`, `proof`, …); None where it has none. Loaded when asked for."""
        return _module(f"{__package__}.{self.name}.{name}")


@functools.cache
def _module(name: str) -> ModuleType | None:
    """Kept, as the wiring of ten thousand hosts asks for each."""
    return importlib.import_module(name) if importlib.util.find_spec(name) else None
