"""A mirror that the cluster runs itself: what follows from it for the others, the plan, the look before."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from provisioner.cluster.model import Host
from provisioner.components import SITE
from provisioner.components.mirror import preflight as rules
from provisioner.components.mirror.proof import gives_a_file, gives_an_image
from provisioner.context import Context
from provisioner.errors import StepFailed
from provisioner.hosts.local import Local
from provisioner.hosts.openssh import Completed
from provisioner.hosts.remote_calls import BrokenLink, RemoteCalls
from provisioner.inventory import site
from provisioner.inventory.render import host_variables
from provisioner.mirror.artefacts import needed
from provisioner.observe.preflight import preflight
from provisioner.observe.preflight.ports import free_ports
from provisioner.observe.proof import Skipped, make_proof
from provisioner.plan.make import make_plan
from provisioner.plan.steps import FILL, Step
from provisioner.probe.health import ask, systemd, web
from provisioner.probe.health.answer import UnhealthyError
from provisioner.run.filling import filling
from tests.unit.builders import observed, seen
from tests.unit.test_render import inventory

ROWS: list[dict[str, Any]] = [
    {"component": "repository", "version": "1", "kind": "repository", "uri": "apt", "suite": "{codename}", "components": ["main"],
     "key": "apt/key.asc", "key_fingerprint": "A" * 40},
    {"component": "consul", "version": "2.0.4", "kind": "archive", "file": "archives/consul.zip",
     "sha256": hashlib.sha256(b"zip").hexdigest()},
    {"component": "registrator", "version": "7.4", "kind": "image", "image": "registrator:7.4",
     "digest": f"sha256:{hashlib.sha256(b'{}').hexdigest()}"},
]


def written(folder: Path, *, filled: bool = True, **variables: object) -> Path:
    """An inventory with a mirror on a host of its own, and what that is to serve."""
    data = json.loads(inventory(["m1"], ["a1"], **variables))
    data["all"]["children"]["mirror"] = {"hosts": {"s1": {"ansible_host": "192.0.2.50", "mirror_folder": "site"}}}
    (folder / "inventory.yml").write_text(json.dumps(data))
    if filled:
        www = folder / "site/www"
        (www / "archives").mkdir(parents=True)
        (www / "archives/consul.zip").write_bytes(b"zip")
        (www / "catalogue.json").write_text(json.dumps(ROWS))
        (www / "provision.lock").write_text('{"format": 1, "systems": [], "artefacts": []}')
    return folder / "inventory.yml"


def test_the_hosts_install_from_it(tmp_path: Path) -> None:
    context = Context(written(tmp_path))
    assert [context.cluster.variables[name] for name in (site.MIRROR, site.REGISTRY)] == ["http://192.0.2.50:8088", "192.0.2.50:5000"]
    for name in ("m1", "a1", "s1"):
        [source] = host_variables(context.rendered, name)["repos_apt"]
        assert (source["uri"], source["key_url"]) == ("http://192.0.2.50:8088/apt", "http://192.0.2.50:8088/apt/key.asc")
    own = host_variables(context.rendered, "a1")
    assert own["registrator_image"] == "192.0.2.50:5000/registrator:7.4"
    assert own["consul_archive_url"] == "http://192.0.2.50:8088/archives/consul.zip"


def test_its_registry_is_trusted_by_the_cluster_s_authority_and_by_nobody_s_in_an_open_cluster(tmp_path: Path) -> None:
    closed = host_variables(Context(written(tmp_path, cluster_access="closed")).rendered, "a1")
    assert "vault_cluster_ca_certificate" in closed["docker_registry_ca"] and not closed["docker_registry_insecure"]
    opened = host_variables(Context(written(tmp_path / "site", filled=False, cluster_access="open")).rendered, "s1")
    assert opened["mirror_authority"] == {} and not opened["mirror_probe"]["registry"].startswith("https")


def test_another_mirror_that_is_named_is_used_and_this_one_only_serves(tmp_path: Path) -> None:
    path = written(tmp_path, cluster_mirror="http://192.0.2.9", cluster_catalogue="site/www/catalogue.json")
    context = Context(path)
    assert context.cluster.variables[site.MIRROR] == "http://192.0.2.9" and not site.is_source(context.cluster)
    assert host_variables(context.rendered, "s1")["mirror_content"] == site.content(context.cluster)


def test_hosts_reach_it_without_the_site_s_proxy(tmp_path: Path) -> None:
    context = Context(written(tmp_path, cluster_http_proxy="http://proxy.example:3128"))
    assert "192.0.2.50" in host_variables(context.rendered, "a1")["proxy_environment"]["no_proxy"].split(",")


def test_what_fills_it_comes_from_elsewhere(tmp_path: Path) -> None:
    context = Context(written(tmp_path)).from_elsewhere
    assert not context.cluster.variables[site.MIRROR]
    assert "192.0.2.50:5000" not in str(host_variables(context.rendered, "a1"))


def test_what_it_installs_itself_is_locked_as_well(tmp_path: Path) -> None:
    packages = {each.name: each for each in needed(Context(written(tmp_path)).from_elsewhere).packages}
    assert packages["nginx"].component == packages["docker-registry"].component == "mirror"


def test_before_it_is_filled_everything_comes_from_elsewhere_and_preflight_says_what_to_do(tmp_path: Path) -> None:
    context = Context(written(tmp_path, filled=False))
    assert not context.cluster.variables[site.MIRROR] and site.content(context.cluster) == ""
    assert any("no mirror yet" in text and "mirror pull" in text for text in context.warnings)
    [found] = rules.folder_there(seen("mirror", variables=dict(host_variables(context.rendered, "s1"))))
    assert found.severity == "fail" and "provision mirror pull site" in found.hint


def test_a_folder_that_nobody_named_is_said(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace('"mirror_folder"', '"ansible_port": 22, "x"'))
    assert any("set mirror_folder" in text for text in Context(path).warnings)


def test_each_of_its_units_has_the_port_that_it_opens() -> None:
    listeners = [{"protocol": "tcp", "address": "10.0.0.1", "port": port, "pid": 7, "command": "x", "unit": unit, "container": ""}
                 for port, unit in ((8088, "mirror.service"), (5000, "mirror-registry.service"))]
    address = {"mirror_address": "10.0.0.1"}
    assert [f.severity for f in free_ports(seen("mirror", variables=address, listeners=listeners))] == ["ok"]
    listeners[1]["unit"] = "docker-registry.service"
    assert [f.severity for f in free_ports(seen("mirror", variables=address, listeners=listeners))] == ["fail"]


def test_red_hat_s_kin_are_refused() -> None:
    [found] = rules.registry_there(seen("mirror", facts={"package_manager": "dnf"}))
    assert found.severity == "fail" and "Debian or Ubuntu" in found.message
    assert [*rules.registry_there(seen("mirror"))] == []


def test_it_is_filled_before_its_role_runs_and_serves_before_anybody_installs(tmp_path: Path) -> None:
    context = Context(written(tmp_path))
    steps = make_plan(context.cluster, context.rendered, observed(context.cluster)).steps
    assert [(step.component.name, step.verb, step.hosts) for step in steps[:3]] == [
        ("mirror", FILL, ("s1",)), ("mirror", "up", ("s1",)), ("repos", "up", ("a1", "m1", "s1"))]
    assert not any(step.alongside for step in steps[:3])
    assert steps[0].describe() == "fill Site mirror on s1"


def test_without_the_group_nothing_of_it_is_planned(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text(inventory(["m1"], ["a1"]))
    context = Context(path)
    assert "mirror" not in {step.component.name for step in make_plan(context.cluster, context.rendered, observed(context.cluster)).steps}
    with pytest.raises(Skipped):
        gives_a_file(make_proof(context.cluster, context.rendered, Local()))


def test_another_lock_makes_another_content(tmp_path: Path) -> None:
    context = Context(written(tmp_path))
    before = site.content(context.cluster)
    (tmp_path / "site/www/provision.lock").write_text("other")
    assert before and site.content(context.cluster) not in ("", before)


def test_what_it_is_to_serve_is_not_asked_for_before_it_serves(tmp_path: Path) -> None:
    from provisioner_lab.testing import FakeTransport, said

    context = Context(written(tmp_path))
    transport = FakeTransport({name: said("{}") for name in ("m1", "a1", "s1")})
    preflight(context.cluster, context.rendered, transport)
    assert not any("192.0.2.50:8088" in str(call) or "192.0.2.50:5000" in str(call) for call in transport.calls)


class Here(Local):
    """This machine, as the user that runs the tests."""

    def run(self, host: Host, command: str, stdin: bytes = b"", *, become: bool = False, timeout: float = 60.0,
            line: Any = None) -> Completed:
        """See Transport."""
        return super().run(host, command, stdin, timeout=timeout, line=line)


def test_the_step_sends_the_folder_and_says_so(tmp_path: Path) -> None:
    path = written(tmp_path)
    data = json.loads(path.read_text())
    data["all"]["vars"]["mirror_data_dir"] = str(tmp_path / "served")
    path.write_text(json.dumps(data))
    context, told = Context(path, transport=Here()), list[str]()
    fill = filling(context, told.append)
    outcome = fill(Step(SITE, ("s1",), verb=FILL), ("s1",), lambda event: None)
    assert (outcome.changed, outcome.tasks, outcome.changed_tasks) == (1, 1, ["s1: 3 files of the mirror came"])
    assert (tmp_path / "served/current/www/archives/consul.zip").read_bytes() == b"zip"
    assert fill(Step(SITE, ("s1",), verb=FILL), ("s1",), lambda event: None).changed == 0


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    context = Context(written(tmp_path, filled=False), transport=Here())
    with pytest.raises(StepFailed, match="no mirror that could be sent"):
        filling(context, print)(Step(SITE, ("s1",), verb=FILL), ("s1",), lambda event: None)


class _Registry(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and one manifest."""

    def do_GET(self) -> None:
        if self.path.startswith("/v2/"):
            known = self.path in ("/v2/", f"/v2/registrator/manifests/{ROWS[2]['digest']}")
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
        else:
            super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Context]]:
    """A mirror on loopback, and the cluster that it is of."""
    context = Context(written(tmp_path))
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Registry, directory=str(tmp_path / "site/www")))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{served.server_port}", context
    served.shutdown()
    served.server_close()


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "_show", lambda names: "\n\n".join(
        f"Id={name}.service\nLoadState=loaded\nActiveState=active\nSubState=running\nActiveEnterTimestampMonotonic=1" for name in names))


def test_its_health_is_what_a_host_gets(server: tuple[str, Context], running: None) -> None:
    address, context = server
    request = {"unit": "mirror", "registry_unit": "mirror-registry", "server": address, "registry": address,
               "content": site.content(context.cluster)}
    assert ask("mirror", request)["state"] == "ok"
    assert ask("mirror", {**request, "content": "other"})["state"] == "degraded"
    (context.path.parent / "site/www/catalogue.json").unlink()
    found = ask("mirror", request)
    assert found["state"] == "down" and "catalogue.json answers 404" in found["detail"]


def test_its_proof_compares_what_it_gives(server: tuple[str, Context]) -> None:
    address, context = server
    proof = make_proof(context.cluster, context.rendered, Here())
    proof = type(proof)(**{**vars(proof), "calls": RemoteCalls(Here())})
    rendered = context.rendered["all"]["hosts"]["s1"]
    rendered["mirror_probe"] = {**rendered["mirror_probe"], "server": address, "registry": address}
    assert gives_a_file(proof).startswith("archives/consul.zip on ")
    assert gives_an_image(proof).startswith("registrator:7.4 on ")
    (context.path.parent / "site/www/archives/consul.zip").write_bytes(b"zap")
    with pytest.raises(BrokenLink, match="its catalogue says"):
        gives_a_file(proof)


def test_a_mirror_that_does_not_answer_breaks_the_proof(tmp_path: Path) -> None:
    context = Context(written(tmp_path))
    context.rendered["all"]["hosts"]["s1"]["mirror_probe"] = {"server": "127.0.0.1:9", "registry": "127.0.0.1:9"}
    with pytest.raises(BrokenLink, match="refused"):
        gives_a_file(make_proof(context.cluster, context.rendered, Here()))


def test_web_asks_with_another_authority() -> None:
    with pytest.raises(UnhealthyError, match=r"whom to trust: .*No such file"):
        web.get("https://127.0.0.1:9", "/", authority=Path("/nowhere/ca.pem"))
