"""Three servers agree, every host is a member, and strangers stay out."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

from tests.lab.support.checkout import eventually
from tests.lab.support.consul import CONSUL

On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
Converge = Callable[..., subprocess.CompletedProcess[str]]
#: Another agent on a member's host, with ports of its own; it says "joined", or what it had to say before it gave up.
STRANGER = """
folder=$(mktemp -d)
api=http://127.0.0.1:18500
timeout 60 consul agent -data-dir=$folder -node=stranger -bind={address} -encrypt='{key}' \
  -retry-join={server}:8301 -retry-max=2 -retry-interval=2s -serf-lan-port=18301 \
  -server-port=18300 -http-port=18500 -dns-port=18600 -disable-host-node-id >$folder/said 2>&1 &
while kill -0 $! 2>/dev/null && ! consul members -http-addr=$api 2>/dev/null | grep -q '^{name} .*alive'; do sleep 0.5; done
consul leave -http-addr=$api >/dev/null 2>&1 && wait && echo joined || {{ wait; cat $folder/said; }}
rm -rf $folder
"""
#: Registers a service without a check at the host's own agent, takes it out again.
REGISTER = "CONSUL_HTTP_TOKEN={token} consul services register -name=lasting -port=9"
DEREGISTER = "CONSUL_HTTP_TOKEN={token} consul services deregister -id=lasting"
#: Looks for that service all the time, for ten seconds; prints how often it was there and how often not.
LOOKS = """
import collections, json, time, urllib.request
headers = json.load(open("/etc/provisioner/credentials/consul.json"))
found, end = collections.Counter(), time.monotonic() + 10
while time.monotonic() < end:
    request = urllib.request.Request("http://127.0.0.1:8500/v1/health/service/lasting?passing=1", headers=headers)
    with urllib.request.urlopen(request) as answer:
        found[bool(json.load(answer))] += 1
    time.sleep(0.05)
print(found[True], found[False])
"""
ASK_SELF = ("import json, urllib.request as u; headers = json.load(open('/etc/provisioner/credentials/consul.json')); "
            "print(u.urlopen(u.Request('http://127.0.0.1:8500/v1/agent/self', headers=headers)).read().decode())")


def alive(host: Any) -> set[str]:
    """The members that this one's gossip counts as alive."""
    return {line.split()[0] for line in host.check_output(f"{CONSUL} members").splitlines()[1:] if line.split()[2] == "alive"}


def test_the_servers_are_each_others_raft_peers(on: On, members: Members) -> None:
    rows = [line.split() for line in on("m1").check_output(f"{CONSUL} operator raft list-peers").splitlines()[1:]]
    assert {row[0] for row in rows} == set(members("consul_server"))
    assert sorted(row[3] for row in rows) == ["follower", "follower", "leader"], rows
    assert {row[4] for row in rows} == {"true"}, "every server votes"


def test_every_host_has_joined(on: On, members: Members) -> None:
    for host in members("consul"):
        assert alive(on(host)) >= set(members("consul")), f"as {host} sees it"


def test_a_value_written_on_one_host_is_read_on_another(on: On, variable: Callable[[str, str], Any]) -> None:
    own = f"CONSUL_HTTP_TOKEN={variable('a1', 'vault_consul_operator_token')} consul"
    on("a1").check_output(f"{own} kv put molecule/word spoken")
    assert on("m3").check_output(f"{CONSUL} kv get molecule/word") == "spoken"
    on("m2").check_output(f"{CONSUL} kv delete molecule/word")


def test_an_agent_with_the_key_can_join_and_one_with_another_can_not(on: On, members: Members, variable: Callable[[str, str], Any]) -> None:
    def join(key: str) -> str:
        meeting = {"address": members("consul")["a1"], "server": members("consul")["m1"], "name": "m1"}
        return str(on("a1").check_output(STRANGER.format(key=key, **meeting)))

    said = join(base64.b64encode(os.urandom(32)).decode())
    assert said != "joined", "a stranger was let in: gossip is not encrypted with our key"
    assert "No installed keys could decrypt the message" in said, f"it was kept out, but not for its key:\n{said[-2000:]}"
    assert "stranger" not in alive(on("m1"))
    said = join(variable("m1", "vault_consul_gossip_key"))
    assert said == "joined", f"with the right key it should have joined, so the refusal above proves nothing:\n{said[-2000:]}"
    on("m1").run(f"{CONSUL} force-leave -prune stranger")


def test_the_gossip_key_is_on_no_command_line_and_readable_by_nobody_else(on: On, variable: Callable[[str, str], Any]) -> None:
    key = variable("m1", "vault_consul_gossip_key")
    assert key not in on("m1").check_output("ps axww -o args")
    reading = on("m1").run("su nobody -s /bin/sh -c 'cat /etc/consul.d/encrypt.json'")
    assert "ermission denied" in reading.stderr, "anybody on the host can read the key of the gossip"


def test_the_api_answers_its_own_host_only(on: On, members: Members) -> None:
    for host, address in members("consul").items():
        for port in (8500, 8600):
            reached = on("mirror").run(f"python3 -c 'import socket; socket.create_connection((\"{address}\", {port}), 5)'")
            refused = "ConnectionRefusedError" in reached.stderr
            assert refused, f"other hosts can use the API of {host} (port {port}) {reached.stderr[-200:]}"


def test_a_changed_setting_reaches_the_running_agent(on: On, converge: Converge, members: Members) -> None:
    def rack() -> str:
        return str(json.loads(on("a2").check_output(f"python3 -c \"{ASK_SELF}\""))["Meta"].get("rack", ""))

    try:
        done = converge("consul", "a2", consul_extra_config={"node_meta": {"rack": "r7"}})
        assert done.returncode == 0, done.stdout[-3000:]
        assert rack() == "r7", "the agent was not restarted with its new settings"
    finally:
        assert converge("consul", "a2").returncode == 0
    eventually("a2 is a member again", 60, lambda: "a2" in alive(on("m1")))


def test_the_names_of_what_runs_on_a_host_outlast_a_restart_of_its_agent(on: On, variable: Callable[[str, str], Any]) -> None:
    token = variable("a2", "vault_consul_registrator_token")
    on("a2").check_output(REGISTER.format(token=token))
    try:
        process = on("a2").check_output("systemctl show -p MainPID --value consul")
        eventually("the service is known", 30, lambda: "lasting" in on("m1").check_output(f"{CONSUL} catalog services"))
        on("a2").check_output("systemd-run --quiet sh -c 'sleep 2; systemctl restart consul'")
        there, missing = map(int, on("m1").check_output("python3 -c %s", LOOKS).split())
        assert on("a2").check_output("systemctl show -p MainPID --value consul") != process
        assert (there > 10, missing) == (True, 0), f"the service was gone in {missing} of {there + missing} looks"
    finally:
        on("a2").check_output(DEREGISTER.format(token=token))


def test_an_agent_whose_host_goes_down_leaves_by_itself(on: On) -> None:
    def boot() -> str:
        return str(on("a2").run(f"{CONSUL} info >/dev/null && cat /proc/sys/kernel/random/boot_id").stdout)

    before, since = boot(), on("m1").check_output("date +@%s")
    on("a2").run("systemctl reboot")
    eventually("the agent of a2 is back", 120, lambda: boot() not in ("", before))
    said = on("m1").check_output("journalctl --unit consul --since %s --output cat", since)
    assert "EventMemberLeave: a2" in said, "the names of what ran there stayed until its death was noticed"


def test_settings_that_consul_refuses_never_go_live(on: On, converge: Converge) -> None:
    before = on("a2").check_output("systemctl show -p MainPID --value consul")
    done = converge("consul", "a2", consul_extra_config={"no_such_setting": True})
    assert done.returncode != 0
    assert "no_such_setting" in done.stdout
    assert on("a2").check_output("systemctl show -p MainPID --value consul") == before
