"""Java's key stores (JKS), read as a Java program reads them: for the server's own certificate, and for whom it trusts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

MAGIC, KEY = 0xFEEDFEED, 1
HASH_BYTES = 20


class KeyStoreError(Exception):
    """What Java says of a store that it can't use."""


@dataclass(frozen=True)
class KeyStore:
    """A key (PKCS8) with its certificates, and those that are trusted: all as DER."""

    key: bytes
    chain: tuple[bytes, ...]
    trusted: tuple[bytes, ...]

    def server(self) -> ssl.SSLContext:
        """How a server with this store shakes hands."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(mode="w", suffix=".pem") as file:  # Python takes a key from a file only; 0600
            file.write(_pem("PRIVATE KEY", self.key) + "".join(_pem("CERTIFICATE", each) for each in self.chain))
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def client(self, *, any_name: bool = False) -> ssl.SSLContext:
        """How a client does that trusts the certificates in it, beside those of the system."""
        context = ssl.create_default_context()
        if self.trusted:
            context.load_verify_locations(cadata="".join(_pem("CERTIFICATE", each) for each in self.trusted))
        context.check_hostname = not any_name
        return context


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        taken = self._data[self._at:self._at + size]
        if len(taken) < size:
            raise KeyStoreError("Invalid keystore format")
        self._at += size
        return taken

    def number(self) -> int:
        return int(struct.unpack(">I", self.take(4))[0])

    def text(self) -> str:
        return self.take(int(struct.unpack(">H", self.take(2))[0])).decode()

    def certificate(self) -> bytes:
        self.text()
        return self.take(self.number())


def read(path: str, password: str) -> KeyStore:
    """Raises KeyStoreError for what is no store with a key, or has another password."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise KeyStoreError(f"{path} is invalid or not readable!") from error
    secret = password.encode("utf-16-be")
    content, check = data[:-HASH_BYTES], data[-HASH_BYTES:]
    found = _Reader(content)
    if found.number() != MAGIC:
        raise KeyStoreError("Invalid keystore format")
    if not hmac.compare_digest(check, hashlib.sha1(secret + b"Mighty Aphrodite" + content).digest()):  # noqa: S324 - the format's
        raise KeyStoreError("Keystore was tampered with, or password was incorrect")
    found.number()
    key, chain, trusted = b"", list[bytes](), list[bytes]()
    for _ in range(found.number()):
        kind = found.number()
        found.text()
        found.take(8)
        if kind == KEY:
            key = _plain(found.take(found.number()), secret)
            chain = [found.certificate() for _ in range(found.number())]
        else:
            trusted.append(found.certificate())
    if not key:
        raise KeyStoreError("no key in it")
    return KeyStore(key, tuple(chain), tuple(trusted))


def _plain(hidden: bytes, secret: bytes) -> bytes:
    """The key out of its EncryptedPrivateKeyInfo."""
    _, info = _element(hidden)
    size, _ = _element(info)
    _, body = _element(info[size:])
    salt, covered, check = body[:HASH_BYTES], body[HASH_BYTES:-HASH_BYTES], body[-HASH_BYTES:]
    stream, last = b"", salt
    while len(stream) < len(covered):
        last = hashlib.sha1(secret + last).digest()  # noqa: S324
        stream += last
    key = bytes(a ^ b for a, b in zip(covered, stream, strict=False))
    if not hmac.compare_digest(check, hashlib.sha1(secret + key).digest()):  # noqa: S324
        raise KeyStoreError("Cannot recover key")
    return key


def _element(data: bytes) -> tuple[int, bytes]:
    """Of the first element of DER how long it is altogether, and its content."""
    size, begin = data[1], 2
    if size & 0x80:
        begin += size & 0x7F
        size = int.from_bytes(data[2:begin], "big")
    return begin + size, data[begin:begin + size]


def _pem(label: str, content: bytes) -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(content).decode()}-----END {label}-----\n"
