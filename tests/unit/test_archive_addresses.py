"""Where roles fetch archives from: the first address that has the file, or none and then the reason of the last."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.paths import roles_dir
from tests.unit.ansible_playbook import ansible_playbook
from tests.unit.mirror.served import Served, serving

ARCHIVES = pytest.mark.parametrize(("role", "tasks"), [("zookeeper", "archive.yml"), ("consul", "install.yml")])


def fetch(folder: Path, role: str, tasks: str, addresses: list[str]) -> str:
    """What Ansible says of the role's own task, which writes to a file named `got` and need not find the user root here."""
    (task,) = (each for each in yaml.safe_load((roles_dir() / role / "tasks" / tasks).read_text()) if "ansible.builtin.get_url" in each)
    for name in ("owner", "group"):
        del task["ansible.builtin.get_url"][name]
    digest = hashlib.sha256(b"archive").hexdigest()
    told: dict[str, Any] = {f"__{role}_addresses": addresses, f"__{role}_archive": str(folder / "got"), "__consul_installed": False,
                            "__zookeeper_checksum": f"sha256:{digest}", "consul_archive_sha256": digest}
    kept = {"ansible.builtin.copy": {"content": f"{{{{ __{role}_fetched is failed }}}}", "dest": str(folder / "failed"), "mode": "0644"}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": told,
            "tasks": [{**task, "ignore_errors": True}, kept]}
    (folder / "play.yml").write_text(json.dumps([play]))
    return ansible_playbook(folder / "play.yml", log=folder / "log")


@pytest.fixture
def served(tmp_path: Path) -> Any:
    with serving(tmp_path / "served") as made:
        yield made


@ARCHIVES
def test_the_next_address_is_tried_where_one_does_not_have_it(tmp_path: Path, served: Served, role: str, tasks: str) -> None:
    wrong, right = served.file("wrong", b"another"), served.file("right", b"archive")
    fetch(tmp_path, role, tasks, [f"{served.address}/gone", wrong, right, f"{served.address}/never"])
    assert (tmp_path / "got").read_bytes() == b"archive"
    assert (tmp_path / "failed").read_text() == "False"
    fetch(tmp_path, role, tasks, [right, wrong])
    assert (tmp_path / "failed").read_text() == "False", "what is there stays"


@ARCHIVES
def test_where_none_has_it_the_task_fails(tmp_path: Path, served: Served, role: str, tasks: str) -> None:
    said = fetch(tmp_path, role, tasks, [served.file("wrong", b"another"), f"{served.address}/gone"])
    assert (tmp_path / "failed").read_text() == "True"
    assert "404" in said
    assert not (tmp_path / "got").exists()


@ARCHIVES
def test_what_lies_there_is_not_taken_for_what_could_not_be_fetched(tmp_path: Path, served: Served, role: str, tasks: str) -> None:
    (tmp_path / "got").write_bytes(b"of another day")
    fetch(tmp_path, role, tasks, [served.file("wrong", b"another"), f"{served.address}/gone"])
    assert (tmp_path / "failed").read_text() == "True"
    fetch(tmp_path, role, tasks, [f"{served.address}/gone", served.file("right", b"archive")])
    assert (tmp_path / "failed").read_text() == "False"
    assert (tmp_path / "got").read_bytes() == b"archive"
