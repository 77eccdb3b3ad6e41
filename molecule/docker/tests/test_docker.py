"""The engine runs with our options, pulls from the site's registry, and carries an overlay network between hosts."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable
from typing import Any

from tests.cluster_under_test import eventually

On = Callable[[str], Any]
Converge = Callable[..., subprocess.CompletedProcess[str]]
Variable = Callable[[str, str], Any]


def info(host: Any) -> dict[str, Any]:
    """What the running engine says of itself."""
    said: dict[str, Any] = json.loads(host.check_output("docker info --format '{{json .}}'"))
    return said


def test_the_running_engine_has_our_options(on: On, variable: Variable) -> None:
    said = info(on("a1"))
    assert said["LoggingDriver"] == "journald"
    assert variable("a1", "docker_registry") in said["RegistryConfig"]["IndexConfigs"]


def test_an_image_is_pulled_from_the_sites_registry_and_runs(on: On, variable: Variable) -> None:
    image = f"{variable('a1', 'docker_registry')}/busybox:1.35"
    word = uuid.uuid4().hex
    host = on("a1")
    assert host.check_output(f"docker pull -q {image} && docker run --rm {image} echo {word}").split()[-1] == word
    assert word in host.check_output("journalctl -o cat --no-pager --since -60s"), "its output is not in the journal"


def test_containers_on_two_hosts_talk_over_the_overlay_network(on: On, variable: Variable) -> None:
    image, word = f"{variable('a1', 'docker_registry')}/busybox:1.35", uuid.uuid4().hex
    one, other = on("a1"), on("a2")
    serve = f"sh -c 'echo {word} > /tmp/index.html; httpd -f -h /tmp'"
    one.check_output(f"docker run --detach --rm --name far --network cluster {image} {serve}")
    try:
        def answers() -> bool:
            # Not wget's own -T: with it the statically linked busybox of Debian crashes.
            return word in str(other.run(f"docker run --rm --network cluster {image} timeout 5 wget -q -O - http://far/").stdout)

        eventually("the container on the other host answers by its name", 60, answers)
    finally:
        one.check_output("docker rm --force far")


def test_a_changed_option_reaches_the_running_engine(on: On, converge: Converge) -> None:
    try:
        done = converge("docker", "a2", docker_daemon_options={"debug": True})
        assert done.returncode == 0, done.stdout[-3000:]
        assert info(on("a2"))["Debug"] is True, "the engine was not restarted with its new options"
    finally:
        assert converge("docker", "a2").returncode == 0
    assert info(on("a2"))["Debug"] is False


def test_an_option_that_the_engine_refuses_fails_the_role_and_is_mended_by_the_next_run(on: On, converge: Converge) -> None:
    try:
        done = converge("docker", "a2", docker_daemon_options={"no-such-option": 1})
        assert done.returncode != 0, "the role passed with an engine that does not start"
        assert "docker" in done.stdout
        assert "no-such-option" in on("a2").check_output("journalctl -u docker -o cat --no-pager -n 50"), "what `provision up` shows then"
    finally:
        assert converge("docker", "a2").returncode == 0
    assert info(on("a2"))["ServerVersion"]
