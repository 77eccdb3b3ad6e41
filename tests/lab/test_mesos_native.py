"""What is ours around the official code of Mesos: flags that this build refuses, a master without ZooKeeper, an endpoint that is closed."""

from __future__ import annotations

import json

import pytest

from provisioner_lab.mirror import mesos
from tests.lab.support.checkout import eventually
from tests.lab.support.mesos_container import MesosContainer, lab_system

pytestmark = [pytest.mark.own_lab, pytest.mark.skipif(lab_system().red_hat, reason="the programs in the packages are debian12's")]
WAIT_SECONDS = 60
VERSION = mesos.current().version
MASTER = ("mesos-master", "--ip=127.0.0.1", "--port=5050", "--hostname=127.0.0.1", "--cluster=native", "--work_dir=/run/master.work")
AGENT = ("mesos-agent", "--ip=127.0.0.1", "--hostname=127.0.0.1", "--master=127.0.0.1:5050", "--launcher=posix",
         "--isolation=posix/cpu,posix/mem", "--no-systemd_enable_support", "--resources=cpus:1;mem:512;disk:1024;ports:[31000-31100]")
#: Anybody may read anything.
OPEN = {"get_endpoints": [{"principals": {"type": "ANY"}, "paths": {"type": "ANY"}}], "permissive": True}
ACLS = {5051: None, 5052: json.dumps(OPEN), 5053: json.dumps({"get_endpoints": [], "permissive": True}, indent=2), 5054: "{}"}
CLOSED = ("/containerizer/debug", "/slave(1)/containerizer/debug")
REFUSED = {
    "mesos-master": ("--modules={}", "--modules_dir=/run", "--hooks=a", "--firewall_rules={}", "--master_contender=a",
                     "--master_detector=a", "--ip_discovery_command=true", "--allocator=other", "--role_sorter=random",
                     "--framework_sorter=random", "--authorizers=other"),
    "mesos-agent": ("--modules={}", "--modules_dir=/run", "--hooks=a", "--firewall_rules={}", "--master_detector=a",
                    "--ip_discovery_command=true", "--ip6_discovery_command=true", "--agent_subsystems=cpu", "--csi_plugin_config_dir=/run",
                    "--authorizer=other", "--http_executor_domain_sockets"),
}


def test_it_says_which_release_it_is_and_which_flags_it_has(box: MesosContainer) -> None:
    commands = [(program, option) for program in REFUSED for option in ("--version", "--help")]
    for (program, option), (code, out, _) in zip(commands, box.run_all(commands), strict=True):
        expected = f"mesos {VERSION}" if option == "--version" else f"Usage: {program} [options]"
        assert (code, out.splitlines()[0]) == (0, expected)


def test_what_this_build_lacks_is_refused_by_name(box: MesosContainer) -> None:
    commands = [(program, "--ip=127.0.0.1", "--work_dir=/run/x", *(["--master=a:1"] if program == "mesos-agent" else []), option)
                for program, options in REFUSED.items() for option in options]
    for command, (code, _, err) in zip(commands, box.run_all(commands), strict=True):
        assert code == 1, command
        assert err.startswith(f"EXIT with status 1: {command[-1].partition('=')[0]}"), err
        assert "is not supported by this build of Mesos" in err


def test_tls_is_refused_before_anything_is_done(box: MesosContainer) -> None:
    variables = ("LIBPROCESS_SSL_ENABLED", "SSL_ENABLED")
    commands = [("env", f"{variable}=1", "mesos-master", "--ip=127.0.0.1", "--work_dir=/run/tls") for variable in variables]
    for variable, (code, _, err) in zip(variables, box.run_all(commands), strict=True):
        assert (code, err.partition(":")[2].strip()[: len(variable)]) == (1, variable), err
    assert box.shell("ls /run/tls 2>&1 || true").endswith("No such file or directory\n")


def test_the_environment_sets_flags_and_the_command_line_wins(box: MesosContainer) -> None:
    start = ("env", "MESOS_NO_SUCH_FLAG=1", "MESOS_REGISTRY=etcd", "mesos-master", "--ip=127.0.0.1", "--work_dir=/run/x")
    (first, second) = box.run_all([(*start, "--port=5001"), (*start, "--port=5002", "--registry=tape")])
    assert (first[0], "'etcd' is not a supported option for registry persistence" in first[2]) == (1, True), first
    assert (second[0], "'tape' is not a supported option for registry persistence" in second[2]) == (1, True), second


def test_under_another_name_it_says_which_names_it_has(box: MesosContainer) -> None:
    (native, nothing, other) = box.run_all([("/usr/libexec/mesos/mesos-native",), ("/usr/libexec/mesos/mesos-containerizer",),
                                            ("/usr/libexec/mesos/mesos-containerizer", "launch", "--no_such_flag")])
    assert (native[0], "call this program mesos-master, mesos-agent or mesos-containerizer" in native[2]) == (1, True)
    assert (nothing[0], "usage: mesos-containerizer launch|mount|network-cni-setup" in nothing[2]) == (1, True)
    assert (other[0], "Failed to load unknown flag 'no_such_flag'" in other[2]) == (1, True)


def test_a_master_elects_itself_and_agents_outlive_the_request_that_they_cant_answer(box: MesosContainer) -> None:
    box.start("m5050", *MASTER)
    for port, acls in ACLS.items():
        places = (f"--port={port}", f"--work_dir=/run/native{port}.work", f"--runtime_dir=/run/native{port}.run")
        box.start(f"a{port}", *AGENT, *places, *([f"--acls={acls}"] if acls else []))

    def registered() -> list[str]:
        status, text = box.get(5050, "/slaves")
        return sorted(row["id"] for row in json.loads(text)["slaves"] if row["active"]) if status == 200 else []

    eventually("the agents are registered", WAIT_SECONDS, lambda: len(registered()) == len(ACLS))
    before = registered()
    status, text = box.get(5050, "/state")
    state = json.loads(text)
    assert (state["version"], state["cluster"], state["leader"]) == (VERSION, "native", "master@127.0.0.1:5050")
    assert json.loads(box.get(5050, "/version")[1])["version"] == VERSION
    for port in ACLS:
        assert [box.get(port, path)[0] for path in CLOSED] == [403, 403], f"{port}: {ACLS[port]}"
        assert box.get(port, "/health") == (200, "")
        status, flags = box.get(port, "/flags")
        assert (status, json.loads(flags)["flags"]["launcher_dir"]) == (200, "/usr/libexec/mesos")
    assert registered() == before
    for name in ("m5050", *(f"a{port}" for port in ACLS)):
        box.signal(name, "KILL")
