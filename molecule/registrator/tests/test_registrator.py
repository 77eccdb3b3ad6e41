"""Containers appear in Consul's catalogue with address and tags and disappear with the container, also behind Registrator's back."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.support.checkout import eventually

On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
GONE_SECONDS = 90


@pytest.fixture
def service(on: On, variable: Callable[[str, str], Any]) -> Iterator[str]:
    """A container on a1 with a published port, a name and tags for Consul; its service name."""
    name = f"scenario-{uuid.uuid4().hex[:8]}"
    image = f"{variable('a1', 'docker_registry')}/busybox:1.35"
    on("a1").check_output(f"docker run --detach --rm --name {name} --publish 8000 --env SERVICE_NAME={name} --env SERVICE_TAGS=blue,fast "
                          f"{image} httpd -f -p 8000 -h /tmp")
    yield name
    on("a1").run(f"docker rm --force {name}")


def entries(host: Any, service: str) -> list[dict[str, Any]]:
    """What Consul's catalogue holds under a name, as this host's agent says."""
    script = ("import json, urllib.request as u; headers = json.load(open('/etc/provisioner/credentials/consul.json')); "
              f"print(u.urlopen(u.Request('http://127.0.0.1:8500/v1/catalog/service/{service}', headers=headers)).read().decode())")
    found: list[dict[str, Any]] = json.loads(host.check_output(f'python3 -c "{script}"'))
    return found


def test_a_container_appears_with_its_address_and_tags_and_disappears_with_it(on: On, members: Members, service: str) -> None:
    elsewhere = on("m1")
    eventually("the container is in the catalogue", 60, lambda: len(entries(elsewhere, service)) == 1)
    (entry,) = entries(elsewhere, service)
    port = int(on("a1").check_output(f"docker port {service} 8000").splitlines()[0].rpartition(":")[2])
    advertised = (entry["ServiceAddress"] or entry["Address"], entry["ServicePort"])
    assert advertised == (members("registrator")["a1"], port), "wrong advertised address"
    assert sorted(entry["ServiceTags"]) == ["blue", "fast"]
    on("a1").check_output(f"docker stop --time 1 {service}")
    eventually("the container is out of the catalogue", 60, lambda: entries(elsewhere, service) == [])


def test_what_ended_while_registrator_was_away_disappears_too(on: On, service: str) -> None:
    eventually("the container is in the catalogue", 60, lambda: len(entries(on("m1"), service)) == 1)
    on("a1").check_output("systemctl stop registrator")
    try:
        on("a1").check_output(f"docker rm --force {service}")
        assert len(entries(on("m1"), service)) == 1, "nobody was there to take it out"
    finally:
        on("a1").check_output("systemctl start registrator")
    eventually("the dead container is out of the catalogue", GONE_SECONDS, lambda: entries(on("m1"), service) == [])


def test_what_began_while_registrator_was_away_appears(on: On, variable: Callable[[str, str], Any]) -> None:
    name = f"scenario-{uuid.uuid4().hex[:8]}"
    image = f"{variable('a1', 'docker_registry')}/busybox:1.35"
    on("a1").check_output("systemctl stop registrator")
    try:
        on("a1").check_output(f"docker run --detach --rm --name {name} --publish 8000 --env SERVICE_NAME={name} {image} httpd -f -p 8000")
    finally:
        on("a1").check_output("systemctl start registrator")
    try:
        eventually("the container is in the catalogue", 60, lambda: len(entries(on("m1"), name)) == 1)
    finally:
        on("a1").check_output(f"docker rm --force {name}")


def test_it_comes_back_after_the_engine_was_restarted(on: On, cluster: Any) -> None:
    on("a2").check_output("systemctl restart docker")
    eventually("Registrator on a2 works again", 90, lambda: {r["state"] for r in cluster.rows("registrator")} == {"ok"})


def test_it_does_not_ask_its_vendor_for_a_newer_release(on: On) -> None:
    assert "GL_DISABLE_VERSION_CHECK=true" in on("a1").check_output("docker inspect --format '{{json .Config.Env}}' registrator")


def test_its_token_is_told_to_nobody_who_asks_docker(on: On, variable: Callable[[str, str], Any]) -> None:
    token = variable("a1", "vault_consul_registrator_token")
    assert token not in on("a1").check_output("docker inspect registrator")
    assert token not in on("a1").check_output("ps axww -o args; systemctl show registrator; cat /etc/systemd/system/registrator.service")
    assert token in on("a1").check_output("cat /proc/%s/environ | tr '\\0' '\\n'", on("a1").check_output(
        "docker inspect --format '{{.State.Pid}}' registrator")), "it runs without one, so the rest proves nothing"


def test_a_token_that_consul_does_not_know_shows_in_its_health(on: On, cluster: Any) -> None:
    """The program itself starts with any token."""
    file = "/etc/provisioner/credentials/registrator.token"
    kept = on("a1").check_output(f"cat {file}")
    try:
        on("a1").check_output(f"cat /proc/sys/kernel/random/uuid >{file}; systemctl restart registrator")
        eventually("it shows", 60, lambda: "403" in {r["host"]: r["detail"] for r in cluster.rows("registrator")}["a1"])
    finally:
        on("a1").check_output(f"printf %s '{kept}' >{file}; systemctl restart registrator")
    eventually("Registrator on a1 works again", 60, lambda: {r["state"] for r in cluster.rows("registrator")} == {"ok"})
