"""HTTP questions to the programs of a host, over TCP or a unix socket."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from .answer import UnhealthyError

TIMEOUT = 2.0
MAX_BODY = 16 * 1024 * 1024
CREDENTIALS = Path("/etc/provisioner/credentials")
#: Who signs the certificates of the cluster's services.
AUTHORITY = Path("/etc/provisioner/tls/ca.pem")


class Reply:
    """An HTTP answer, whatever its status."""

    def __init__(self, where: str, status: int, headers: "dict[str, str]", body: bytes) -> None:
        self.where = where
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self) -> str:
        """The body as one short line for people."""
        return " ".join(self.body.decode("utf-8", "replace").split())[:200]

    def json(self) -> Any:
        """The body of a 200 as data. Raises UnhealthyError for any other status and for what is not JSON."""
        if self.status != 200:
            raise UnhealthyError(f"{self.where} answers {self.status} {self.text}".rstrip())
        try:
            return json.loads(self.body.decode("utf-8"))
        except ValueError:
            raise UnhealthyError(f"{self.where} answers something that is not JSON: {self.text}") from None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def get(server: str, path: str, headers: "dict[str, str] | None" = None, timeout: float = TIMEOUT,
        authority: "Path | None" = None) -> Reply:
    """GET `path` of `host:port`, `https://host:port` or of the unix socket `/…`. Raises UnhealthyError without any HTTP answer.

    `authority` signs the server's certificate, where that is not the cluster's as this host knows it.
    """
    return call("GET", server, path, None, headers, timeout, authority)


def post(server: str, path: str, body: object, headers: "dict[str, str] | None" = None,
         timeout: float = TIMEOUT) -> Reply:
    """POST `body` as JSON. Redirects are not followed: who answers matters here."""
    return call("POST", server, path, body, headers, timeout)


def call(method: str, server: str, path: str, body: object, headers: "dict[str, str] | None",
         timeout: float, authority: "Path | None" = None) -> Reply:
    """One request on its own connection. Raises UnhealthyError when there is no HTTP answer at all."""
    sent = {"Accept": "application/json"}
    sent.update(headers or {})
    data = None
    if body is not None:
        data, sent["Content-Type"] = json.dumps(body).encode("utf-8"), "application/json"
    where = "{}{}".format(server, path.split("?")[0])
    try:
        connection = _connection(server, timeout, authority)
    except OSError as error:
        raise UnhealthyError(f"{where} can't be asked, as nobody says whom to trust: {error}") from error
    try:
        connection.request(method, path, data, sent)
        response = connection.getresponse()
        content = response.read(MAX_BODY)
    except (OSError, http.client.HTTPException) as error:
        raise UnhealthyError(f"{where} does not answer: {error or type(error).__name__}") from error
    finally:
        connection.close()
    return Reply(where, response.status, {k.lower(): v for k, v in response.getheaders()}, content)


def credentials(name: str) -> "dict[str, str]":
    """The headers with which a component is asked on this host, as its role left them for root; none where it wants none."""
    try:
        headers: dict[str, str] = json.loads((CREDENTIALS / (name + ".json")).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return headers


def _trusting(authority: "Path | None" = None) -> Any:
    import ssl

    return ssl.create_default_context(cafile=authority or AUTHORITY)


def _connection(server: str, timeout: float, authority: "Path | None" = None) -> http.client.HTTPConnection:
    if server.startswith("/"):
        return _UnixConnection(server, timeout)
    if server.startswith("https://"):
        host, _, port = server[8:].rpartition(":")
        return http.client.HTTPSConnection(host, int(port), timeout=timeout, context=_trusting(authority))
    host, _, port = server.rpartition(":")
    return http.client.HTTPConnection(host, int(port), timeout=timeout)


def reachable(server: str, name: str = "") -> str:
    """'' when a TCP connection to `host:port` opens, and TLS with this host's certificate to one of that name; else why it does not."""
    host, _, port = server.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), TIMEOUT) as connection:
            if name:
                context, own = _trusting(), AUTHORITY.with_name
                context.load_cert_chain(own("certificate.pem"), own("key.pem"))
                context.wrap_socket(connection, server_hostname=name).close()
    except OSError as error:
        return str(error)
    return ""
