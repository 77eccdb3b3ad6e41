"""Whether this host reaches what it will install: files by URL, apt repositories with their packages, images."""

import email.utils
import gzip
import hashlib
import json
import os
import re
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .files import read
from .health.answer import UnhealthyError
from .health.docker_engine import engine

PARALLEL = 8
COMMAND_SECONDS = 20.0
#: Where root's Docker client keeps its logins, which `docker pull` uses.
DOCKER_LOGINS = "/root/.docker/config.json"
PRIMARY = re.compile(r'<package type="rpm">\s*<name>([^<]+)</name>.*?<version [^>]*?ver="([^"]*)" rel="([^"]*)"', re.DOTALL)
#: A file is read in full only to prove its checksum; a package index because the packages stand in it.
MAX_BYTES = 1024 * 1024 * 1024
MAX_INDEX = 64 * 1024 * 1024
CHUNK = 1024 * 1024
DEBIAN_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
MANIFESTS = ", ".join((
    "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json",
))


class Way:
    """How this host connects: by which proxies."""

    def __init__(self, proxies: "dict[str, str]") -> None:
        self._proxies = proxies

    def open(self, url: str, timeout: float, method: str = "GET", headers: "dict[str, str] | None" = None,
             context: "ssl.SSLContext | None" = None) -> Any:
        """The server's answer. Raises what urllib does."""
        if not url.startswith(("http://", "https://")):
            raise ValueError("not an http or https address")
        host = urllib.parse.urlsplit(url).netloc.rpartition("@")[2]
        direct = urllib.request.proxy_bypass_environment(host, {"no": self._proxies.get("no", "")})  # type: ignore[attr-defined]
        through = urllib.request.ProxyHandler({} if direct else {k: v for k, v in self._proxies.items() if k != "no"})
        request = urllib.request.Request(url, method=method, headers={"User-Agent": "provision", **(headers or {})})  # noqa: S310
        return urllib.request.build_opener(through, urllib.request.HTTPSHandler(context=context)).open(request, timeout=timeout)


def proxies_of(by: str, told: "dict[str, str]") -> "dict[str, str]":
    """The proxies that a program uses here ({http, https, no}): of its own settings, else `told`, else of root's environment.

    Docker's engine uses those that role docker writes for it, where there are any.
    """
    rest = told or urllib.request.getproxies()
    if by == "apt":
        return apt_proxies(_printed("apt-config", "dump")) or rest
    if by == "yum":
        found = re.search(r"^proxy\s*=\s*(\S+)", read("/etc/dnf/dnf.conf"), re.MULTILINE)
        return {"http": found.group(1), "https": found.group(1)} if found else rest
    if by == "image":
        return told or engine_proxies(read("/etc/docker/daemon.json"), _printed("systemctl", "show", "docker", "--property=Environment"))
    return rest


def apt_proxies(settings: str) -> "dict[str, str]":
    """Those in what `apt-config dump` prints; hosts that are asked directly are in `no`."""
    found = dict(re.findall(r'^Acquire::(https?)::Proxy "([^"]+)";', settings, re.MULTILINE | re.IGNORECASE))
    direct = re.findall(r'^Acquire::https?::Proxy::(\S+) "DIRECT";', settings, re.MULTILINE | re.IGNORECASE)
    return {**{scheme.lower(): url for scheme, url in found.items() if url != "DIRECT"}, **({"no": ",".join(direct)} if direct else {})}


def engine_proxies(settings: str, environment: str) -> "dict[str, str]":
    """Those of daemon.json, else of the unit."""
    try:
        written = json.loads(settings or "{}").get("proxies", {})
    except ValueError:
        written = {}
    found = {name.replace("-proxy", ""): url for name, url in written.items()}
    unit = re.findall(r'"?\b(https?|no)_proxy=([^\s"]+)', environment, re.IGNORECASE)
    return found or {name.lower(): url for name, url in unit}


def sources(asked: "list[dict[str, Any]]", system: "dict[str, str]", timeout: float, proxies: "dict[str, str]") -> "list[dict[str, Any]]":
    """Try every source that is for this system; `kind` is file, apt, yum, own or image.

    file   {url, others: [url], hash: bool}: `bytes`, and with `hash` the `sha256` of the whole content; `others` where `url` fails
    apt    {url, suite, components, packages: [name]}: `packages` {name: [versions]}, `expired`
    yum    {url, packages: [name]}: `packages`, and `known`: whether the list could be read
    own    {manager, packages: [name]}: what the host's own sources have, or it has installed: `packages`, and `known` as above; of apt's
           the newest version first, and `installed` {name: version}
    image  {url: registry, image, name, tag, ca: PEM or ''}: `digest`; `login`: '', root's, or helper
    `system` has manager (apt, dnf, yum), distribution, codename, release and machine; URLs may name them as
    {distribution}, {codename}, $releasever, $basearch. `proxies` are those that the cluster's roles are told, {http, https, no}.
    Each answer repeats the number of its `question` and has the `url` that was tried, `status` (0 without any HTTP answer) and
    `error` ('' when all is well).
    """
    manager = "apt" if system["manager"] == "apt" else "yum"
    mine = [q for q in asked if q.get("manager", q["kind"]) in (manager, "file", "image")]
    words = {"{distribution}": system["distribution"], "{codename}": system["codename"],
             "$releasever": system["release"], "$basearch": system["machine"],
             "{arch}": DEBIAN_ARCHITECTURES.get(system["machine"], system["machine"])}
    kinds = {"file": _file, "apt": _apt, "yum": _yum, "image": _image, "own": own}
    ways = {by: Way(proxies_of(by, proxies)) for by in {q.get("by", q["kind"]) for q in mine}}
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        return list(pool.map(lambda q: _try(kinds[q["kind"]], _filled({"arch": "{arch}", **q}, words), ways[q.get("by", q["kind"])],
                                            timeout), mine))


def _filled(question: "dict[str, Any]", words: "dict[str, str]") -> "dict[str, Any]":
    filled = {}
    for key, value in question.items():
        for word, text in words.items():
            if isinstance(value, list):
                value = [each.replace(word, text) for each in value]
            value = value.replace(word, text) if isinstance(value, str) else value
        filled[key] = value
    return filled


def _try(kind: Any, question: "dict[str, Any]", way: "Way", timeout: float) -> "dict[str, Any]":
    started = time.monotonic()
    answer = {"question": question["question"], "url": question["url"], "status": 0, "error": ""}
    try:
        answer.update(kind(question, way, timeout))
    except urllib.error.HTTPError as error:
        said = str(error.reason).partition("\n")[0]  # of redirects that lead nowhere urllib tells in several lines
        answer.update(url=error.url or question["url"], status=error.code, error=f"HTTP {error.code} {said}")
    except (OSError, zlib.error, EOFError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        answer["error"] = str(reason) or type(error).__name__
    answer["seconds"] = round(time.monotonic() - started, 3)
    return answer


def _file(question: "dict[str, Any]", way: Way, timeout: float) -> "dict[str, Any]":
    urls = [question["url"], *question.get("others", [])]
    for url in urls[:-1]:
        try:
            return {"url": url, **_one_file({**question, "url": url}, way, timeout)}
        except OSError:
            continue
    return {"url": urls[-1], **_one_file({**question, "url": urls[-1]}, way, timeout)}


def _one_file(question: "dict[str, Any]", way: Way, timeout: float) -> "dict[str, Any]":
    if not question.get("hash"):
        with way.open(question["url"], timeout, method="HEAD") as response:
            return {"status": response.status, "bytes": int(response.headers.get("Content-Length") or 0)}
    digest, size = hashlib.sha256(), 0
    with way.open(question["url"], timeout) as response:
        for block in iter(lambda: response.read(CHUNK), b""):
            digest.update(block)
            size += len(block)
            if size > MAX_BYTES:
                raise ValueError(f"larger than {MAX_BYTES} bytes")
    return {"status": response.status, "bytes": size, "sha256": digest.hexdigest()}


def _apt(question: "dict[str, Any]", way: Way, timeout: float) -> "dict[str, Any]":
    base = "{}/dists/{}".format(question["url"].rstrip("/"), question["suite"])
    with way.open(base + "/InRelease", timeout) as response:
        status, release = response.status, response.read(MAX_INDEX).decode("utf-8", "replace")
    found: dict[str, list[str]] = {name: [] for name in question.get("packages", [])}
    if found:
        for component in question["components"]:
            index = _index(way, "{}/{}/binary-{}/Packages".format(base, component, question["arch"]), timeout)
            for name, version in versions(index):
                if name in found:
                    found[name].append(version)
    return {"url": base + "/InRelease", "status": status, "expired": expired(release, time.time()), "packages": found}


def _yum(question: "dict[str, Any]", way: Way, timeout: float) -> "dict[str, Any]":
    base = question["url"].rstrip("/")
    with way.open(base + "/repodata/repomd.xml", timeout) as response:
        status, listed = response.status, response.read(MAX_INDEX).decode("utf-8", "replace")
    answer = {"url": base + "/repodata/repomd.xml", "status": status, "known": False, "packages": {}}
    place = re.search(r'href="([^"]*primary\.xml\.gz)"', listed)
    if place:  # other compressions are not in every Python
        with way.open(base + "/" + place.group(1), timeout) as response:
            index = gzip.decompress(response.read(MAX_INDEX)).decode("utf-8", "replace")
        found = PRIMARY.findall(index)
        answer.update(known=True, packages={name: [f"{v}-{r}" for n, v, r in found if n == name] for name in question["packages"]})
    return answer


def _index(way: Way, url: str, timeout: float) -> str:
    """The list of packages; the compressed form is the one that every repository has."""
    try:
        with way.open(url + ".gz", timeout) as response:
            return gzip.decompress(response.read(MAX_INDEX)).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
    with way.open(url, timeout) as response:
        text: bytes = response.read(MAX_INDEX)
    return text.decode("utf-8", "replace")


def versions(index: str) -> "list[tuple[str, str]]":
    """Name and version of every paragraph of a Packages file."""
    found, name = [], ""
    for line in index.splitlines():
        if line.startswith("Package: "):
            name = line[9:].strip()
        elif line.startswith("Version: "):
            found.append((name, line[9:].strip()))
    return found


def expired(release: str, now: float) -> bool:
    """Whether a Release file says that it is no longer valid at `now` (seconds since the epoch)."""
    for line in release.splitlines():
        if line.startswith("Valid-Until: "):
            return email.utils.parsedate_to_datetime(line[13:].strip()).timestamp() < now
    return False


def _image(question: "dict[str, Any]", way: Way, timeout: float) -> "dict[str, Any]":
    url = "{}/v2/{}/manifests/{}".format(question["url"].rstrip("/"), question["name"], question["tag"])
    if _has(question["image"]):
        return {"url": url, "status": 200}
    context = ssl.create_default_context(cadata=question["ca"]) if question.get("ca") else None
    kind, secret = login(question["url"])
    headers = {"Accept": MANIFESTS}
    try:
        response = way.open(url, timeout, "HEAD", headers, context)
    except urllib.error.HTTPError as error:
        if error.code != 401:
            raise
        headers["Authorization"] = _authorization(error.headers.get("WWW-Authenticate", ""), secret, way, timeout, context)
        try:
            response = way.open(url, timeout, "HEAD", headers, context)
        except urllib.error.HTTPError as error:
            return {"url": url, "status": error.code, "error": f"HTTP {error.code} {error.reason}", "login": kind}
    with response:
        return {"url": url, "status": response.status, "digest": response.headers.get("Docker-Content-Digest", "")}


def _has(image: str) -> bool:
    """Roles pull what the engine lacks."""
    try:
        return bool(engine(f"/images/{image}/json").status == 200)
    except UnhealthyError:
        return False


def _authorization(challenge: str, secret: str, way: Way, timeout: float,
                   context: "ssl.SSLContext | None") -> str:
    """What a registry wants to be told: a token for whoever asks, or for root's login (distribution's token specification)."""
    basic = f"Basic {secret}" if secret else ""
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    if not challenge.lower().startswith("bearer") or "realm" not in asked:
        return basic
    query = urllib.parse.urlencode({name: value for name, value in asked.items() if name in ("service", "scope")})
    with way.open(f"{asked['realm']}?{query}", timeout, headers={"Authorization": basic} if basic else {}, context=context) as response:
        said = json.loads(response.read(MAX_INDEX).decode())
    return "Bearer {}".format(said.get("token") or said.get("access_token"))


def login(registry: str) -> "tuple[str, str]":
    """How root's client logs in there ('', root, helper), and name and password in base64, as it keeps them."""
    try:
        kept = json.loads(read(DOCKER_LOGINS) or "{}")
    except ValueError:
        return "", ""
    host = registry.partition("//")[2]
    name = "https://index.docker.io/v1/" if "registry-1.docker.io" in host else host
    secret = (kept.get("auths", {}).get(name) or {}).get("auth", "")
    return ("root", secret) if secret else ("helper" if kept.get("credsStore") or name in kept.get("credHelpers", {}) else "", "")


def own(question: "dict[str, Any]", way: Way, timeout: float) -> "dict[str, Any]":
    """What the package lists that the host has already, or nothing where it has none."""
    names = question["packages"]
    if question["manager"] == "apt":
        known = any(Path("/var/lib/apt/lists").glob("*Packages*")) or not _configured()
        policy = _printed("apt-cache", "policy", *names)
        return {"known": known, "packages": candidates(policy), "installed": installed(policy)}
    listed = _printed("dnf", "-q", "-C", "repoquery", "--qf", "%{name} %{version}-%{release}\n", *names)
    listed += _printed("rpm", "-q", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\n", *names)
    pairs = [line.split() for line in listed.splitlines() if len(line.split()) == 2]
    return {"known": bool(_printed("dnf", "-q", "-C", "repolist").strip()), "packages": {n: [v for m, v in pairs if m == n] for n in names}}


def _configured() -> bool:
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    return any(re.search(r"^\s*(deb |URIs:)", read(str(file)), re.MULTILINE) for file in files)


def candidates(policy: str) -> "dict[str, list[str]]":
    """The versions in what `apt-cache policy` prints, by package, the newest first."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in policy.splitlines():
        version = re.match(r"(?: \*\*\*|    ) (\S+) -?\d+$", line)
        if line and line[0] != " ":
            name = line.rstrip(":")
        elif version and name:
            found.setdefault(name, []).append(version.group(1))
    return found


def installed(policy: str) -> "dict[str, str]":
    """The version of each package that is installed, in what `apt-cache policy` prints."""
    return dict(re.findall(r"^(\S+):\n  Installed: (?!\(none\))(\S+)$", policy, re.MULTILINE))


def _printed(*command: str) -> str:
    """Standard output; '' without the program."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=COMMAND_SECONDS,
                              env={**os.environ, "LC_ALL": "C"})
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")
