"""Strange requests, and what is answered to them. A test imports it, and runs it on hosts: `python3 - ARGUMENTS < strange.py`."""

import json
import random
import socket
import ssl
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

#: Three of ten wait for an answer in vain, as they have announced more than they send.
ASKERS = 48
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "get", "X" * 40]
LOGINS = ["", "Basic", "Basic ====", "Basic b3BlcmF0b3I6", "Basic b3BlcmF0b3I6cGFzc3dvcmQ=", "Basic Og==",
          "Bearer x.y.z", "Digest username=x", "Basic " + "QUFB" * 2000, "Basic b3BlcmF0b3I6AAA="]
BODIES = [b"", b"{}", b"[]", b'{"type":"GET_STATE"}', b'{"type":"TEARDOWN"}', b'{"id":"/x","cmd":"true"}', b"\x00" * 100, b"{" * 5000]


def request(chance: random.Random, paths: "list[str]") -> bytes:
    """One request: mostly HTTP that a server may understand, sometimes none; without paths never."""
    if not paths or chance.random() < 0.1:
        return bytes(chance.randrange(256) for _ in range(chance.randrange(1, 400)))
    path = chance.choice(paths)
    if chance.random() < 0.5:
        path = chance.choice([
            f"//{path[1:]}", f"{path}/..{path}", f"/x/..{path}", f"{path}?{'a' * chance.randrange(3000)}", f"{path}%00", f"{path};x",
            f"/%2e%2e{path}", path.upper(), f"{path}/", f"http://127.0.0.1{path}", f"/{chance.randrange(1 << 72):x}"])
    body = chance.choice(BODIES)
    lines = [f"{chance.choice(METHODS)} {path} HTTP/1.{chance.choice('019')}", f"Host: {chance.choice(['x', '', 'localhost', 'a' * 300])}",
             f"Content-Type: {chance.choice(['application/json', 'application/x-protobuf', 'text/plain', ''])}",
             f"Content-Length: {chance.choice([len(body), len(body), len(body), -1, 10**9])}", "Connection: close"]
    login = chance.choice(LOGINS)
    if login:
        lines.append(f"Authorization: {login}")
    if chance.random() < 0.1:
        lines.append("Libprocess-From: master@192.0.2.7:5050")
    if chance.random() < 0.1:
        lines.append("X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-User: operator")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer(address: str, port: int, tls: bool, sent: bytes, seconds: float) -> str:
    """The first line of what is answered; '' for nothing, 'no connection' where there is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without the authorities of this machine, which take longest to read
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        plain = socket.create_connection((address, port), seconds)
    except OSError:
        return "no connection"
    try:
        with plain, (context.wrap_socket(plain) if tls else plain) as stream:
            stream.settimeout(seconds)
            stream.sendall(sent)
            return stream.recv(200).split(b"\r\n")[0].decode("utf-8", "replace")
    except OSError:
        return ""


def ask(doors: "list[dict[str, Any]]", count: int, seed: int, seconds: float) -> "dict[str, list[list[str]]]":
    """`doors`: name, address, port, tls, paths. So many requests in all; by name what was sent and what was answered."""
    chance = random.Random(seed)  # noqa: S311 - the same requests each time
    asked = [(doors[number % len(doors)], request(chance, doors[number % len(doors)]["paths"])) for number in range(count)]
    with ThreadPoolExecutor(ASKERS) as pool:
        said = list(pool.map(lambda one: answer(one[0]["address"], one[0]["port"], one[0]["tls"], one[1], seconds), asked))
    found: dict[str, list[list[str]]] = {}
    for (door, sent), words in zip(asked, said):  # noqa: B905 - strict= is newer than the hosts' Python
        found.setdefault(door["name"], []).append([sent[:200].decode("latin-1"), words])
    return found


def counts(found: "dict[str, list[list[str]]]") -> "dict[str, dict[str, int]]":
    """By name of a door how often each status was answered; what is no HTTP counts as `bytes`."""
    def kind(words: str) -> str:
        return words[9:12] if words.startswith("HTTP/") else words if words in ("", "no connection") else "bytes"

    return {name: dict(Counter(kind(words) or "nothing" for _, words in each).most_common()) for name, each in found.items()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(ask(**json.loads(sys.argv[1]))))
