"""What `provision verify` does on a host: small calls, one per run. Sent as text and run by the host's own Python.

Standard library and the syntax of Python 3.6 only, because hosts may have nothing else (no curl, no jq).
"""

import http.client
import json
import socket
import ssl
import subprocess
import syslog
from pathlib import Path
from typing import Any

MAX_LINES = 1000
MAX_TEXT = 20000
#: What the roles leave on a host for root: how its components are asked, and who signs their certificates.
CREDENTIALS = Path("/etc/provisioner/credentials")
AUTHORITY = Path("/etc/provisioner/tls/ca.pem")


def ask_http(request: "dict[str, Any]") -> "dict[str, Any]":
    """One HTTP request to `host:port` or `https://host:port`.

    `name` is what the server is called by, where that differs from its address; `credentials` names the component whose credentials
    on this host go with it. Who has them in another way brings them as `headers`, and whom to trust as `authority` (PEM).
    """
    scheme, _, server = request["server"].rpartition("://")
    host, _, port = server.rpartition(":")
    headers = {"Accept": "application/json", "Host": request.get("name") or server, **request.get("headers", {})}
    secret = CREDENTIALS / (str(request.get("credentials") or "") + ".json")
    if secret.exists():
        headers.update(json.loads(secret.read_text(encoding="utf-8")))
    headers.update(request.get("headers") or {})
    body = None
    if request.get("body") is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(request["body"]).encode()
    if scheme == "https":
        own = request.get("authority")
        trusted = ssl.create_default_context(cadata=own) if own else ssl.create_default_context(cafile=str(AUTHORITY))
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, int(port), timeout=request["timeout"], context=trusted)
    else:
        connection = http.client.HTTPConnection(host, int(port), timeout=request["timeout"])
    try:
        connection.request(request["method"], request["path"], body, headers)
        reply = connection.getresponse()
        return {"status": reply.status, "body": reply.read().decode("utf-8", "replace")}
    finally:
        connection.close()


def resolve(request: "dict[str, Any]") -> "dict[str, Any]":
    """The addresses of a name, asked for the way every program on this host asks."""
    rows = socket.getaddrinfo(request["name"], None, socket.AF_INET, socket.SOCK_STREAM)
    return {"addresses": sorted({str(row[4][0]) for row in rows})}


def log(request: "dict[str, Any]") -> "dict[str, Any]":
    """Write one line to the host's log."""
    syslog.openlog(request["tag"])
    syslog.syslog(syslog.LOG_NOTICE, request["text"])
    return {}


def sizes(request: "dict[str, Any]") -> "dict[str, Any]":
    """How long the files that match a pattern are now."""
    return {"sizes": {str(path): path.stat().st_size for path in _matching(request["pattern"])}}


def lines(request: "dict[str, Any]") -> "dict[str, Any]":
    """Lines with `needle` in files that match a pattern, from where each file ended before."""
    found = []
    for path in _matching(request["pattern"]):
        with path.open("rb") as file:
            file.seek(request["sizes"].get(str(path), 0))
            found += [line.decode("utf-8", "replace")[:MAX_TEXT] for line in file if request["needle"].encode() in line]
    return {"lines": found[:MAX_LINES]}


def _matching(pattern: str) -> "list[Path]":
    return sorted(Path("/").glob(pattern.lstrip("/")))


def read(request: "dict[str, Any]") -> "dict[str, Any]":
    """What a file holds; null when there is none."""
    path = Path(request["path"])
    return {"text": path.read_text(encoding="utf-8", errors="replace")[:MAX_TEXT] if path.exists() else None}


def remove(request: "dict[str, Any]") -> "dict[str, Any]":
    """Remove a file that a call left."""
    path = Path(request["path"])
    if path.exists():
        path.unlink()
    return {}


def run(request: "dict[str, Any]") -> "dict[str, Any]":
    """Run a program to its end."""
    done = subprocess.run(request["command"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=request["timeout"], check=False)
    return {"code": done.returncode, "output": done.stdout.decode("utf-8", "replace")[-MAX_TEXT:].strip()}


CALLS = {"http": ask_http, "resolve": resolve, "log": log, "sizes": sizes, "lines": lines, "read": read,
           "remove": remove, "run": run}


def main(request: "dict[str, Any]") -> None:
    """Do the call and print what came of it; `error` says in one sentence why nothing did."""
    try:
        answer = CALLS[request["call"]](request)
    except (OSError, ValueError, http.client.HTTPException, subprocess.SubprocessError) as error:
        answer = {"error": str(error) or type(error).__name__}
    print(json.dumps(answer))
