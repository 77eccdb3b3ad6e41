"""Knocking at doors: requests with nothing, with wrong and with right credentials, and what is answered.

None of them changes anything, also where the door is open. Every answer is of one kind: `shut` (no connection), `refused` (something
answers, and gives nothing), `open`.
"""

import encodings.idna  # noqa: F401 - a program that has become nobody may not be able to read it
import http.client
import os
import socket
import ssl
import struct
import time
from threading import Thread
from typing import Any

SECONDS = 2.0
#: How often, and how long apart, somebody who seems to take strangers is asked.
TRIES, PAUSE = 3, 1.0
MAX_BODY = 4 << 20
PARALLEL = 32
#: What an HTTP server answers that has looked into the request of a stranger, if only to find it wrong.
LOOKED_INTO = (400, 406, 409, 411, 415, 422, 500)
#: As long as what tells TLS from others, and no beginning of TLS: a server that takes nothing else hangs up, one that takes clear text goes
#: on to wait.
CLEAR = b"\0" * 5
#: ZooKeeper: who may not do a thing, and whose session is ended for it.
NO_AUTH, ENDED = (-102, -113, -115), (-112, -124)


class Shut(Exception):
    """There is no connection; the text says why."""

    kind = "shut"


def knock_at(doors: "list[dict[str, Any]]", seconds: float = 60.0) -> "list[list[Any]]":
    """Try doors, many at a time; answers rows of door, number of its knock (-1: there is no connection at all), with what, kind, words.

    Those whose turn does not come within so many seconds have no row; where this program itself fails the kind is `failed`.
    """
    waiting, until = list(reversed(doors)), time.monotonic() + seconds
    rows: list[list[Any]] = []

    def work() -> None:
        while time.monotonic() < until:
            try:
                door = waiting.pop()
            except IndexError:
                return
            try:
                rows.extend(visit(door))
            except Exception as error:
                rows.append([door["id"], -1, "", "failed", f"{type(error).__name__}: {error}"])

    workers = [Thread(target=work) for _ in range(min(PARALLEL, len(doors)))]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    return sorted(rows, key=lambda row: row[:3])


def visit(door: "dict[str, Any]") -> "list[list[Any]]":
    """Every knock of one door with every key that it is to be tried with."""
    try:
        if door["protocol"] == "tcp" and door["knocks"][0]["way"] != "unix":
            connect(door).close()
    except Shut as shut:
        return [[door["id"], -1, "", shut.kind, str(shut)]]
    rows = []
    for number, one in enumerate(door["knocks"]):
        for name in one["keys"]:
            try:
                kind, words = WAYS[one["way"]](door, one, door["keys"].get(name, {}))
            except Shut as shut:
                kind, words = shut.kind, str(shut)
            except (OSError, ValueError, http.client.HTTPException, struct.error) as error:
                kind, words = "refused", f"it hangs up ({type(error).__name__})"
            rows.append([door["id"], number, name, kind, words[:200]])
    return rows


def connect(door: "dict[str, Any]") -> socket.socket:
    """A connection. Raises Shut."""
    try:
        return socket.create_connection((door["address"], door["port"]), SECONDS)
    except TimeoutError:
        raise Shut("no answer") from None
    except OSError as error:
        raise Shut((error.strerror or str(error)).lower()) from None


def ask_http(door: "dict[str, Any]", one: "dict[str, Any]", key: "dict[str, Any]") -> "tuple[str, str]":
    """In clear, or by TLS where the server wants that: then what is right is told only to whom the authority signed for."""
    if not door.get("tls"):
        try:
            return _judged(door, one, key, http.client.HTTPConnection(door["address"], door["port"], timeout=SECONDS))
        except (http.client.BadStatusLine, ConnectionError):
            door["tls"] = True
    context = ssl.create_default_context(cadata=door["ca"]) if key.get("right") and door["ca"] else _trusting()
    try:
        secure = http.client.HTTPSConnection(door["address"], door["port"], timeout=SECONDS, context=context)
        return _judged(door, one, key, secure)
    except ssl.SSLError as error:
        door["tls"] = False
        return "refused", "TLS: {}".format(getattr(error, "verify_message", "") or error.reason or error)


def _judged(door: "dict[str, Any]", one: "dict[str, Any]", key: "dict[str, Any]",
            connection: http.client.HTTPConnection) -> "tuple[str, str]":
    method, _, path = one["ask"].partition(" ")
    try:
        try:
            connection.connect()
            sent = {name: value.replace("{own}", connection.sock.getsockname()[0]) for name, value in one["headers"].items()}
            connection.request(method, path, one["body"].encode() or None, {**sent, **key.get("headers", {})})
            reply = connection.getresponse()
            body = reply.read(MAX_BODY).decode("utf-8", "replace")
        except TimeoutError:
            return "refused", "no answer to the request"
    finally:
        connection.close()
    if "read" in door and key.get("right"):
        door["read"](one["title"], body)
    words = f"{reply.status} {reply.reason}".strip()
    if 200 <= reply.status < 300 and body.strip() in one["empty"] and not key.get("right"):
        return "refused", words + ", empty"
    looked_into = reply.status in (*LOOKED_INTO, *one["admits"]) and reply.status not in one["refusals"]
    is_open = 200 <= reply.status < 300 or looked_into or one["any_answer"]
    return "open" if is_open else "refused", words


def say(door: "dict[str, Any]", one: "dict[str, Any]", key: "dict[str, Any]") -> "tuple[str, str]":
    """Send bytes; whoever answers any has spoken to a stranger."""
    if one["protocol"] == "udp":
        kind, said = _datagram(door, bytes.fromhex(one["ask"]))
        return _heard(one, said) if kind == "open" else (kind, said.decode())
    with connect(door) as stream:
        stream.sendall(bytes.fromhex(one["ask"]))
        try:
            said = stream.recv(1000)
        except TimeoutError:
            return "refused", "no answer"
    return _heard(one, said)


def _heard(one: "dict[str, Any]", said: bytes) -> "tuple[str, str]":
    if not said:
        return "refused", "it hangs up"
    if one["sealed"] and said.startswith(bytes.fromhex(one["sealed"])):
        return "refused", "answers what only a member can read"
    return "open", _words(said)


def _datagram(door: "dict[str, Any]", data: bytes) -> "tuple[str, bytes]":
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.settimeout(SECONDS)
        try:
            stream.connect((door["address"], door["port"]))
            stream.send(data)
            said = stream.recv(1000)
        except OSError as error:
            return "shut", b"no answer" if isinstance(error, socket.timeout) else (error.strerror or str(error)).lower().encode()
    return "open", said


def ask_name(door: "dict[str, Any]", one: "dict[str, Any]", key: "dict[str, Any]") -> "tuple[str, str]":
    """A DNS question: whoever says whether there is such a name serves strangers."""
    question = struct.pack("!6H", 4711, 0x100, 1, 0, 0, 0) + b"\x09localhost\x00" + struct.pack("!2H", 1, 1)
    if one["protocol"] == "udp":
        kind, said = _datagram(door, question)
        return kind, "it answers" if kind == "open" else said.decode()
    with connect(door) as stream:
        stream.sendall(struct.pack("!H", len(question)) + question)
        said = _exactly(stream, 8)
    code = struct.unpack("!4H", said)[2] & 15
    return ("refused", "REFUSED") if code == 5 else ("open", "it answers")


def shake_hands(door: "dict[str, Any]", one: "dict[str, Any]", key: "dict[str, Any]") -> "tuple[str, str]":
    """Is whoever has no certificate let in? Asked again where that is seen by waiting: a server that takes one connection after the other
    may have been busy."""
    for _ in range(TRIES):
        kind, words = _shaken(door, one)
        if kind != "open":
            break
        time.sleep(PAUSE)
    return kind, words


def _shaken(door: "dict[str, Any]", one: "dict[str, Any]") -> "tuple[str, str]":
    with connect(door) as stream:
        stream.settimeout(1.0)
        stream.sendall(CLEAR)
        try:
            stream.recv(100)
        except TimeoutError:
            return "open", "it waits for what a stranger sends, in clear"
        except ConnectionError:
            pass
    context = _trusting()
    spoke = False
    try:
        with context.wrap_socket(connect(door)) as secure:
            spoke = True
            if one["tls_is_enough"]:
                return "refused", "TLS, and what is behind it asks for more"
            # In TLS 1.3 a server refuses a client only after the client is done.
            if secure.recv(1):
                return "open", "it speaks first, without a certificate"
            return "refused", "it hangs up"
    except TimeoutError:
        return "open", "TLS without a certificate of the client"
    except ssl.SSLError as error:
        reason = str(error.reason or error)
        if "WRONG_VERSION" in reason or "EOF" in reason or "RECORD" in reason:
            return "open", "it takes connections in clear"
        return "refused", "TLS: {}".format(reason.replace("_", " ").lower())
    except ConnectionError:
        # Whoever speaks TLS says why it hangs up.
        return ("refused", "it hangs up") if spoke else ("open", "it takes connections in clear")


def _trusting() -> ssl.SSLContext:
    """Believes everybody. Without the authorities of the system, which take longer to read than a door to answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def ask_socket(door: "dict[str, Any]", one: "dict[str, Any]", key: "dict[str, Any]") -> "tuple[str, str]":
    """An HTTP question to a unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.settimeout(SECONDS)
        try:
            stream.connect(one["ask"])
        except OSError as error:
            return "shut", (error.strerror or str(error)).lower()
        stream.sendall(b"GET /version HTTP/1.0\r\n\r\n")
        return "open", _words(stream.recv(100))


def ask_tree(door: "dict[str, Any]", one: "dict[str, Any]", key: "dict[str, Any]") -> "tuple[str, str]":
    """ZooKeeper's protocol: list the root, or make a node there that goes with the session."""
    with connect(door) as stream:
        stream.sendall(_packet(struct.pack("!iqiq", 0, 0, 4000, 0) + _buffer(b"\0" * 16) + b"\0"))
        _reply(stream)
        if key.get("digest"):
            stream.sendall(_packet(struct.pack("!iii", -4, 100, 0) + _buffer(b"digest") + _buffer(key["digest"].encode())))
        if one["ask"] == "list":
            stream.sendall(_packet(struct.pack("!ii", 1, 8) + _buffer(b"/") + b"\0"))
        else:
            path = b"/provisioner-audit-" + os.urandom(6).hex().encode()
            everybody = struct.pack("!ii", 1, 31) + _buffer(b"world") + _buffer(b"anyone")
            stream.sendall(_packet(struct.pack("!ii", 1, 1) + _buffer(path) + _buffer(b"") + everybody + struct.pack("!i", 1)))
        number, code = 0, 0
        while number != 1:
            number, _, code = struct.unpack("!iqi", _reply(stream)[:16])
            if code:
                break
        stream.sendall(_packet(struct.pack("!ii", 2, -11)))
    if not code:
        return "open", "done"
    return "refused", "no right" if code in NO_AUTH else "the session is ended" if code in ENDED else f"error {code}"


def _buffer(data: bytes) -> bytes:
    return struct.pack("!i", len(data)) + data


_packet = _buffer


def _reply(stream: socket.socket) -> bytes:
    return _exactly(stream, min(struct.unpack("!i", _exactly(stream, 4))[0], MAX_BODY))


def _exactly(stream: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            raise ConnectionError("it hangs up")
        data += more
    return data


def _words(data: bytes) -> str:
    text = data[:40].decode("latin-1").strip()
    return f"answers {text!r}" if all(" " <= each <= "~" for each in text) else f"answers {len(data)} bytes"


WAYS = {"http": ask_http, "say": say, "jute": ask_tree, "dns": ask_name, "tls": shake_hands, "unix": ask_socket}
