"""The pytest plugin without a lab: who gets skipped, what is refused, and that a failing test leaves nothing broken."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import provisioner_lab
from provisioner.paths import project_dir
from provisioner_lab import provisioned, under_test

pytest_plugins = ("pytester",)

USES_IT = "def test_it(cluster): pass"
#: A Docker client whose engine has one lab, `probe`, with m1, m2 and a1; it notes what it is told to do.
DOCKER = """#!/bin/sh
case "$1 $2" in
  "info "*) echo 28 ;;
  "network ls") echo "provisioner-lab-probe|probe|$PWD|debian12|docker|" ;;
  "network inspect") echo '[{"IPAM": {"Config": [{"Subnet": "198.18.7.0/24"}]}}]' ;;
  "ps "*) printf '%s\\n' 'm1 exited' 'm2 running' 'a1 paused' ;;
  "exec "*) echo running; case "$*" in *provision-cut*) echo "$2 iptables" >>did ;; esac ;;
  *) echo "$1 $2" >>did ;;
esac
"""
BREAKS_THINGS = """
import pathlib, pytest
from provisioner_lab.under_test import ClusterUnderTest

DID = pathlib.Path("did")

class Cluster(ClusterUnderTest):
    def status(self):
        DID.write_text(DID.read_text() + "status\\n")
        return {"healthy": True}

@pytest.fixture(scope="module")
def cluster(request):
    return Cluster("probe", pathlib.Path.cwd())

@pytest.fixture
def app(cluster):
    yield
    DID.write_text(DID.read_text() + "app goes\\n")

def test_fails(cluster, app):
    cluster.kill("m1")
    with cluster.pause("a1"):
        pass
    cluster.partition("m2")
    assert False

def test_does_nothing(cluster):
    DID.write_text(DID.read_text() + "next test\\n")
"""


def test_without_the_option_a_test_is_skipped_and_told_the_option(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(USES_IT)
    result = pytester.runpytest("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*run pytest with --provision-lab*"])


@pytest.mark.parametrize(("arguments", "ini", "said"), [
    (("--provision-lab=No_Name",), "", "can't be the name of a lab"),
    (("--provision-lab", "folder"), "", "that is a path"),
    (("--provision-lab", "--provision-snapshot", "folder"), "", "--provision-snapshot folder: that is a path"),
    (("--provision-lab", "--provision-snapshot=No_Name"), "", "can't be the name of a snapshot"),
    (("--provision-lab", "--provision-masters=0"), "", "can't have 0 masters"),
    (("--provision-lab",), "provision_agents = two", "are numbers"),
    (("--provision-lab", "-n2"), "", "leave -n out"),
    ((), "provision_scope = test", "session or module"),
])
def test_what_is_wrong_with_the_options_is_said_before_any_test(pytester: pytest.Pytester, arguments: tuple[str, ...], ini: str,
                                                                said: str) -> None:
    pytester.makepyfile(USES_IT)
    pytester.mkdir("folder")
    pytester.makeini(f"[pytest]\n{ini}")
    result = pytester.runpytest(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in str(result.stderr)
    assert "Traceback" not in str(result.stderr)


def test_a_lab_that_does_not_come_up_ends_with_the_drivers_own_words(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here because the machine has neither Docker nor apt-get."""
    pytester.makepyfile(USES_IT)
    monkeypatch.setenv("PATH", str(pytester.path))
    result = pytester.runpytest_subprocess("--provision-lab")
    result.assert_outcomes(errors=1)
    said = str(result.stdout)
    assert "error: the lab builds Debian hosts and needs" in said
    assert "→ run the lab on Debian or Ubuntu" in said
    assert "Traceback" not in said
    assert "pytest_plugin.py" not in said


def test_what_a_failing_test_broke_is_mended_last_first_before_its_fixtures_go(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = pytester.mkdir("bin") / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(docker.parent), prepend=":")
    pytester.makepyfile(BREAKS_THINGS)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1, passed=1)
    did = (pytester.path / "did").read_text().splitlines()
    cut = sorted(f"probe-{host} iptables" for host in ("m1", "m2", "a1"))
    assert did[:3] == ["kill probe-m1", "pause probe-a1", "unpause probe-a1"]
    assert (sorted(did[3:6]), sorted(did[6:9])) == (cut, cut)
    assert did[9:] == ["start probe-m1", "status", "app goes", "next test"]


def test_loading_it_loads_nothing_heavy() -> None:
    script = ("import sys, provisioner_lab.pytest_plugin; heavy = ('yaml', 'ansible', 'rich', 'ruamel');"
              "print([m for m in sys.modules if m.partition('.')[0] in heavy or m.startswith(('provisioner.', 'provisioner_lab.'))])")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['provisioner_lab.pytest_plugin']"


def test_only_the_plugin_needs_pytest() -> None:
    found = []
    for path in Path(provisioner_lab.__file__).parent.rglob("*.py"):
        imports = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom))
        for node in imports:
            names = [str(node.module)] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            found += [path.name for name in names if name.partition(".")[0] == "pytest"]
    assert found == ["pytest_plugin.py"]


def test_the_example_is_a_project_of_its_own() -> None:
    folder = Path(project_dir() / "examples/app-survives")
    done = subprocess.run([sys.executable, "-m", "pytest", "-rs"], cwd=folder, capture_output=True, text=True, check=False)
    assert "1 skipped" in done.stdout, done.stdout


@pytest.mark.parametrize(("kept", "answers", "said"), [
    (False, "", ["lab up", "up", "verify", "lab snapshot", "lab down"]),
    (True, "", ["lab restore", "lab up", "plan", "status", "lab down"]),
    (True, "plan) exit 2 ;;", ["lab restore", "lab up", "plan", "up", "verify", "lab snapshot", "lab down"]),
    (True, "'lab restore') exit 5 ;;", ["lab restore", "lab down", "lab up", "up", "verify", "lab snapshot", "lab down"]),
])
def test_a_snapshot_is_started_from_and_made_where_it_is_not_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool, answers: str, said: list[str]
) -> None:
    did, inventory = tmp_path / "did", tmp_path / ".provision/labs/probe/inventory.yml"
    program = tmp_path / "provision"
    program.write_text(f"""#!/bin/sh
[ "$1" != lab ] || {{ mkdir -p {inventory.parent} && touch {inventory}; what="lab $2"; }}
echo "${{what:=$1}}" >>{did}
case "$what" in status) echo '{{"healthy": true}}' ;; {answers} esac
""")
    program.chmod(0o755)
    for module in (provisioned, under_test):
        monkeypatch.setattr(module, "PROVISION", str(program))
    monkeypatch.setattr(provisioned, "exists", lambda name: kept)
    monkeypatch.setattr("provisioner_lab.hosts.engine.answers", lambda: False)
    with provisioned.provisioned("probe", tmp_path, (), keep=False, snapshot="mine", say=print):
        pass
    assert did.read_text().splitlines() == said
