"""A key store for Java of a key and certificates (PEM), as the files of a service have them.

In it are key and certificate, and as trusted those of the authority, so that members of a service trust each other. In Java's own format
(JKS), which every version reads. OpenSSL writes PKCS12, but before 3.2 it can't mark a certificate as trusted for Java, and from 3.0 on it
uses algorithms that Java 8 reads in its last releases only. The same key, certificates and password give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from pathlib import Path

NAME = "key_store.jks"
MAGIC, VERSION, KEY, TRUSTED = 0xFEEDFEED, 2, 1, 2
#: Of Java's way to hide a key (1.3.6.1.4.1.42.2.17.1.1), with its empty parameters, as DER.
ALGORITHM = bytes.fromhex("300e060a2b060104012a021101010500")
PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----\s*(.+?)-----END \1-----", re.DOTALL)


def blocks(path: Path) -> list[bytes]:
    """What is in a file of PEM, as DER."""
    return [base64.b64decode(body) for _, body in PEM.findall(path.read_text(encoding="ascii"))]


def hidden(key: bytes, password: bytes) -> bytes:
    """A key (PKCS8) as the store holds it: under a stream of hashes that begins with a salt, with a check of password and key behind it.

    The salt comes from the key, so that nothing changes until it does; no other key is ever hidden under it.
    """
    salt = hashlib.sha1(b"salt" + password + key).digest()  # noqa: S324 - the format's
    stream, last = b"", salt
    while len(stream) < len(key):
        last = hashlib.sha1(password + last).digest()  # noqa: S324
        stream += last
    body = salt + bytes(a ^ b for a, b in zip(key, stream)) + hashlib.sha1(password + key).digest()  # noqa: S324
    return der(0x30, ALGORITHM + der(0x04, body))


def der(tag: int, content: bytes) -> bytes:
    """One element of DER."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def text(value: str) -> bytes:
    """A name, as Java writes it."""
    return struct.pack(">H", len(value)) + value.encode("ascii")


def certificate(content: bytes) -> bytes:
    """A certificate, as the store holds it."""
    return text("X.509") + struct.pack(">I", len(content)) + content


def store(key: bytes, chain: list[bytes], trusted: list[bytes], password: str) -> bytes:
    """The bytes of a store with one key, its certificate and those between it and the authority, and those that are trusted."""
    secret = password.encode("utf-16-be")
    kept = hidden(key, secret)
    # Without dates: they would only tell when it was written.
    content = struct.pack(">III", MAGIC, VERSION, 1 + len(trusted)) + struct.pack(">I", KEY) + text("service") + bytes(8)
    content += struct.pack(">I", len(kept)) + kept + struct.pack(">I", len(chain)) + b"".join(map(certificate, chain))
    for number, each in enumerate(trusted):
        content += struct.pack(">I", TRUSTED) + text(f"authority-{number}") + bytes(8) + certificate(each)
    return content + hashlib.sha1(secret + b"Mighty Aphrodite" + content).digest()  # noqa: S324 - the format's
