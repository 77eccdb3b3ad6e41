"""What Chronos is told."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.components.mesos_master.wiring import task_user
from provisioner.inventory.wiring import Variables, Wiring, to_come


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    return {
        "chronos_image": w.image("chronos"),
        "chronos_address": host.cluster_address,
        "chronos_hostname": host.cluster_address,
        "chronos_zk_hosts": w.zookeepers(),
        "chronos_zk_user": "chronos" if w.authentication else "",
        "chronos_zk_secret": w.secret("zookeeper_chronos_password"),
        "chronos_mesos_zk_url": w.zk_url("mesos", "mesos"),
        "chronos_principal": "chronos",
        "chronos_secret": to_come("chronos_secret") if w.authentication else "",
        "chronos_task_user": task_user(host, w),
        "chronos_http_password": "{{ vault_chronos_http_password }}" if w.closed else "",
        "chronos_authority": w.authority,
        "chronos_keystore_password": "{{ vault_chronos_keystore_password }}" if w.closed else "",
        "chronos_probe": {"unit": "chronos", "address": host.cluster_address, "port": w.value(host, "chronos_port"),
                          "image": w.image("chronos"),
                          "framework": w.value(host, "chronos_framework_name"),
                          "masters": w.at("mesos_master", "mesos_master_port")},
    }
