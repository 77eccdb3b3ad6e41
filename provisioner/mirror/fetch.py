"""Files of vendors and of mirrors by HTTP, through this machine's proxies."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from provisioner.errors import ProvisionError

_SECONDS = 30.0
_CHUNK = 1 << 20
#: Keys and lists of checksums; more is something else.
_SMALL = 4 << 20


class NoAnswerError(ProvisionError):
    """An address that does not give the file, for a `reason`: `reached` says whether a server answered at all."""

    def __init__(self, url: str, reason: str, *, reached: bool) -> None:
        self.reason, self.reached = reason, reached
        super().__init__(f"{url}: {reason}", hint="look at the address and at this machine's way to it: DNS, proxies, firewalls")


@dataclass(frozen=True)
class Hashed:
    """What a file at `url` is: bytes, and its checksums in hex."""

    url: str
    size: int
    sha256: str
    sha512: str


def small(url: str) -> bytes:
    """The content of a small file. Raises NoAnswerError."""
    return b"".join(_blocks(url, _SMALL))


def hashed(url: str) -> Hashed:
    """Reads a whole file and keeps only what it hashes to. Raises NoAnswerError."""
    size, sha256, sha512 = 0, hashlib.sha256(), hashlib.sha512()
    for block in _blocks(url):
        size += len(block)
        sha256.update(block)
        sha512.update(block)
    return Hashed(url, size, sha256.hexdigest(), sha512.hexdigest())


def size_of(url: str) -> int:
    """How large a file is, in bytes; 0 where the server does not say. Raises NoAnswerError."""
    with _opened(url, "HEAD") as answer:
        return int(answer.headers.get("Content-Length") or 0)


def _blocks(url: str, most: int = 0) -> Iterator[bytes]:
    size = 0
    with _opened(url, "GET") as answer:
        expected = int(answer.headers.get("Content-Length") or 0)
        while block := _read(answer, url):
            size += len(block)
            if most and size > most:
                raise NoAnswerError(url, f"larger than {most} bytes, this is not what it should be", reached=True)
            yield block
    if expected and size != expected:
        raise NoAnswerError(url, f"the transfer ended after {size} of {expected} bytes", reached=True)


def _read(answer: urllib.request._UrlopenRet, url: str) -> bytes:
    try:
        block: bytes = answer.read(_CHUNK)
    except OSError as error:
        raise NoAnswerError(url, str(error), reached=True) from error
    return block


def _opened(url: str, method: str) -> urllib.request._UrlopenRet:
    if not url.startswith(("http://", "https://")):
        raise NoAnswerError(url, "not an http or https address", reached=False)
    request = urllib.request.Request(url, method=method, headers={"User-Agent": "provision"})  # noqa: S310
    try:
        return urllib.request.urlopen(request, timeout=_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        raise NoAnswerError(url, f"HTTP {error.code} {error.reason}", reached=True) from None
    except OSError as error:
        raise NoAnswerError(url, str(getattr(error, "reason", "") or error), reached=False) from None
