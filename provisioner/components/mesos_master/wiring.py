"""What a Mesos master is told, and what masters and agents share."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.components import COMPONENTS
from provisioner.inventory.wiring import Variables, Wiring, also, in_turn, quorum

#: Who proves that the cluster works, beside the components: principal and secret.
VERIFY = ("verify", "verify_secret")
#: Who may do all that is done over HTTP, and who may only look.
OPERATOR, VIEWER = "operator", "viewer"


def known_by(principal: str, name: str, w: Wiring) -> list[Variables]:
    """Who brings a secret, and while it is rotated who brings the other one."""
    other = [{"principal": in_turn(principal, name, other=True), "secret": also(name)}] if w.authentication else []
    return [{"principal": in_turn(principal, name), "secret": w.secret(name)}, *other]


def asked_with(host: Host, w: Wiring) -> Variables:
    """With what root asks Mesos on a host that has to: those that run it, and those that run a framework and look whether it is known.

    Also in an open cluster: whoever asks sends it before the first master demands it, and after the last one does.
    """
    asks = any(c.name in host.groups for c in COMPONENTS if c.principal or c.role == "mesos")
    name = "mesos_viewer_secret"
    return {"mesos": {"user": in_turn(VIEWER, name), "password": w.secret(name)}} if asks and w.authentication else {}


def task_user(host: Host, w: Wiring) -> str:
    """The user as which tasks run that name none."""
    return str(w.value(host, "mesos_task_user") or ("nobody" if w.closed else "root"))


def rights(host: Host, w: Wiring) -> Variables:
    """What each framework may, by its principal: the roles that it gets offers for (none: any), and the users as which it runs tasks."""
    users = list(dict.fromkeys((task_user(host, w), *w.value(host, "mesos_task_users"))))
    own = [*(c.principal for c in COMPONENTS if c.framework), VERIFY[0]]
    others: dict[str, Variables] = w.value(host, "mesos_principals")
    return {**{principal: {"roles": [], "users": users} for principal in own},
            **{name: {"roles": each.get("roles") or ["*"], "users": each.get("users") or users[:1]} for name, each in others.items()}}


def shared(host: Host, w: Wiring) -> Variables:
    """What masters and agents are told alike."""
    entry = w.entry("mesos")
    return {
        "mesos_package": entry.get("package"),
        "mesos_version": entry.version,
        **w.locked(host, "mesos", [entry.get("package")], entry.version),
        "mesos_cluster": w.cluster.name,
        "mesos_address": host.cluster_address,
        "mesos_hostname": host.name,
        "mesos_zk_url": w.zk_url("mesos", "mesos"),
        "mesos_authentication": "required" if w.authentication else "none",
        "mesos_closed": w.closed,
        "mesos_rights": rights(host, w) if w.closed else {},
        "mesos_operator": {"principal": in_turn(OPERATOR, "mesos_operator_secret"), "secret": w.secret("mesos_operator_secret")}
        if w.authentication else {},
        "mesos_masters": w.at("mesos_master", "mesos_master_port"),
        "mesos_cgroup_requirement": entry.get("cgroup", "any"),
        "mesos_docker_requirement": entry.get("docker"),
        "mesos_docker_api": str(entry.get("docker_api", "") or ""),
    }


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    principals = [*((c.principal, f"{c.name}_secret") for c in COMPONENTS if c.principal and c.framework), VERIFY]
    turns = [*((c.principal, f"{c.name}_secret") for c in COMPONENTS if c.principal and not c.framework),
             (OPERATOR, "mesos_operator_secret"), (VIEWER, "mesos_viewer_secret")]
    masters = len(w.cluster.members("mesos_master"))
    return {
        **shared(host, w),
        "mesos_quorum": quorum(masters),
        "mesos_credentials": [{"principal": principal, "secret": w.secret(name)} for principal, name in principals]
        + [one for principal, name in turns for one in known_by(principal, name, w)]
        + [{"principal": name, "secret": f"{{{{ mesos_principals[{name!r}].secret }}}}"} for name in w.value(host, "mesos_principals")],
        "mesos_master_probe": {"unit": "mesos-master", "address": host.cluster_address, "port": w.value(host, "mesos_master_port"),
                               "masters": masters, "quorum": quorum(masters)},
    }
