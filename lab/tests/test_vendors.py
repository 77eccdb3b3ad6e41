"""The played vendors: what they serve is where the built-in catalogue says, real programs take it, and each fault is seen as what it is."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from played import IMAGES, Played, made_of, play, small_mirror
from provisioner.cluster import catalogue as driver
from provisioner_lab.systems import architecture
from provisioner_lab.vendors.catalogue import addresses

pytestmark = pytest.mark.skipif(shutil.which("apt-ftparchive") is None, reason="apt-utils is not installed; `lab up` installs it")
CONSUL = "https://releases.hashicorp.com/consul/1.8.7/consul_1.8.7_linux_amd64.zip"
SOURCE = "download.docker.com/linux/debian"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Content out of a small mirror."""
    with made_of("debian12", tmp_path_factory.mktemp("vendors"), small_mirror) as found:
        yield found


@pytest.fixture(scope="module")
def servers(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    found = play(made, tmp_path_factory.mktemp("faults") / "faults.json")
    yield found
    found.stop()


@pytest.fixture
def played(servers: Played) -> Played:
    """Without a fault at first."""
    servers.faults.unlink(missing_ok=True)
    return servers


def catalogue(made: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((made / "catalogue.json").read_text())
    return found


def ask(played: Played, url: str, **headers: str) -> Any:
    """An answer by the proxy, or what urllib raises."""
    proxy = urllib.request.ProxyHandler(dict.fromkeys(("http", "https"), f"http://127.0.0.1:{played.proxy}"))
    trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(played.ca)))
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - https, or a name that only the proxy knows
    return urllib.request.build_opener(proxy, trusting).open(request, timeout=20)


def apt(played: Played, root: Path, *arguments: str, key: Path) -> subprocess.CompletedProcess[str]:
    """The system's apt with Docker's repository for its only source, and folders of its own."""
    for folder in ("lists/partial", "archives/partial"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "status").touch()
    (root / "sources.list").write_text(f"deb [signed-by={key}] https://{SOURCE} bookworm stable\n")
    proxy = f"http://127.0.0.1:{played.proxy}"
    options = {"Dir::State": root, "Dir::State::lists": root / "lists", "Dir::State::status": root / "status", "Dir::Cache": root,
               "Dir::Cache::archives": root / "archives", "Dir::Etc::sourcelist": root / "sources.list", "Dir::Etc::sourceparts": "-",
               "APT::Sandbox::User": "root", "Acquire::https::CAInfo": played.ca, "Acquire::https::Proxy": proxy,
               "Acquire::Languages": "none", "Acquire::Retries": 0, "Debug::NoLocking": "true",
               # As on any host, whatever this machine was told.
               "Acquire::Check-Date": "true", "Acquire::Check-Valid-Until": "true"}
    flags = [flag for name, value in options.items() for flag in ("--option", f"{name}={value}")]
    return subprocess.run(["apt-get", *flags, *arguments], cwd=root, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True,
                          check=False)


def key_of(played: Played, path: Path) -> Path:
    """Docker's key, as a host takes it over."""
    path.write_bytes(ask(played, f"https://{SOURCE}/gpg").read())
    return path


def test_every_address_of_the_built_in_catalogue_is_there_with_its_version(made: Path) -> None:
    builtin = json.loads((Path(driver.__file__).parent / "builtin.json").read_text())
    wanted = {entry["component"]: entry for entry in builtin if entry.get("default") and entry.get("profile", "current") == "current"}
    ours = {entry["component"]: entry for entry in catalogue(made)}
    assert ours.keys() == wanted.keys()
    for component, entry in wanted.items():
        for theirs, here in zip(addresses(entry), addresses(ours[component]), strict=component != "mesos"):
            assert here == theirs.replace(entry["version"], ours[component]["version"])
        for url in (each.replace("{arch}", architecture()) for each in addresses(ours[component])):
            assert (made / "hosts" / str(urlsplit(url).hostname) / urlsplit(url).path.lstrip("/")).is_file(), url
        assert ours[component].get("apt") == entry.get("apt", ours[component].get("apt"))
        assert ours[component].get("key_fingerprint", "a") != entry.get("key_fingerprint"), "the real vendor's key is not ours"


def test_the_driver_takes_it_without_a_mirror(made: Path) -> None:
    found = driver.load(made / "catalogue.json")
    assert found.repository() is None
    assert {name: found.pick(name).version for name in ("zookeeper", "consul", "docker", "logstash", "mesos", "busybox")} == {
        "zookeeper": "3.8.0", "consul": "1.8.7", "docker": "20", "logstash": "9.5.6", "mesos": "1.11.0-lab1", "busybox": "1.35"}
    assert [found.pick(name).get("image") for name in ("marathon", "registrator")] == [
        "mesosphere/marathon:v1.11.24-standin", "psyhomb/registrator:v7.4.0-standin"]
    assert found.pick("marathon").stand_in
    assert found.pick("mesos").get("package") == "aventer-mesos"
    assert found.pick("mesos").get("note") == "executors are ours"
    assert not any(entry.get("mirror_required") for entry in catalogue(made))


def test_archives_are_what_their_vendors_checksums_say(played: Played, made: Path) -> None:
    for entry in catalogue(made):
        if entry["kind"] == "archive":
            data = [ask(played, url.replace("{arch}", architecture())).read() for url in entry["urls"]]
            assert len(set(data)) == 1
            *_, listed = addresses(entry)
            kind = "sha512" if listed.endswith(".sha512") else "sha256"
            assert ask(played, listed).read().decode().split()[0] == hashlib.new(kind, data[0]).hexdigest()


def test_apt_installs_dockers_packages_over_https_and_a_proxy(played: Played, tmp_path: Path) -> None:
    key = key_of(played, tmp_path / "docker.asc")
    assert apt(played, tmp_path, "update", key=key).returncode == 0
    done = apt(played, tmp_path, "download", "docker-ce=5:20.*", "docker-ce-cli=5:20.*", "containerd.io", key=key)
    assert done.returncode == 0, done.stderr
    held = {path.name.partition("_")[0]: subprocess.run(["dpkg-deb", "--contents", path], capture_output=True, text=True, check=True).stdout
            for path in tmp_path.glob("*.deb")}
    assert held.keys() == {"docker-ce", "docker-ce-cli", "containerd.io"}
    program = {"docker-ce": "./usr/bin/docker-init", "docker-ce-cli": "./usr/bin/docker\n", "containerd.io": "./usr/sbin/runc"}
    assert all(path in held[package] for package, path in program.items())
    assert "tini-static" not in held["docker-ce"]


@pytest.mark.parametrize(("where", "what", "said"), [
    (f"{SOURCE}/dists/*", "expired", "is not valid anymore|is expired"),
    (f"{SOURCE}/*Packages.gz", "damaged", "Hash Sum mismatch|unexpected size"),
    (f"{SOURCE}/*", "loop", "does not have a Release file"),
    (f"{SOURCE}/*", "status", " 404 | 500 "),
])
def test_apt_refuses_what_is_wrong_and_goes_on_when_it_is_right_again(played: Played, tmp_path: Path, where: str, what: str,
                                                                      said: str) -> None:
    key = key_of(played, tmp_path / "docker.asc")
    played.ask_for(where, what, 500)
    failed = apt(played, tmp_path, "update", "-o", "APT::Update::Error-Mode=any", key=key)
    assert failed.returncode
    assert any(part in failed.stderr for part in said.split("|")), failed.stderr
    played.faults.unlink()
    assert apt(played, tmp_path, "update", "-o", "APT::Update::Error-Mode=any", key=key).returncode == 0


def test_a_key_that_expired_has_the_fingerprint_that_it_had_and_apt_refuses_it(played: Played, tmp_path: Path) -> None:
    good = key_of(played, tmp_path / "good.asc")
    played.ask_for(f"{SOURCE}/gpg", "expired")
    key = key_of(played, tmp_path / "docker.asc")
    (tmp_path / "gnupg").mkdir(mode=0o700)

    def shown(path: Path) -> list[list[str]]:
        listing = subprocess.run(["gpg", "--homedir", tmp_path / "gnupg", "--with-colons", "--show-keys", path], capture_output=True,
                                 text=True, check=True)
        return [line.split(":") for line in listing.stdout.splitlines()]

    assert [row[9] for row in shown(key) if row[0] == "fpr"] == [row[9] for row in shown(good) if row[0] == "fpr"]
    assert [row[1] for row in shown(key) if row[0] == "pub"] == ["e"]
    failed = apt(played, tmp_path, "update", "-o", "APT::Update::Error-Mode=any", key=key)
    assert failed.returncode
    assert "EXPKEYSIG" in failed.stderr


def test_a_status_a_loop_and_damage(played: Played) -> None:
    data = ask(played, CONSUL).read()
    for status in (404, 500):
        played.ask_for("releases.hashicorp.com/consul/*.zip", "status", status)
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(played, CONSUL)
        assert refused.value.code == status
        refused.value.close()
    assert ask(played, CONSUL.replace("linux_amd64.zip", "SHA256SUMS")).read(), "only what the pattern names"
    played.ask_for("releases.hashicorp.com/*", "loop")
    with pytest.raises(urllib.error.HTTPError, match="infinite loop"):
        ask(played, CONSUL)
    played.ask_for("releases.hashicorp.com/*", "damaged")
    wrong = ask(played, CONSUL).read()
    assert sum(a != b for a, b in zip(data, wrong, strict=True)) == 1


def test_a_file_that_was_cut_goes_on_where_it_ended(played: Played, tmp_path: Path) -> None:
    whole = ask(played, CONSUL).read()
    command = ["curl", "--silent", "--fail", "--cacert", str(played.ca), "--output", str(tmp_path / "found"), "--continue-at", "-", CONSUL]
    played.ask_for("releases.hashicorp.com/*", "cut", 1000)
    environment = {**os.environ, **played.environment}
    for _ in range(2):
        assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 18
    assert (tmp_path / "found").read_bytes() == whole[:2000]
    played.ask_for("releases.hashicorp.com/*", "slow", 10_000_000)
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    assert (tmp_path / "found").read_bytes() == whole
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode in (0, 22), "nothing is left to fetch"


def test_the_proxy_knows_the_vendors_and_nobody_else(played: Played) -> None:
    assert b"Codename: bookworm" in ask(played, "http://rpm.aventer.biz/Debian/dists/bookworm/Release").read()
    with pytest.raises(urllib.error.URLError, match="403"):
        ask(played, "https://elsewhere.invalid/")
    with pytest.raises(urllib.error.HTTPError, match="421"):
        ask(played, "http://elsewhere.invalid/")
    played.ask_for("proxy/*", "status", 407)
    with pytest.raises(urllib.error.URLError, match="407"):
        ask(played, CONSUL)


@pytest.mark.parametrize("path", ["/../../ca.pem", "/%2e%2e/%2e%2e/tls/key.pem", "/consul/../../../catalogue.json", "/consul", "/"])
def test_nothing_beside_the_hosts_is_served(played: Played, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        ask(played, f"https://releases.hashicorp.com{path}")


def test_docker_hub_wants_a_token_and_gives_it_to_everybody(played: Played) -> None:
    place = "https://registry-1.docker.io/v2/mesosphere/marathon/manifests/v1.11.24-standin"
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        ask(played, place)
    challenge = refused.value.headers["WWW-Authenticate"]
    refused.value.close()
    assert challenge == ('Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
                         'scope="repository:mesosphere/marathon:pull"')
    token = json.loads(ask(played, "https://auth.docker.io/token?service=registry.docker.io").read())["token"]
    with ask(played, place, Authorization=f"Bearer {token}") as answer:
        body = answer.read()
        assert answer.headers["Docker-Content-Digest"] == f"sha256:{hashlib.sha256(body).hexdigest()}"
        assert answer.headers["Content-Type"] == json.loads(body)["mediaType"]


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
@pytest.mark.parametrize("image", ["mesosphere/marathon:v1.11.24-standin", "busybox:1.35"])
def test_skopeo_copies_images_from_docker_hub(played: Played, tmp_path: Path, image: str) -> None:
    done = subprocess.run(["skopeo", "--insecure-policy", "copy", f"docker://docker.io/{image}", f"dir:{tmp_path}/image"],
                          env={**os.environ, **played.environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    digest = hashlib.sha256((tmp_path / "image" / "manifest.json").read_bytes()).hexdigest()
    done = subprocess.run(["skopeo", "inspect", "--format", "{{.Digest}} {{.RepoTags}}", f"docker://docker.io/{image}"],
                          env={**os.environ, **played.environment}, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"sha256:{digest} [{image.partition(':')[2]}]", done.stderr


def test_all_images_have_their_places(made: Path) -> None:
    root = made / "hosts" / "registry-1.docker.io" / "v2"
    assert {path.name for path in root.glob("*/*")} == set(IMAGES)
    assert (root / "library" / "busybox" / "manifests" / "1.35").is_symlink()
