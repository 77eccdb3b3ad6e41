"""The host's half of the look: what it reads from the kernel, from package managers and from servers."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from provisioner.probe import capabilities, facts, links, network, packages, preflight, sources

DEBIAN = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
"""
ROCKY = """NAME="Rocky Linux"
VERSION="9.4 (Blue Onyx)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.4"
PRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"
"""


def test_os_release() -> None:
    assert facts.os_release(DEBIAN) == {"id": "debian", "version": "12", "codename": "bookworm", "like": [], "name": "Debian GNU/Linux",
                                        "pretty": "Debian GNU/Linux 12 (bookworm)"}
    rocky = facts.os_release(ROCKY)
    assert (rocky["id"], rocky["version"], rocky["codename"], rocky["like"]) == ("rocky", "9.4", "Blue Onyx", ["rhel", "centos", "fedora"])
    assert facts.os_release("")["id"] == ""


V1 = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:1 - cgroup cgroup rw,cpu\n"
V2_BESIDE = "40 31 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.mark.parametrize(("mounts", "layout", "elsewhere"), [
    (V1, "v1", []), (V1 + V2_BESIDE, "hybrid", ["/sys/fs/cgroup/unified"]), (V2, "v2", []), ("", "none", []),
])
def test_cgroup_layouts(mounts: str, layout: str, elsewhere: list[str]) -> None:
    found = facts.cgroup(mounts)
    assert (found["layout"], found["elsewhere"]) == (layout, elsewhere)


def test_a_directory_that_does_not_exist_yet_counts_with_its_parent(tmp_path: Path) -> None:
    found = preflight.disk(str(tmp_path / "not" / "yet"))
    assert {**found, "path": str(tmp_path)} == preflight.disk(str(tmp_path))


TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.0.0/24 2 0 2
        |-- 10.0.0.1
           /32 host LOCAL
        |-- 10.0.0.255
           /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 9.0.0.7
        /32 host LOCAL
Local:
        |-- 10.0.0.1
           /32 host LOCAL
"""


def test_own_addresses() -> None:
    assert network.local_v4(TRIE) == ["9.0.0.7", "10.0.0.1"]
    assert network.local_v4("") == []


@pytest.mark.parametrize(("lines", "owner"), [
    (["12:cpuset:/docker/" + "e" * 64, "1:name=systemd:/docker/" + "e" * 64 + "/system.slice/zookeeper.service"],
     ("zookeeper.service", "")),
    (["0::/system.slice/consul.service"], ("consul.service", "")),
    (["0::/system.slice/docker-" + "a" * 64 + ".scope"], ("", "a" * 12)),
    (["1:name=systemd:/docker/" + "b" * 64], ("", "b" * 12)),
    (["0::/user.slice/user-0.slice/session-1.scope"], ("", "")),
    ([], ("", "")),
])
def test_who_a_process_belongs_to(lines: list[str], owner: tuple[str, str]) -> None:
    assert network.belongs(lines) == {"unit": owner[0], "container": owner[1]}


def test_listeners_are_found_with_their_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        asked = [{"port": tcp.getsockname()[1], "protocol": "tcp"}, {"port": udp.getsockname()[1], "protocol": "udp"}]
        answers = network.listeners(asked)
    assert [(a["protocol"], a["address"], a["port"], a["pid"]) for a in answers] == [
        (item["protocol"], "127.0.0.1", item["port"], os.getpid()) for item in asked]
    assert network.listeners(asked) == []


def test_ipv6_listeners_are_found() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6) as server:
        answers = network.listeners([{"port": server.getsockname()[1], "protocol": "tcp"}])
    assert [a["address"] for a in answers] == ["::"]


HOLD = """
import fcntl, sys, time
stream = open(sys.argv[1], "wb"); fcntl.lockf(stream, fcntl.LOCK_EX); print("held", flush=True); time.sleep(60)
"""


def test_a_package_lock_is_seen_with_its_holder_and_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock"
    monkeypatch.setattr(packages, "LOCKED_FILES", (str(lock),))
    monkeypatch.setattr(packages, "PID_FILES", ())
    assert packages.locks() == []
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        found = packages.locks()
        holder.kill()
    assert [(f["path"], f["pid"]) for f in found] == [(str(lock), holder.pid)]
    assert found[0]["command"].startswith(f"{sys.executable} -c import fcntl, sys, time stream =")
    with lock.open("wb") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_pid_file_counts_only_while_its_process_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "yum.pid"
    monkeypatch.setattr(packages, "LOCKED_FILES", ())
    monkeypatch.setattr(packages, "PID_FILES", (str(file),))
    file.write_text(f"{os.getpid()}\n")
    assert [f["pid"] for f in packages.locks()] == [os.getpid()]
    file.write_text("999999999\n")
    assert packages.locks() == []


def test_an_interrupted_dpkg_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "DPKG_UPDATES", str(tmp_path / "none"))
    assert packages.interrupted() == ""
    monkeypatch.setattr(packages, "DPKG_UPDATES", str(tmp_path))
    (tmp_path / "0001").write_text("Package: x")
    assert "cut off" in packages.interrupted()


PACKAGES = b"""Package: mesos
Architecture: amd64
Version: 1.11.0
Description: x
 Version: 9

Package: mesos
Version: 1.10.0

Package: other
Version: 2
"""
FILES: dict[str, bytes] = {
    "/apt/dists/bookworm/InRelease": b"Origin: site\nValid-Until: Sat, 01 Jan 2000 00:00:00 UTC\n",
    "/apt/dists/bookworm/main/binary-amd64/Packages.gz": gzip.compress(PACKAGES),
    "/plain/dists/stable/InRelease": b"Origin: site\n",
    "/plain/dists/stable/main/binary-amd64/Packages": PACKAGES,
    "/archives/consul.zip": b"consul",
    "/v2/chronos/manifests/3.0.2": b"{}",
    "/yum/repodata/repomd.xml": b'<repomd><data type="primary"><location href="repodata/abc-primary.xml.gz"/></data></repomd>',
    "/yum/repodata/abc-primary.xml.gz": gzip.compress(b"""<metadata><package type="rpm"><name>mesos</name><arch>x86_64</arch>
        <version epoch="0" ver="1.11.0" rel="1.el9"/></package></metadata>"""),
    "/token": b'{"token": "for everybody"}',
    "/v2/private/manifests/1": b"{}",
}


#: What the site was asked, with the headers, and what opens its private image.
ASKED: list[tuple[str, dict[str, str]]] = []
WANTED = "Bearer"


class _Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = FILES.get(self.path.partition("?")[0])
        ASKED.append((self.path, dict(self.headers)))
        if self.path.startswith("/v2/private") and not self.headers.get("Authorization", "").startswith(WANTED):
            host = self.headers["Host"]
            realm = f'Bearer realm="http://{host}/token",service="site",scope="repository:private:pull"'
            self.send_response(401)
            self.send_header("WWW-Authenticate", realm if WANTED == "Bearer" else 'Basic realm="site"')
            self.end_headers()
            return
        self.send_response(302 if self.path == "/loop" else 404 if body is None else 200)
        if self.path == "/loop":
            self.send_header("Location", self.path)
        self.send_header("Content-Length", str(len(body or b"")))
        if self.path.startswith("/v2/"):
            self.send_header("Docker-Content-Digest", "sha256:abc")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body or b"")

    do_HEAD = do_GET  # noqa: N815 - the name is http.server's

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def tried(*questions: dict[str, Any], manager: str = "apt", proxies: dict[str, str] | None = None) -> list[dict[str, Any]]:
    system = {"manager": manager, "distribution": "debian", "codename": "bookworm", "release": "12", "machine": "x86_64"}
    return sources.sources([{**q, "question": number} for number, q in enumerate(questions)], system, 5.0, proxies or {})


def test_a_file_may_be_at_one_of_several_addresses(site: str) -> None:
    other, gone = f"{site}/archives/{{codename}}.zip", f"{site}/gone"
    FILES["/archives/bookworm.zip"] = b"other"
    first, second = tried({"kind": "file", "url": gone, "others": [other]}, {"kind": "file", "url": gone, "others": [f"{site}/too"]})
    assert (first["error"], first["url"], first["bytes"]) == ("", f"{site}/archives/bookworm.zip", 5)
    assert (second["status"], second["error"]) == (404, "HTTP 404 Not Found")


def test_an_apt_repository_is_read(site: str) -> None:
    repository = {"kind": "apt", "url": f"{site}/apt/", "suite": "{codename}", "components": ["main"], "packages": ["mesos", "absent"]}
    plain = {"kind": "apt", "url": f"{site}/plain", "suite": "stable", "components": ["main"], "packages": ["other"]}
    first, second = tried(repository, plain)
    assert first["packages"] == {"mesos": ["1.11.0", "1.10.0"], "absent": []}
    assert (first["error"], first["expired"], first["url"]) == ("", True, f"{site}/apt/dists/bookworm/InRelease")
    assert (second["packages"], second["expired"]) == ({"other": ["2"]}, False)


def test_only_what_is_for_this_system_is_tried(site: str) -> None:
    apt = {"kind": "apt", "url": f"{site}/apt", "suite": "bookworm", "components": [], "packages": []}
    yum = {"kind": "yum", "url": f"{site}/yum", "packages": ["mesos", "absent"]}
    (answer,) = tried(apt, yum, manager="dnf")
    assert (answer["question"], answer["error"], answer["known"]) == (1, "", True)
    assert answer["packages"] == {"mesos": ["1.11.0-1.el9"], "absent": []}
    assert [(a["question"], a["error"]) for a in tried(apt, yum)] == [(0, "")]


def test_files_are_looked_for_and_hashed_when_asked(site: str) -> None:
    looked, hashed, missing, loop = tried({"kind": "file", "url": f"{site}/archives/consul.zip"},
                                          {"kind": "file", "url": f"{site}/archives/consul.zip", "hash": True},
                                          {"kind": "file", "url": f"{site}/archives/none.zip"}, {"kind": "file", "url": f"{site}/loop"})
    assert (looked["bytes"], looked.get("sha256")) == (6, None)
    assert hashed["sha256"] == hashlib.sha256(b"consul").hexdigest()
    assert (missing["status"], missing["error"]) == (404, "HTTP 404 Not Found")
    assert loop["status"] == 302
    assert loop["error"].endswith("infinite loop."), "in one line"


def test_images_are_looked_for(site: str) -> None:
    there, gone, nobody = tried(*({"kind": "image", "url": url, "image": f"chronos:{tag}", "name": "chronos", "tag": tag}
                                  for url, tag in ((site, "3.0.2"), (site, "9"), ("http://127.0.0.1:1", "3.0.2"))))
    assert (there["status"], there["digest"], there["error"]) == (200, "sha256:abc", "")
    assert gone["status"] == 404
    assert (nobody["status"], "refused" in nobody["error"]) == (0, True)


PRIVATE = {"kind": "image", "image": "private:1", "name": "private", "tag": "1"}


def test_a_registry_gives_everybody_a_token(site: str) -> None:
    (answer,) = tried({**PRIVATE, "url": site})
    assert (answer["status"], answer["error"]) == (200, "")
    assert any(path == "/token?service=site&scope=repository%3Aprivate%3Apull" for path, _ in ASKED)
    assert ASKED[-1][1]["Authorization"] == "Bearer for everybody"


def test_a_registry_that_wants_a_login_gets_that_of_root(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "config.json"
    monkeypatch.setattr(sources, "DOCKER_LOGINS", str(kept))
    monkeypatch.setattr(sys.modules[__name__], "WANTED", "Basic cm9vdDpzZWNyZXQ=")
    (answer,) = tried({**PRIVATE, "url": site})
    assert (answer["status"], answer["login"]) == (401, "")
    kept.write_text(json.dumps({"credsStore": "pass"}))
    assert tried({**PRIVATE, "url": site})[0]["login"] == "helper"
    kept.write_text(json.dumps({"auths": {site.partition("//")[2]: {"auth": "cm9vdDpzZWNyZXQ="}}}))
    assert tried({**PRIVATE, "url": site})[0]["status"] == 200


class _Proxy(http.server.BaseHTTPRequestHandler):
    """Passes requests on, and remembers for whom."""

    passed: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.passed.append(self.path)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.path, timeout=5) as answer:
                body, status = answer.read(), answer.status
        except urllib.error.HTTPError as error:
            body, status = b"", error.code
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command == "GET" else b"")

    do_HEAD = do_GET  # noqa: N815 - the name is http.server's

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def proxy() -> Iterator[str]:
    _Proxy.passed.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_is_fetched_goes_by_the_proxy_that_the_roles_are_told(site: str, proxy: str) -> None:
    archive = {"kind": "file", "url": f"{site}/archives/consul.zip", "hash": True}
    apt = {"kind": "apt", "url": f"{site}/apt", "suite": "bookworm", "components": ["main"], "packages": ["mesos"]}
    answers = tried(archive, apt, proxies={"http": proxy, "https": proxy})
    assert [a["error"] for a in answers] == ["", ""]
    assert f"{site}/archives/consul.zip" in _Proxy.passed and f"{site}/apt/dists/bookworm/InRelease" in _Proxy.passed
    _Proxy.passed.clear()
    assert [a["error"] for a in tried(archive, proxies={"http": proxy, "no": "localhost,127.0.0.1"})] == [""]
    assert _Proxy.passed == []


def test_a_proxy_that_is_not_there_is_the_error(site: str) -> None:
    (answer,) = tried({"kind": "file", "url": f"{site}/archives/consul.zip"}, proxies={"http": "http://127.0.0.1:1"})
    assert answer["status"] == 0 and "refused" in answer["error"]


def test_the_proxies_of_apt_and_of_the_engine() -> None:
    dump = 'Acquire::http::Proxy "http://p:3128";\nAcquire::http::Proxy::mirror.lan "DIRECT";\nAcquire::https::Proxy "DIRECT";\n'
    assert sources.apt_proxies(dump) == {"http": "http://p:3128", "no": "mirror.lan"}
    assert sources.apt_proxies('APT "";\n') == {}
    unit = 'Environment=HTTP_PROXY=http://p:3128 "NO_PROXY=localhost,10.0.0.0/8" OTHER=x\n'
    assert sources.engine_proxies("", unit) == {"http": "http://p:3128", "no": "localhost,10.0.0.0/8"}
    written = '{"proxies": {"http-proxy": "http://q:1", "https-proxy": "http://q:2", "no-proxy": "a"}}'
    assert sources.engine_proxies(written, unit) == {"http": "http://q:1", "https": "http://q:2", "no": "a"}


def test_what_the_hosts_own_package_lists_have() -> None:
    policy = """mesos:
  Installed: 1.10.0
  Candidate: 1.11.0-2
  Version table:
     1.11.0-2 500
        500 http://mirror/apt bookworm/main amd64 Packages
 *** 1.10.0 100
        100 /var/lib/dpkg/status
netcat:
  Installed: (none)
  Candidate: (none)
  Version table:
"""
    assert sources.candidates(policy) == {"mesos": ["1.11.0-2", "1.10.0"]}
    assert sources.installed(policy) == {"mesos": "1.10.0"}


def test_other_schemes_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    assert tried({"kind": "file", "url": f"file://{tmp_path}/secret", "hash": True})[0]["error"] == "not an http or https address"


def test_the_kernel_is_tried_and_nothing_stays(tmp_path: Path) -> None:
    answer = capabilities.overlayfs(str(tmp_path / "not" / "yet"))
    assert isinstance(answer, str)
    assert list(tmp_path.iterdir()) == []
    # What the kernel of a machine can do differs; what it says is a sentence.
    encrypts = capabilities.esp()
    assert not encrypts or encrypts.startswith("the kernel can't encrypt between hosts: ")


def test_a_trial_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert capabilities.complaint(["sh", "-c", "echo first; echo the reason >&2; exit 1"]) == "the reason"
    assert capabilities.complaint(["sh", "-c", "exit 3"]) == "sh ended with 3"
    assert capabilities.complaint(["no-such-program"]) == "the program no-such-program is missing"
    monkeypatch.setattr(capabilities, "TIMEOUT", 0.2)
    assert "did not end" in capabilities.complaint(["sleep", "30"])


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "no-such-host.invalid")
    answer = preflight.own_name()
    assert answer["addresses"] == []
    assert answer["error"]


ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0102A8C0	0003	0	0	0	00000000	0	0	0
eth0	0002A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""


def test_routes_are_networks() -> None:
    assert links.routes(ROUTES) == [{"interface": "eth0", "network": "192.168.2.0/24"}]


def test_whom_a_host_talks_to_is_told_for_networks_that_are_to_be_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()[:2]):
        found = links.links(["127.0.0.0/8"])
    assert {"address": "127.0.0.1", "what": "TCP connection"} in found["peers"] or "127.0.0.1" in Path("/etc/resolv.conf").read_text()
    assert {"interface": "lo", "mtu": int(Path("/sys/class/net/lo/mtu").read_text())} in found["mtus"]
    assert links.links([])["peers"] == []
