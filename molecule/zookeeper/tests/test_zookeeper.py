"""An ensemble of three: who leads, what is written where, who is who, and what survives."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import OPEN_ACL_UNSAFE
from ruamel.yaml import YAML

from provisioner_lab.model import default_inventory
from tests.lab.support.checkout import ClusterUnderTest, eventually, provision

Members = Callable[[str], dict[str, str]]
Connect = Callable[[str], KazooClient]
Converge = Callable[..., subprocess.CompletedProcess[str]]
On = Callable[[str], Any]


def modes(members: Members, zookeeper: Connect) -> dict[str, str]:
    """leader or follower, by host, as each member says itself."""
    return {host: re.findall(r"Mode: (\w+)", zookeeper(host).command(b"srvr"))[0] for host in members("zookeeper")}


def test_one_of_three_leads(members: Members, zookeeper: Connect) -> None:
    assert sorted(modes(members, zookeeper).values()) == ["follower", "follower", "leader"]


def test_what_is_written_through_one_is_read_through_another(members: Members, zookeeper: Connect) -> None:
    path, value = f"/{uuid.uuid4().hex}", uuid.uuid4().hex.encode()
    writer, *readers = (zookeeper(host) for host in members("zookeeper"))
    writer.create(path, value)
    for reader in readers:
        reader.sync(path)
        assert reader.get(path)[0] == value
    writer.delete(path)


def test_no_new_neighbour_changes_a_members_number(cluster: ClusterUnderTest, members: Members, on: On, tmp_path: Path) -> None:
    """Hosts inserted before all others and written in another order: the numbers stay those on the disks."""
    source = default_inventory(cluster.lab)
    yaml = YAML()
    inventory = yaml.load(source)
    masters = inventory["all"]["children"]["masters"]["hosts"]
    fresh = {"b1": {"ansible_host": "198.18.255.1"}, "b2": {"ansible_host": "198.18.255.2"}}
    inventory["all"]["children"]["masters"]["hosts"] = {**fresh, **dict(reversed(list(masters.items())))}
    inventory["all"]["vars"]["cluster_networks"].append("198.18.255.0/24")
    yaml.dump(inventory, tmp_path / "inventory.yml")
    shutil.copy(source.parent / "catalogue.json", tmp_path)
    shutil.copytree(source.parent / ".provision", tmp_path / ".provision", ignore=shutil.ignore_patterns("runs"))
    rendered = json.loads(provision("inventory", "--json", "--hosts", str(tmp_path / "inventory.yml")).stdout)
    for host in members("zookeeper"):
        number = rendered["all"]["hosts"][host]["zookeeper_id"]
        assert str(number) == on(host).file("/var/lib/zookeeper/myid").content_string.strip(), f"{host} would get another id: {number}"
    numbers = [rendered["all"]["hosts"][host]["zookeeper_id"] for host in (*members("zookeeper"), *fresh)]
    assert len(set(numbers)) == 5, numbers


def test_a_foreign_number_is_refused_with_its_reason(members: Members, converge: Converge, variable: Callable[[str, str], Any]) -> None:
    address = members("zookeeper")["m2"]
    servers = [s for s in variable("m2", "zookeeper_servers") if s["address"] != address]
    done = converge("zookeeper", "m2", zookeeper_id=9, zookeeper_servers=[*servers, {"id": 9, "address": address}])
    assert done.returncode != 0
    assert "/var/lib/zookeeper/myid says that this host is member" in " ".join(done.stdout.split())


def test_a_java_for_desktops_did_not_come_along(on: On) -> None:
    host = on("m1")
    if host.system_info.distribution != "debian":
        pytest.skip("there is no package")
    assert not host.package("default-jre").is_installed
    assert "libzookeeper-java" in host.check_output("apt-mark showhold").split()


def test_only_harmless_four_letter_words_are_answered(zookeeper: Connect) -> None:
    client = zookeeper("m1")
    assert client.command(b"ruok") == "imok"
    assert "zk_server_state" in client.command(b"mntr")
    assert "not in the whitelist" in client.command(b"dump")


def test_nobody_without_a_password_reads_or_writes_anything(cluster: ClusterUnderTest, zookeeper: Connect) -> None:
    client = KazooClient(hosts=cluster.zookeeper_at("m1"), timeout=10)
    client.start(timeout=30)
    try:
        for login in ("", "somebody:else"):
            if login:
                client.add_auth("digest", login)
            for path in ("/", "/mesos", "/mesos/log_replicas", "/marathon", "/chronos/state", "/zookeeper"):
                with pytest.raises(NoAuthError):
                    client.get_children(path)
            with pytest.raises(NoAuthError):
                client.create("/intruder")
            with pytest.raises(NoAuthError):
                client.create("/mesos/json.info_0000000000")
    finally:
        client.stop()
        client.close()
    found = zookeeper("m1")
    open_to_all = [path for path in ("/", *(f"/{top}" for top in found.get_children("/")))
                   if any(rule.id.scheme == "world" for rule in found.get_acls(path)[0])]
    assert open_to_all == []


def test_a_node_that_was_opened_is_closed_again(zookeeper: Connect, converge: Converge) -> None:
    client = zookeeper("m1")
    client.set_acls("/", OPEN_ACL_UNSAFE)
    client.set_acls("/mesos/log_replicas", OPEN_ACL_UNSAFE)
    assert converge("zookeeper", "m1").returncode == 0
    for path in ("/", "/mesos/log_replicas"):
        assert [rule.id.scheme for rule in client.get_acls(path)[0]] == ["digest"], path


def test_members_speak_tls_to_each_other_and_to_nobody_without_a_certificate(on: On, members: Members) -> None:
    talk = ("import socket, ssl\n"
            "context = ssl.create_default_context(cafile='/etc/provisioner/tls/ca.pem')\n"
            "{certificate}"
            "with context.wrap_socket(socket.create_connection(('{address}', 3888), 5), server_hostname='{address}') as s:\n"
            "    s.settimeout(3)\n"
            "    try:\n        print(s.recv(1))\n    except TimeoutError:\n        print('waits')\n")
    own = "context.load_cert_chain('/etc/provisioner/tls/certificate.pem', '/etc/provisioner/tls/key.pem')\n"
    address = members("zookeeper")["m2"]

    def said(certificate: str) -> str:
        script = talk.format(address=address, certificate=certificate)
        return str(on("m1").run(f"python3 - <<'END'\n{script}END").stdout.strip())

    assert said(own) == "waits", "a host of the cluster is not heard out"
    assert said("") != "waits", "whoever has no certificate is heard out"


def test_old_snapshots_are_purged_and_no_admin_server_takes_port_8080(on: On) -> None:
    host = on("m1")
    pid = host.check_output("systemctl show -p MainPID --value zookeeper").strip()
    assert "Purge task started" in host.check_output("journalctl -u zookeeper -o cat --no-pager")
    ports = set(re.findall(rf"\S+:(\d+)\s.*pid={pid},", host.check_output("ss -Hlntp")))
    assert {"2181", "3888"} <= ports
    assert "8080" not in ports


def test_the_super_users_digest_is_on_no_command_line(on: On, variable: Callable[[str, str], Any]) -> None:
    secret = variable("m1", "vault_zookeeper_super_digest").partition(":")[2]
    assert len(secret) > 10
    assert secret not in on("m1").check_output("ps axww -o args")


def test_a_changed_setting_reaches_the_running_member(members: Members, zookeeper: Connect, converge: Converge, on: On) -> None:
    try:
        # One after the other: each is in another file, and must make the role restart the unit by itself.
        done = converge("zookeeper", "m3", zookeeper_tick_ms=1900)
        assert done.returncode == 0, done.stdout[-3000:]
        assert "tickTime=1900" in zookeeper("m3").command(b"conf"), "the unit was not restarted with its new settings"
        done = converge("zookeeper", "m3", zookeeper_tick_ms=1900, zookeeper_heap_mb=300)
        assert done.returncode == 0, done.stdout[-3000:]
        assert "-Xmx300m" in on("m3").check_output("ps -o args= -p $(systemctl show -p MainPID --value zookeeper)")
    finally:
        assert converge("zookeeper", "m3").returncode == 0
    eventually("all three are back", 60, lambda: len(modes(members, zookeeper)) == 3)


@pytest.mark.parametrize("how", ["systemctl restart zookeeper", "systemctl kill --signal=KILL zookeeper"])
def test_data_survives(members: Members, zookeeper: Connect, on: On, how: str) -> None:
    path, value = f"/{uuid.uuid4().hex}", uuid.uuid4().hex.encode()
    zookeeper("m1").create(path, value)
    for host in members("zookeeper"):
        on(host).check_output(how)

    def serving() -> bool:
        return sorted(on(h).run("python3 -c \"import socket; s = socket.create_connection(('%s', 2181), 2); s.send(b'srvr'); "
                                "print(s.recv(9999).decode())\" | grep -o 'Mode: .*'", a).stdout.split()[-1:] for h, a in
                      members("zookeeper").items()) == [["follower"], ["follower"], ["leader"]]

    eventually("the ensemble serves again", 60, serving)
    client = zookeeper("m2")
    client.sync(path)
    assert client.get(path)[0] == value
    client.delete(path)
