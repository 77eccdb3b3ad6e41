"""A host serves what was sent to it: to others, by address, and to nobody for writing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from provisioner.components.mirror.proof import gives_a_file, gives_an_image
from provisioner.context import Context
from provisioner.hosts.remote_calls import BrokenLink
from provisioner.mirror.folder import Folder
from provisioner.mirror.sending import content
from provisioner.observe.proof import Proof, make_proof
from tests.lab.support.a_mirror import folder, of_lab, serving
from tests.lab.support.checkout import ClusterUnderTest, eventually

On = Callable[[str], Any]
#: Asked of a host, as it may have no curl. Prints the status, and the answer's headers as JSON.
ASK = """import json, ssl, sys, urllib.request as u, urllib.error
context = ssl.create_default_context(cafile='/etc/provisioner/tls/ca.pem')
opener = u.build_opener(u.ProxyHandler({}), u.HTTPSHandler(context=context))
try:
    print(opener.open(u.Request(sys.argv[2], method=sys.argv[1], data=b'' if sys.argv[1] != 'GET' else None), timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print(0)
"""


@pytest.fixture(scope="module")
def context(cluster: ClusterUnderTest) -> Context:
    """The lab with a mirror on its first master."""
    return of_lab(Context(cluster.inventory))


@pytest.fixture(scope="module")
def mirror(context: Context) -> str:
    return serving(context.cluster).name


@pytest.fixture(scope="module")
def proof(context: Context) -> Proof:
    return make_proof(context.cluster, context.rendered, context.transport)


@pytest.fixture(scope="module")
def ask(on: On, proof: Proof, mirror: str) -> Callable[[str, str, str], int]:
    """`ask(method, "server" or "registry", path)`: the status that another host gets; 0 for no answer."""
    def asks(method: str, what: str, path: str) -> int:
        server = str(proof.variable(proof.cluster.host(mirror), "mirror_probe", {})[what])
        url = f"{server if '://' in server else f'http://{server}'}{path}"
        return int(on("a1").run("python3 -c %s %s %s", ASK, method, url).stdout or 0)

    return asks


def test_another_host_gets_a_file_as_it_is_locked(proof: Proof) -> None:
    assert gives_a_file(proof).endswith(" on a1")


def test_another_host_gets_an_image_by_its_digest(proof: Proof) -> None:
    assert gives_an_image(proof).endswith(" on a1")


def test_the_registry_proves_who_it_is(proof: Proof, mirror: str) -> None:
    assert str(proof.variable(proof.cluster.host(mirror), "mirror_probe", {})["registry"]).startswith("https://")


@pytest.mark.parametrize("path", ["/../manifest.json", "/manifest.json", "/../../current/manifest.json", "/key", "/provision.lock/.."])
def test_what_is_not_served_is_not_given(ask: Callable[[str, str, str], int], path: str) -> None:
    assert ask("GET", "server", path) in (400, 403, 404)


def test_nobody_writes(ask: Callable[[str, str, str], int]) -> None:
    assert ask("PUT", "server", "/catalogue.json") in (403, 405)
    assert ask("DELETE", "server", "/catalogue.json") in (403, 405)
    assert ask("POST", "registry", "/v2/strange/blobs/uploads/") in (404, 405), "an upload was begun"
    assert ask("GET", "registry", "/v2/") == 200


def test_it_was_installed_from_what_was_sent(on: On, mirror: str, inventory: Any) -> None:
    policy = on(mirror).check_output("apt-cache policy nginx docker-registry")
    assert "file:/var/lib/provisioner-mirror/current/www/apt" in policy


def test_the_packages_own_services_stay_stopped(on: On, mirror: str) -> None:
    for unit in ("nginx", "docker-registry"):
        assert not on(mirror).service(unit).is_running and not on(mirror).service(unit).is_enabled


def test_it_comes_back_after_both_were_killed(on: On, mirror: str, ask: Callable[[str, str, str], int]) -> None:
    on(mirror).check_output("systemctl kill --signal=KILL mirror mirror-registry")
    eventually("the mirror serves again", 30,
               lambda: (ask("GET", "server", "/catalogue.json"), ask("GET", "registry", "/v2/")) == (200, 200))


def test_what_it_has_is_what_the_folder_has(on: On, mirror: str) -> None:
    files = json.loads(on(mirror).check_output("cat /var/lib/provisioner-mirror/current/manifest.json"))
    assert files == {name: list(known) for name, known in content(Folder(folder())).files.items()}


def test_a_file_that_is_another_is_found_by_the_proof(on: On, mirror: str, proof: Proof) -> None:
    name = gives_a_file(proof).partition(" ")[0]
    file = f"/var/lib/provisioner-mirror/current/www/{name}"
    on(mirror).check_output(f"cp -p {file} /tmp/kept && echo x >> {file}")
    try:
        with pytest.raises(BrokenLink, match="its catalogue says"):
            gives_a_file(proof)
    finally:
        on(mirror).check_output(f"cat /tmp/kept >{file} && rm /tmp/kept")


@pytest.fixture(scope="module")
def with_group(cluster: ClusterUnderTest, mirror: str) -> Iterator[ClusterUnderTest]:
    """The lab by an inventory that has the group."""
    path = cluster.inventory.with_name("with-mirror.yml")
    written = {**yaml.safe_load(cluster.inventory.read_text()), "mirror": {"hosts": {mirror: {"mirror_folder": str(folder())}}}}
    path.write_text(yaml.safe_dump(written))
    yield ClusterUnderTest(cluster.lab, cluster.directory, path)
    path.unlink()


def test_up_sends_what_is_new_and_then_nothing(with_group: ClusterUnderTest, ask: Callable[[str, str, str], int]) -> None:
    with_group.up("--only", "mirror")
    assert with_group.up("--only", "mirror")["changed"] == 0
    made = Folder(folder())
    new, catalogue = made.www / "archives/new.zip", made.www / "catalogue.json"
    before = catalogue.read_text()
    try:
        new.write_bytes(b"new" * (8 << 20))
        catalogue.write_text(f"{before}\n")
        with_group.up("--only", "mirror")
        assert ask("GET", "server", "/archives/new.zip") == 200
        assert with_group.up("--only", "mirror")["changed"] == 0
    finally:
        new.unlink()
        catalogue.write_text(before)
    with_group.up("--only", "mirror")
    assert ask("GET", "server", "/archives/new.zip") == 404
