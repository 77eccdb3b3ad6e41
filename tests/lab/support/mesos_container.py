"""The lab's Mesos package and ZooKeeper in a container without a network: programs started by hand, asked over its loopback."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from provisioner.mirror.brought import Artifacts
from provisioner_lab.cache import exclusively
from provisioner_lab.hosts import engine
from provisioner_lab.images.bootstrap import node_image, python_image
from provisioner_lab.mirror import content
from provisioner_lab.systems import System, system
from tests.lab.support.checkout import SYSTEM

Json = dict[str, Any]
#: Runs inside: every row of stdin is one HTTP request; prints [status, headers, text] for each, [0, {}, why] without an answer.
EXCHANGE = """
import http.client, json, sys
answers = []
for row in json.load(sys.stdin):
    connection = http.client.HTTPConnection("127.0.0.1", row["port"], timeout=30)
    try:
        body = row.get("body")
        connection.request(row.get("method", "GET"), row["path"], body.encode() if body is not None else None, row.get("headers") or {})
        answer = connection.getresponse()
        answers.append([answer.status, dict(answer.getheaders()), answer.read().decode(errors="replace")])
    except OSError as error:
        answers.append([0, {}, str(error)])
    connection.close()
print(json.dumps(answers))
"""
#: Runs inside: every row of stdin is a command line that ends by itself; prints [exit status, stdout, stderr], negative for a signal.
RUN = """
import concurrent.futures, json, subprocess, sys
def one(argv):
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        return [done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")]
    except subprocess.TimeoutExpired as error:
        return [None, "", (error.stderr or b"").decode(errors="replace")]
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(json.dumps(list(pool.map(one, json.load(sys.stdin)))))
"""
#: A process that notes its id, with its output in a file.
SPAWN = 'echo $$ >"/run/$0.pid"; exec "$@" >>"/run/$0.log" 2>&1'
ZOOKEEPER = "tickTime=500\ndataDir=/run/zookeeper\nclientPort=2181\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
CLASS_PATH = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"


def lab_system() -> System:
    """The operating system that LAB_OS names, else the lab's default."""
    return system(SYSTEM)


@contextmanager
def building() -> Iterator[None]:
    """For what is built before any lab is there: the engine runs (installed if need be), and no lab is built meanwhile."""
    engine.ensure(print)
    with exclusively(print):
        yield


class MesosContainer:
    """A container in which the packages are installed out of the repository that a lab's mirror would serve."""

    def __init__(self, name: str, which: System) -> None:
        self.name = name
        with building():  # till the end: another lab's content takes the place of this one's
            self.remove()
            image, (_, base) = node_image(which, print), python_image(print)
            repository = content.build(content.ingredients(which, image, base, Artifacts()), print) / "www" / "apt"
            subprocess.run(["docker", "run", "--detach", "--name", name, "--network", "none", "--tmpfs", "/run",
                            "--volume", f"{repository}:/mirror:ro", image, "sleep", "infinity"], check=True, capture_output=True)
            # Without a network the engine gives no address for the container's own name, which a Mesos without --ip looks up.
            self.shell(f"""set -e
                echo "127.0.0.1 $(hostname)" >>/etc/hosts
                echo 'deb [trusted=yes] file:/mirror {which.codename} main' >/etc/apt/sources.list
                apt-get -qq update
                DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends mesos libzookeeper-java {which.java}""")

    def remove(self) -> None:
        """The container with everything in it."""
        subprocess.run(["docker", "rm", "--force", self.name], check=False, capture_output=True)

    def shell(self, script: str, stdin: str = "") -> str:
        """What a script prints; its failure shows everything it said."""
        return self._exec(["sh", "-c", script], stdin)

    def write(self, path: str, text: str) -> None:
        """A file inside."""
        self.shell(f'cat >"{path}"', text)

    def run_all(self, commands: Sequence[Sequence[str]]) -> list[tuple[int | None, str, str]]:
        """Exit status (negative: the signal; None: it did not end within a minute), stdout and stderr of each command."""
        return [(code, out, err) for code, out, err in json.loads(self._exec(["python3", "-c", RUN], json.dumps(list(commands))))]

    def start(self, name: str, *argv: str) -> None:
        """Start a program in the background; its output is kept under `name`."""
        self._exec(["sh", "-c", f"rm -f /run/{name}.pid"])
        subprocess.run(["docker", "exec", "--detach", self.name, "sh", "-c", SPAWN, name, *argv], check=True, capture_output=True)

    def start_zookeeper(self) -> None:
        """One server on 127.0.0.1:2181."""
        self.write("/run/zoo.cfg", ZOOKEEPER)
        self.start("zookeeper", "java", "-Xmx128m", "-cp", CLASS_PATH, "org.apache.zookeeper.server.quorum.QuorumPeerMain", "/run/zoo.cfg")

    def signal(self, name: str, signal: str) -> None:
        """Send a signal to a program started under this name."""
        self.shell(f"kill -{signal} $(cat /run/{name}.pid)")

    def runs(self, name: str) -> bool:
        """Does the program started under this name still run?"""
        return self.shell(f"kill -0 $(cat /run/{name}.pid) 2>/dev/null && echo yes || true").strip() == "yes"

    def log(self, name: str) -> str:
        """Everything a program said."""
        return self.shell(f"cat /run/{name}.log")

    def exchange(self, rows: Sequence[Json]) -> list[tuple[int, dict[str, str], str]]:
        """The answers to requests (port, method, path, headers, body), in this order; status 0 where there was none."""
        said = json.loads(self._exec(["python3", "-c", EXCHANGE], json.dumps(list(rows))))
        return [(status, headers, text) for status, headers, text in said]

    def get(self, port: int, path: str) -> tuple[int, str]:
        """Status and text of one GET."""
        ((status, _, text),) = self.exchange([{"port": port, "path": path}])
        return status, text

    def call(self, port: int, kind: str, **content: Any) -> tuple[int, Any]:
        """Status and data (text where it is not JSON) of one call of the v1 operator API."""
        body = json.dumps({"type": kind, **content})
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        ((status, _, text),) = self.exchange([{"port": port, "method": "POST", "path": "/api/v1", "headers": headers, "body": body}])
        return status, json.loads(text) if text.startswith("{") else text

    def _exec(self, argv: Sequence[str], stdin: str = "") -> str:
        command = ["docker", "exec", "--interactive", self.name, *argv]
        done = subprocess.run(command, input=stdin, text=True, capture_output=True, check=False, timeout=600)
        assert done.returncode == 0, f"{argv[0]} in {self.name}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout
