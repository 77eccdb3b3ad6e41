"""What Mesos' agent, executors and fetcher do for a task: those that Marathon and Chronos launch."""

from __future__ import annotations

import base64
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.lab.support.checkout import eventually
from tests.lab.support.mesos_framework import Framework

HOST = "a1"
On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]

#: Answers 200 to whoever asks for a file that is there.
SERVE = "mkdir -p www && echo alive >www/index.html && cd www && exec "


def docker(image: str, **more: Any) -> dict[str, Any]:
    """A container in a network of its own."""
    return {"type": "DOCKER", "docker": {"image": image, "network": "BRIDGE", **more}}


def test_a_command_has_its_files_environment_and_user(framework: Framework, on: On) -> None:
    on(HOST).check_output("mkdir -p /run/fetch/d && echo text >/run/fetch/d/f && tar -C /run/fetch -czf /run/fetch/a.tar.gz d && "
                          "printf '#!/bin/sh\\necho $COLOUR\\n' >/run/fetch/prog")
    script = ('set -e; test "$(id -un)" = nobody; test "$(cat d/f)" = text; test "$(stat -c %U d/f)" = nobody; test "$(./prog)" = green; '
              'test "$MESOS_SANDBOX" = "$PWD"; test "$MESOS_ALLOCATION_ROLE" = "*"; ! env | grep AUTHENTICATION_TOKEN')
    task = framework.launch(HOST, command={
        "value": script, "user": "nobody", "environment": {"variables": [{"name": "COLOUR", "value": "green"}]},
        "uris": [{"value": "file:///run/fetch/a.tar.gz", "cache": True}, {"value": "/run/fetch/prog", "executable": True}]})
    ended = framework.end(task)
    assert ended == ("TASK_FINISHED", "Command exited with status 0"), on(HOST).run(f"cat {framework.sandbox(task)}/stderr").stdout
    assert [one["state"] for one in framework.told(task)] == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]


def test_what_cannot_be_fetched_fails_the_task_and_is_named_in_its_sandbox(framework: Framework, on: On) -> None:
    task = framework.launch(HOST, command={"value": "true", "uris": [{"value": "file:///no/such/file"}]})
    state, message = framework.end(task)
    assert (state, "Failed to fetch all URIs" in message) == ("TASK_FAILED", True), message
    assert "Failed to fetch 'file:///no/such/file'" in on(HOST).check_output(f"cat {framework.sandbox(task)}/stderr")


def test_a_file_from_a_web_server_goes_through_the_cache(framework: Framework, on: On, inventory: dict[str, Any]) -> None:
    """The agent itself asks how large it is, by libcurl, before it makes room in its cache."""
    uri = f"{inventory['all']['vars']['repos_apt'][0]['uri'].rpartition('/')[0]}/catalogue.json"
    pid = on(HOST).check_output("systemctl show -p MainPID --value mesos-agent")
    for _ in range(2):
        task = framework.launch(HOST, command={"value": "grep -q component catalogue.json", "uris": [{"value": uri, "cache": True}]})
        assert framework.end(task)[0] == "TASK_FINISHED", on(HOST).run(f"cat {framework.sandbox(task)}/stderr").stdout
    assert on(HOST).check_output("systemctl show -p MainPID --value mesos-agent") == pid, "the agent ended over it"


#: A registry that wants a login, in front of the lab's own; Docker trusts one on its own host without TLS.
GUARDED = """
import http.server, sys, urllib.error, urllib.request
class Guard(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.headers.get("Authorization") != "Basic bWU6c2VjcmV0":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="lab"')
            self.send_header("Content-Length", "0")
            return self.end_headers()
        headers = {"Accept": ",".join(self.headers.get_all("Accept", []))}
        asked = urllib.request.Request("http://" + sys.argv[1] + self.path, headers=headers, method=self.command)
        try:
            answer = urllib.request.urlopen(asked)
        except urllib.error.HTTPError as error:
            answer = error
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() in ("content-type", "content-length", "docker-content-digest", "docker-distribution-api-version"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.read())
    do_HEAD = do_GET
http.server.ThreadingHTTPServer(("127.0.0.1", 5999), Guard).serve_forever()
"""


@pytest.fixture
def guarded(on: On, inventory: dict[str, Any]) -> Iterator[str]:
    """An image that only a login can pull, on its host."""
    name = "127.0.0.1:5999/busybox:1.35"
    script = base64.b64encode(GUARDED.encode()).decode()
    on(HOST).check_output(f"echo {script} | base64 -d >/run/guard.py && docker image rm -f {name} && "
                          f"systemd-run --quiet --unit=guard python3 /run/guard.py {inventory['all']['vars']['docker_registry']}")
    eventually("the registry answers", 30, lambda: on(HOST).run("ss -Hltn sport = :5999").stdout != "")
    yield name
    on(HOST).check_output(f"systemctl stop guard; rm /run/guard.py; docker image rm -f {name}")


def test_an_image_of_a_private_registry_needs_the_login_that_is_fetched(framework: Framework, guarded: str, on: On) -> None:
    """As Marathon's documentation has it: `docker.tar.gz` with `.docker/config.json` among the URIs."""
    login = '{"auths": {"127.0.0.1:5999": {"auth": "bWU6c2VjcmV0"}}}'
    on(HOST).check_output("rm -rf /run/login && mkdir -p /run/login/.docker && cd /run/login && "
                          f"echo '{login}' >.docker/config.json && tar -czf docker.tar.gz .docker")
    command: dict[str, Any] = {"value": "exit 0"}
    refused = framework.end(framework.launch(HOST, container=docker(guarded, force_pull_image=True), command=command))
    assert refused[0] == "TASK_FAILED"
    assert "no basic auth credentials" in refused[1]
    command["uris"] = [{"value": "file:///run/login/docker.tar.gz"}]
    task = framework.launch(HOST, container=docker(guarded, force_pull_image=True), command=command)
    assert framework.end(task) == ("TASK_FINISHED", "Container exited with status 0")


def test_a_container_has_its_port_volume_parameters_and_environment(framework: Framework, image: str, on: On, members: Members) -> None:
    on(HOST).check_output("mkdir -p /run/volume && echo shared >/run/volume/file")
    container = {**docker(image, port_mappings=[{"host_port": 31101, "container_port": 80, "protocol": "tcp"}],
                          parameters=[{"key": "label", "value": "colour=green"}]),
                 "hostname": "web", "volumes": [{"host_path": "/run/volume", "container_path": "/shared", "mode": "RO"},
                                                {"host_path": "own", "container_path": "/own", "mode": "RW"}]}
    script = ('cp /shared/file /own && cd /own && echo "$COLOUR $(hostname) $MESOS_SANDBOX" >said && ! touch /shared/x && '
              "exec httpd -f -p 80 -h /own")
    task = framework.launch(HOST, ports=(31101,), container=container, command={
        "value": script, "environment": {"variables": [{"name": "COLOUR", "value": "green"}]}})
    status = framework.wait(task, state="TASK_RUNNING")
    address = status["container_status"]["network_infos"][0]["ip_addresses"][0]["ip_address"]

    def get(path: str) -> str:
        with urllib.request.urlopen(f"http://{members('mesos_agent')[HOST]}:31101/{path}", timeout=10) as answer:
            return str(answer.read().decode())

    eventually("the port answers", 30, lambda: on(HOST).run(f"test -s {framework.sandbox(task)}/own/said").rc == 0)
    eventually("the port answers", 30, lambda: "shared" in get("file"))
    assert get("said") == "green web /mnt/mesos/sandbox\n"
    name = on(HOST).check_output("docker ps --filter label=colour=green --format '{{.Names}}'")
    assert name.startswith("mesos-")
    seen = on(HOST).check_output(f"docker inspect -f '{{{{.NetworkSettings.IPAddress}}}} {{{{.HostConfig.CpuShares}}}} "
                                 f"{{{{.HostConfig.Memory}}}}' {name}")
    assert seen.split()[0] == address
    framework.kill(task)
    assert framework.end(task)[0] == "TASK_KILLED"


QUICK = {"delay_seconds": 0, "interval_seconds": 0.5, "grace_period_seconds": 60}
CHECKS: dict[str, Callable[[int], dict[str, Any]]] = {
    "COMMAND": lambda port: {"type": "COMMAND", "command": {"value": "test -s www/index.html || test -s /tmp/www/index.html"}},
    "HTTP": lambda port: {"type": "HTTP", "http": {"port": port, "path": "/index.html"}},
    "TCP": lambda port: {"type": "TCP", "tcp": {"port": port}}}


def test_health_checks_make_tasks_healthy(framework: Framework, image: str) -> None:
    """In a container they use its network: nothing listens on the host's port 80."""
    tasks = {}
    for number, (kind, check) in enumerate(CHECKS.items()):
        port = 31110 + number
        tasks[kind, "command"] = framework.launch(HOST, ports=(port,), health_check={**QUICK, **check(port)},
                                                  command={"value": f"{SERVE} python3 -m http.server {port}"})
        tasks[kind, "container"] = framework.launch(HOST, container=docker(image), health_check={**QUICK, **check(80)},
                                                    command={"value": f"cd /tmp && {SERVE} httpd -f -p 80"})
    for task in tasks.values():
        assert framework.wait(task, healthy=True)["reason"] == "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"
    for task in tasks.values():
        framework.kill(task)
    assert {framework.end(task)[0] for task in tasks.values()} == {"TASK_KILLED"}


def test_too_many_failures_kill_the_task(framework: Framework, image: str) -> None:
    check = {"type": "TCP", "tcp": {"port": 9}, "delay_seconds": 0, "interval_seconds": 0.2, "grace_period_seconds": 0.5,
             "consecutive_failures": 2}
    command = {"value": "trap exit TERM; while :; do sleep 1; done"}
    tasks = [framework.launch(HOST, health_check=check, command=command),
             framework.launch(HOST, health_check=check, command=command, container=docker(image))]
    for task in tasks:
        assert framework.end(task)[0] == "TASK_KILLED"
        assert [one["healthy"] for one in framework.told(task) if "healthy" in one] == [False, False, False]


def test_a_check_tells_its_result_and_kills_nothing(framework: Framework) -> None:
    task = framework.launch(HOST, command={"value": "exec sleep 600"}, check={
        "type": "COMMAND", "command": {"command": {"value": "exit 7"}}, "delay_seconds": 0, "interval_seconds": 0.2})
    status = framework.wait(task, check_status={"type": "COMMAND", "command": {"exit_code": 7}})
    assert (status["state"], status["reason"]) == ("TASK_RUNNING", "REASON_TASK_CHECK_STATUS_UPDATED")
    framework.kill(task)
    assert framework.end(task)[0] == "TASK_KILLED"


def is_there(on: On, path: str) -> bool:
    return bool(on(HOST).run(f"test -e {path}").rc == 0)


def test_a_task_is_asked_to_end_and_killed_after_its_grace_period(framework: Framework, image: str, on: On) -> None:
    """One that ends when asked has all the time it is given; one that does not is killed."""
    polite, stubborn = "trap 'sleep 1; exit 5' TERM", "trap '' TERM"
    loop = 'touch "$MESOS_SANDBOX/ready"; while :; do sleep 0.1; done'
    policy: dict[str, Any] = {"kill_policy": {"grace_period": {"nanoseconds": 30_000_000_000}}}
    kinds: dict[str, dict[str, Any]] = {"Command terminated with signal Killed": {},
                                        "Container exited with status 137": {"container": docker(image)}}
    for killed, kind in kinds.items():
        word = killed.split()[0]
        one = framework.launch(HOST, **kind, **policy, command={"value": f"{polite}; {loop}"})
        other = framework.launch(HOST, **kind, **policy, command={"value": f"{stubborn}; {loop}"})
        for task in (one, other):
            framework.wait(task, state="TASK_RUNNING")
            eventually("the shell has set its trap", 30, partial(is_there, on, f"{framework.sandbox(task)}/ready"))
        framework.kill(one)
        framework.kill(other, kill_policy={"grace_period": {"nanoseconds": 1_000_000_000}})
        assert framework.end(one) == ("TASK_KILLED", f"{word} exited with status 5")
        assert framework.end(other) == ("TASK_KILLED", killed)
        assert [state["state"] for state in framework.told(one)][-2:] == ["TASK_KILLING", "TASK_KILLED"]


@pytest.mark.usefixtures("control_groups")
def test_tasks_outlive_a_restart_of_their_agent_and_can_still_be_killed(framework: Framework, image: str, on: On) -> None:
    beat = "while :; do date +%s%N >beat; sleep 0.2; done"
    tasks = [framework.launch(HOST, command={"value": beat}),
             framework.launch(HOST, container=docker(image), command={"value": f"cd /mnt/mesos/sandbox && {beat}"})]

    def beats() -> list[str]:
        return [on(HOST).run(f"cat {framework.sandbox(task)}/beat").stdout or "none yet" for task in tasks]

    for task in tasks:
        framework.wait(task, state="TASK_RUNNING")
    eventually("the tasks beat", 30, lambda: "none yet" not in beats())
    on(HOST).check_output("systemctl restart mesos-agent")
    before = set(beats())
    eventually("the tasks still beat", 30, lambda: not set(beats()) & before)
    # The agent knows them again when it offers what they leave; a kill that it got earlier would be lost.
    other = framework.launch(HOST, command={"value": "true"})
    assert framework.end(other)[0] == "TASK_FINISHED"
    for task in tasks:
        assert framework.told(task)[-1]["state"] == "TASK_RUNNING"
        framework.kill(task)
        assert framework.end(task)[0] == "TASK_KILLED"


def test_what_ends_while_its_agent_is_down_is_told_afterwards(framework: Framework, image: str, on: On) -> None:
    script = "while [ ! -e {}/go ]; do sleep 0.1; done; exit 6"
    tasks = {framework.launch(HOST, command={"value": script.format(".")}): "Command exited with status 6",
             framework.launch(HOST, container=docker(image), command={"value": script.format("/mnt/mesos/sandbox")}):
                 "Container exited with status 6"}
    for task in tasks:
        framework.wait(task, state="TASK_RUNNING")
    on(HOST).check_output("systemctl stop mesos-agent")
    try:
        for task in tasks:
            on(HOST).check_output(f"touch {framework.sandbox(task)}/go")
            told = f"grep -q 'TASK_FAILED.*exited with status 6' {framework.sandbox(task)}/stderr"
            on(HOST).check_output(f"for i in $(seq 300); do {told} && exit 0; sleep 0.1; done; exit 1")
    finally:
        on(HOST).check_output("systemctl start mesos-agent")
    for task, message in tasks.items():
        assert framework.end(task) == ("TASK_FAILED", message)
