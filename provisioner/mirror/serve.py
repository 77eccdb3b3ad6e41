"""Serves a site's mirror: its files by HTTP, and its images as a read-only registry (the API of distribution 2.x)."""

from __future__ import annotations

import json
import re
import signal
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from provisioner.errors import UsageError
from provisioner.mirror import lock as locks
from provisioner.mirror.folder import Folder
from provisioner.mirror.http_files import Files, Found, Server
from provisioner.mirror.storage import Storage, media_type

_API = {"Docker-Distribution-Api-Version": "registry/2.0"}
_NAME = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
_PATH = re.compile(rf"/v2/({_NAME})/(manifests|blobs|tags)/([\w][\w.:-]{{0,127}})")


@dataclass(frozen=True)
class Listening:
    """Where a mirror listens. `certificate` and `key` are files (PEM) that make it HTTPS."""

    address: str
    port: int
    registry_port: int
    certificate: Path | None = None
    key: Path | None = None


class Images:
    """A registry's answers, out of its storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def find(self, path: str) -> Found:
        """What is at a path of the API; an error as registries write it where there is nothing."""
        if path in ("/v2", "/v2/"):
            return Found(b"{}", "application/json", _API)
        if path == "/v2/_catalog":
            return _json({"repositories": sorted(str(found.parent.relative_to(self._storage.repositories))
                                                 for found in self._storage.repositories.rglob("_manifests"))})
        if not (asked := _PATH.fullmatch(path)):
            return _error("UNSUPPORTED", "no such path in a registry that is read-only")
        name, kind, reference = asked.groups()
        if not (self._storage.repositories / name / "_manifests").is_dir():
            return _error("NAME_UNKNOWN", f"no image {name}")
        if kind == "tags":
            return self._tags(name) if reference == "list" else _error("UNSUPPORTED", "no such path")
        return self._manifest(name, reference) if kind == "manifests" else self._blob(name, reference)

    def _tags(self, name: str) -> Found:
        tags = self._storage.repositories / name / "_manifests" / "tags"
        return _json({"name": name, "tags": sorted(each.parent.parent.name for each in tags.glob("*/current/link"))})

    def _manifest(self, name: str, reference: str) -> Found:
        digest = self._storage.revision_of(name, reference)
        if not digest or not (blob := self._storage.blob(digest)).is_file():
            return _error("MANIFEST_UNKNOWN", f"no {reference} of {name}")
        kind = media_type(self._storage.manifest(digest))
        return Found(blob, kind, {**_API, "Docker-Content-Digest": f"sha256:{digest}", "ETag": f'"sha256:{digest}"'})

    def _blob(self, name: str, reference: str) -> Found:
        digest = reference.removeprefix("sha256:")
        if not self._storage.gives(name, digest) or not (blob := self._storage.blob(digest)).is_file():
            return _error("BLOB_UNKNOWN", f"no {reference} in {name}")
        return Found(blob, headers={**_API, "Docker-Content-Digest": f"sha256:{digest}"})


def serve(folder: Folder, where: Listening, ready: Callable[[], None], say: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM. `ready` is called when both answer; `say` gets a line for each request.

    Raises UsageError for a folder that is no mirror, or where nothing can listen.
    """
    if not (folder.www / locks.NAME).is_file():
        raise UsageError("this is no mirror, or one that was never pulled as a whole", where=str(folder.root),
                         hint="fill it: provision mirror pull DIR, or provision bundle load FILE DIR")
    tls = _tls(where)
    finders = {where.port: Files(folder.www), where.registry_port: Images(Storage(folder.registry))}
    servers = [_listening(where.address, port, finder, tls, say) for port, finder in finders.items()]
    ended = threading.Event()
    before = {each: signal.signal(each, lambda *_: ended.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    threads = [threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}) for server in servers]
    try:
        for thread in threads:
            thread.start()
        ready()
        ended.wait()
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        for each, handler in before.items():
            signal.signal(each, handler)


def _listening(address: str, port: int, finder: object, tls: ssl.SSLContext | None, say: Callable[[str], None]) -> Server:
    try:
        return Server((address, port), finder, tls, say)
    except OSError as error:
        raise UsageError(f"nothing can listen at {address or 'all addresses'}, port {port}: {error.strerror}",
                         hint="choose others: --listen ADDRESS:PORT, --registry-port PORT") from error


def _tls(where: Listening) -> ssl.SSLContext | None:
    if where.certificate is None or where.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(where.certificate, where.key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"the certificate and its key can't be used: {error}", where=str(where.certificate),
                         hint="name a certificate and its key in PEM: --certificate FILE --key FILE") from error
    return context


def address(text: str, default_port: int) -> tuple[str, int]:
    """`ADDRESS:PORT`, `ADDRESS`, `:PORT` or `[IPv6]:PORT` in its two parts; '' means all addresses. Raises UsageError."""
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]*)(?::(\d{1,5}))?", text.strip())
    port = int(found[2] or default_port) if found else 0
    if not found or not 0 < port < 65536:
        raise UsageError(f"--listen {text!r}: not an address and a port", hint="such as 10.0.0.5:8080, :8080 or [fd00::5]:8080")
    return found[1].strip("[]"), port


def _json(content: Mapping[str, object]) -> Found:
    return Found(json.dumps(content).encode(), "application/json", _API)


def _error(code: str, message: str) -> Found:
    said = {"errors": [{"code": code, "message": message}]}
    return Found(json.dumps(said).encode(), "application/json", _API, HTTPStatus.NOT_FOUND)
