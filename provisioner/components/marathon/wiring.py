"""What Marathon is told."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.components.mesos_master.wiring import task_user
from provisioner.inventory.wiring import Variables, Wiring, to_come


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    return {
        "marathon_image": w.image("marathon"),
        "marathon_address": host.cluster_address,
        "marathon_hostname": host.cluster_address,
        "marathon_zk_url": w.zk_url("marathon", "marathon"),
        "marathon_mesos_zk_url": w.zk_url("mesos", "mesos"),
        "marathon_principal": "marathon",
        "marathon_secret": to_come("marathon_secret") if w.authentication else "",
        "marathon_task_user": task_user(host, w),
        "marathon_http_password": "{{ vault_marathon_http_password }}" if w.closed else "",
        "marathon_authority": w.authority,
        "marathon_keystore_password": "{{ vault_marathon_keystore_password }}" if w.closed else "",
        "marathon_probe": {"unit": "marathon", "address": host.cluster_address, "port": w.value(host, "marathon_port"),
                           "framework": str((w.value(host, "marathon_extra_flags") or {}).get("framework_name", "marathon")),
                           "masters": w.at("mesos_master", "mesos_master_port")},
    }
