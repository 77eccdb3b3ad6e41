"""The unit of a Consul client: it leaves the cluster when its host goes down, and not when it is restarted."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from provisioner.paths import roles_dir


@pytest.mark.parametrize(("state", "left"), [("running", ""), ("degraded", ""), ("stopping", "left\n")])
def test_a_client_leaves_only_when_its_host_goes_down(tmp_path: Path, state: str, left: str) -> None:
    unit = (roles_dir() / "consul/templates/consul.service.j2").read_text()
    values = yaml.safe_load((roles_dir() / "consul/vars/main.yml").read_text())
    found = re.search(r"^ExecStop=\+/bin/sh -c '(.*)'$", unit, re.MULTILINE)
    assert found
    script = found[1].replace("{{ __consul_with_token }}", values["__consul_with_token"])
    script = script.replace("/usr/local/bin/consul leave", "echo left")
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\necho {state}\n")
    (tmp_path / "systemctl").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(["/bin/sh", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (left, "")
