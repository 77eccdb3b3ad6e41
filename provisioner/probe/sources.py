"""Whether this host reaches what it will install: files by URL, apt repositories with their packages, images."""

import email.utils
import gzip
import hashlib
import ssl
import time
import urllib.error
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PARALLEL = 8
#: A file is read in full only to prove its checksum; a package index because the packages stand in it.
MAX_BYTES = 1024 * 1024 * 1024
MAX_INDEX = 64 * 1024 * 1024
CHUNK = 1024 * 1024
DEBIAN_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
MANIFESTS = ", ".join((
    "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json",
))


def sources(asked: "list[dict[str, Any]]", system: "dict[str, str]", timeout: float) -> "list[dict[str, Any]]":
    """Try every source that is for this system; `kind` is file, apt, yum or image.

    file   {url, hash: bool}: `bytes`, and with `hash` the `sha256` of the whole content
    apt    {url, suite, components, packages: [name]}: `packages` {name: [versions]}, `expired`
    yum    {url}
    image  {url: registry, name, tag, ca: PEM or ''}: `digest`
    `system` has manager (apt, dnf, yum), distribution, codename, release and machine; URLs may name them as
    {distribution}, {codename}, $releasever, $basearch. Each answer repeats the number of its `question` and has the
    `url` that was tried, `status` (0 without any HTTP answer) and `error` ('' when all is well).
    """
    mine = [q for q in asked if q["kind"] not in ("apt", "yum") or (q["kind"] == "apt") == (system["manager"] == "apt")]
    words = {"{distribution}": system["distribution"], "{codename}": system["codename"],
             "$releasever": system["release"], "$basearch": system["machine"],
             "{arch}": DEBIAN_ARCHITECTURES.get(system["machine"], system["machine"])}
    kinds = {"file": _file, "apt": _apt, "yum": _yum, "image": _image}
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        return list(pool.map(lambda q: _try(kinds[q["kind"]], _filled({"arch": "{arch}", **q}, words), timeout), mine))


def _filled(question: "dict[str, Any]", words: "dict[str, str]") -> "dict[str, Any]":
    filled = {}
    for key, value in question.items():
        for word, text in words.items():
            value = value.replace(word, text) if isinstance(value, str) else value
        filled[key] = value
    return filled


def _try(kind: Any, question: "dict[str, Any]", timeout: float) -> "dict[str, Any]":
    started = time.monotonic()
    answer = {"question": question["question"], "url": question["url"], "status": 0, "error": ""}
    try:
        answer.update(kind(question, timeout))
    except urllib.error.HTTPError as error:
        answer.update(url=error.url or question["url"], status=error.code, error=f"HTTP {error.code} {error.reason}")
    except (OSError, zlib.error, EOFError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        answer["error"] = str(reason) or type(error).__name__
    answer["seconds"] = round(time.monotonic() - started, 3)
    return answer


def _file(question: "dict[str, Any]", timeout: float) -> "dict[str, Any]":
    if not question.get("hash"):
        with _open(question["url"], timeout, method="HEAD") as response:
            return {"status": response.status, "bytes": int(response.headers.get("Content-Length") or 0)}
    digest, size = hashlib.sha256(), 0
    with _open(question["url"], timeout) as response:
        for block in iter(lambda: response.read(CHUNK), b""):
            digest.update(block)
            size += len(block)
            if size > MAX_BYTES:
                raise ValueError(f"larger than {MAX_BYTES} bytes")
    return {"status": response.status, "bytes": size, "sha256": digest.hexdigest()}


def _apt(question: "dict[str, Any]", timeout: float) -> "dict[str, Any]":
    base = "{}/dists/{}".format(question["url"].rstrip("/"), question["suite"])
    with _open(base + "/InRelease", timeout) as response:
        status, release = response.status, response.read(MAX_INDEX).decode("utf-8", "replace")
    found: dict[str, list[str]] = {name: [] for name in question.get("packages", [])}
    if found:
        for component in question["components"]:
            index = _index("{}/{}/binary-{}/Packages".format(base, component, question["arch"]), timeout)
            for name, version in versions(index):
                if name in found:
                    found[name].append(version)
    return {"url": base + "/InRelease", "status": status, "expired": expired(release, time.time()), "packages": found}


def _yum(question: "dict[str, Any]", timeout: float) -> "dict[str, Any]":
    url = question["url"].rstrip("/") + "/repodata/repomd.xml"
    with _open(url, timeout, method="HEAD") as response:
        return {"url": url, "status": response.status}


def _index(url: str, timeout: float) -> str:
    """The list of packages; the compressed form is the one that every repository has."""
    try:
        with _open(url + ".gz", timeout) as response:
            return gzip.decompress(response.read(MAX_INDEX)).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
    with _open(url, timeout) as response:
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


def _image(question: "dict[str, Any]", timeout: float) -> "dict[str, Any]":
    url = "{}/v2/{}/manifests/{}".format(question["url"].rstrip("/"), question["name"], question["tag"])
    context = ssl.create_default_context(cadata=question["ca"]) if question.get("ca") else None
    with _open(url, timeout, method="HEAD", context=context, headers={"Accept": MANIFESTS}) as response:
        return {"url": url, "status": response.status, "digest": response.headers.get("Docker-Content-Digest", "")}


def _open(url: str, timeout: float, method: str = "GET", context: "ssl.SSLContext | None" = None,
          headers: "dict[str, str] | None" = None) -> Any:
    if not url.startswith(("http://", "https://")):
        raise ValueError("not an http or https address")
    request = urllib.request.Request(url, method=method, headers={"User-Agent": "provision", **(headers or {})})  # noqa: S310
    return urllib.request.urlopen(request, timeout=timeout, context=context)  # noqa: S310 - the scheme is checked above
