"""`provision infra` with the real Terraform, on machines that are SSH servers of this test."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.cli import main
from provisioner.errors import ProvisionError, StepFailed, StoppedError, UsageError
from provisioner.verbs.infra.terraform import PROGRAMS, Terraform, find_binary
from tests.unit.ssh_servers import SshServer

pytestmark = pytest.mark.skipif(not any(map(shutil.which, PROGRAMS)), reason="neither terraform nor tofu is installed")

MODULE = """
variable "port" { type = number }
resource "terraform_data" "m1" { input = var.port }
output "hosts" {
  value = { m1 = { address = "127.0.0.1", groups = ["masters"], variables = {
    ansible_port = terraform_data.m1.output, cluster_address = "192.0.2.1" } } }
}
output "variables" { value = { cluster_name = "tiny", ansible_user = "me", cluster_mirror = null } }
"""
SLOW = """
resource "terraform_data" "quick" {}
resource "terraform_data" "slow" {
  triggers_replace = terraform_data.quick.id
  provisioner "local-exec" { command = "touch begun; exec sleep 60" }
}
"""


@pytest.fixture
def server() -> Iterator[SshServer]:
    one = SshServer().start()
    yield one
    one.stop()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROVISION_HOSTS", raising=False)
    (tmp_path / "module").mkdir()
    return tmp_path


def infra(action: str, server: SshServer, *more: str) -> int:
    return main(["infra", action, "--dir", "module", "--var", f"port={server.port}", *more])


def test_from_a_plan_to_machines_and_to_nothing(folder: Path, server: SshServer, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "module" / "main.tf").write_text(MODULE)
    assert infra("plan", server, "--detailed-exitcode") == 2
    assert "terraform_data.m1 will be created" in capsys.readouterr().out
    assert infra("plan", server, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"changes": True, "resources": {"terraform_data.m1": ["create"]}}
    assert infra("up", server, "--yes", "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"inventory": "inventory.yml", "hosts": {"m1": "127.0.0.1"}}
    assert "m1: new host key SHA256:" in captured.err
    assert "Next: provision up --hosts inventory.yml" in captured.err
    assert infra("plan", server, "--detailed-exitcode") == 0
    assert main(["run", "--hosts", "inventory.yml", "true"]) == 0, "another command takes the inventory and the key"
    capsys.readouterr()
    assert infra("show", server, "--json") == 0
    assert json.loads(capsys.readouterr().out)["hosts"]["m1"] == {
        "address": "127.0.0.1", "groups": ["masters"], "answers": True, "problem": ""}
    server.stop()
    assert infra("show", server) == 4
    assert infra("down", server) == 2
    assert "--yes tiny" in capsys.readouterr().err
    assert infra("down", server, "--yes", "tiny") == 0
    assert sorted(p.name for p in folder.iterdir()) == ["module"] or list((folder / ".provision").iterdir()) == []
    assert json.loads((folder / "module" / "terraform.tfstate").read_text())["resources"] == []


def test_what_the_operator_added_outlives_the_machines(folder: Path, server: SshServer) -> None:
    (folder / "module" / "main.tf").write_text(MODULE)
    mine = "# mine\nall:\n  vars:\n    cluster_name: tiny\n    docker_overlay: none\n"
    (folder / "inventory.yml").write_text(mine)
    (folder / "inventory.yml").chmod(0o644)
    assert infra("up", server, "--yes") == 0
    keys = folder / ".provision" / "tiny" / "known_hosts"
    keys.write_text(keys.read_text() + "198.51.100.9 ssh-ed25519 AAAA\n")
    assert infra("down", server, "--yes", "tiny") == 0
    assert (folder / "inventory.yml").read_text() == mine
    assert (folder / "inventory.yml").stat().st_mode & 0o777 == 0o644
    assert keys.read_text() == "198.51.100.9 ssh-ed25519 AAAA\n"
    assert infra("down", server) == 0, "again: nothing is left to agree to"


def test_the_wrong_folder_takes_nothing_away(folder: Path, server: SshServer, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "module" / "main.tf").write_text(MODULE)
    assert infra("up", server, "--yes") == 0
    written = (folder / "inventory.yml").read_text()
    (folder / "other").mkdir()
    (folder / "other" / "main.tf").write_text(MODULE.replace("tiny", "other"))
    assert infra("down", server, "--dir", "other") == 2, "there is nothing to destroy, but an inventory to change"
    assert infra("up", server, "--dir", "other", "--yes") == 3
    assert infra("down", server, "--dir", "other", "--yes", "other") == 3
    assert "inventory of another cluster, tiny; Terraform made other" in capsys.readouterr().err
    assert (folder / "inventory.yml").read_text() == written


def test_an_inventory_that_is_no_cluster_yet_is_mended(folder: Path, server: SshServer, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "module" / "main.tf").write_text(MODULE.replace('["masters"]', '["agents"]'))
    assert infra("up", server, "--yes") == 3
    assert "no host is in zookeeper" in capsys.readouterr().err
    (folder / "module" / "main.tf").write_text(MODULE)
    assert infra("up", server, "--yes") == 0
    (folder / "module" / "main.tf").write_text(MODULE.replace('["masters"]', '["agents"]'))
    assert infra("up", server, "--yes") == 3
    assert infra("down", server, "--yes", "tiny") == 0
    assert not (folder / "inventory.yml").exists()


def test_terraforms_own_error_and_the_command_to_repeat(folder: Path, server: SshServer, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "module" / "main.tf").write_text(MODULE + 'resource "terraform_data" "bad" { input = nothing.here }\n')
    assert infra("up", server, "--yes") == StepFailed.exit_code
    said = capsys.readouterr().err.replace("\n", " ")
    assert "Reference to undeclared resource" in said
    assert f"terraform -chdir={folder}/module plan -var=port={server.port}" in said
    (folder / "module" / "main.tf").write_text("not HCL at all")
    assert infra("plan", server) == StepFailed.exit_code
    assert "Invalid block definition" in capsys.readouterr().err


def test_machines_without_the_outputs_are_made_and_the_output_is_named(
        folder: Path, server: SshServer, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "module" / "main.tf").write_text(MODULE.replace('output "variables"', 'output "settings"'))
    assert infra("up", server, "--yes") == 3
    assert "output variables is missing" in capsys.readouterr().err
    (folder / "module" / "main.tf").write_text(MODULE)
    assert infra("up", server, "--yes") == 0


def press_ctrl_c(when: Path) -> None:
    until = time.monotonic() + 30
    while not when.exists() and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("by_hand", [True, False], ids=["ctrl-c", "too long"])
def test_terraform_ends_by_itself_when_it_is_to_stop_and_goes_on_the_next_time(
        folder: Path, by_hand: bool, request: pytest.FixtureRequest) -> None:
    # Whoever runs the tests in the background has SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    module = folder / "module"
    (module / "main.tf").write_text(SLOW)
    said: list[str] = []
    terraform = Terraform(module, say=said.append, seconds=60 if by_hand else 1.5)
    terraform.plan(folder / "plan", lambda line: None)
    if by_hand:
        threading.Thread(target=press_ctrl_c, args=(module / "begun",)).start()
    expected: type[ProvisionError] = StoppedError if by_hand else StepFailed
    with pytest.raises(expected, match="stopped") as error:
        terraform.apply(folder / "plan")
    assert (module / "begun").exists()
    assert error.value.hint
    assert any("Interrupt received" in line for line in said), said
    state = json.loads((module / "terraform.tfstate").read_text())
    assert {r["name"]: r["instances"][0].get("status", "whole") for r in state["resources"]} == {"quick": "whole", "slow": "tainted"}
    (module / "main.tf").write_text(SLOW.replace("sleep 60", "true"))
    assert terraform.plan(folder / "plan", lambda line: None)
    terraform.apply(folder / "plan")
    assert not terraform.plan(folder / "plan", lambda line: None)


def test_what_is_wrong_before_terraform_runs(folder: Path, server: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*variables: str, binary: str | None = None) -> str:
        with pytest.raises(UsageError) as error:
            Terraform(folder / "module", variables, binary=binary, say=print)
        return str(error.value)

    assert "no Terraform configuration found" in wrong()
    (folder / "module" / "main.tf").write_text(MODULE)
    assert "--var 'agents' is not NAME=VALUE" in wrong("agents")
    assert "the program tofuu is not installed" in wrong(binary="tofuu")
    (folder / "module" / "terraform.tfstate").write_text("{")
    assert "the state file is not JSON" in wrong()
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(UsageError, match="the program terraform or tofu is not installed"):
        find_binary(None)
    (folder / "tofu").write_text("#!/bin/sh\n")
    (folder / "tofu").chmod(0o755)
    assert find_binary(None) == str(folder / "tofu")
