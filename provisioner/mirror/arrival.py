"""One file that comes by HTTP: it begins where it stopped the last time, and is whole only when its SHA-256 is right."""

from __future__ import annotations

import contextlib
import http.client
import os
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from provisioner.errors import UsageError
from provisioner.mirror.archives import HINT, WrongFileError
from provisioner.mirror.fetch import NoAnswerError
from provisioner.mirror.files import file_sha256
from provisioner.mirror.progress import Progress

#: How often an address is asked that gives nothing, and how long the first pause is, in seconds; each further one is twice as long.
ATTEMPTS, PAUSE_SECONDS = 4, 1.0
#: A server that sends less than so many bytes in so many seconds has stalled; a new connection may do better.
SLOW_BYTES, SLOW_SECONDS = 10_000, 60.0
_SILENT_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 60.0
_REDIRECTS = 10
_CHUNK = 1 << 18
#: After so much that came, the count of attempts begins anew: a bad line may be cut a hundred times.
_PROGRESS_BYTES = 1 << 17
#: What a server says when the same question may have another answer later.
_PASSING = (408, 425, 429)


@dataclass(frozen=True)
class Wanted:
    """A file: its address, where it is to lie, its SHA-256 in hex, and its size in bytes (0 where nobody said)."""

    url: str
    target: Path
    sha256: str
    size: int = 0


class PassingError(NoAnswerError):
    """A fault that may be over the next time; `pause` is for how many seconds the server asked."""

    def __init__(self, url: str, reason: str, *, reached: bool, pause: float = 0.0) -> None:
        self.pause = pause
        super().__init__(url, reason, reached=reached)


class Stopped(Exception):
    """Somebody asked the download to end where it is."""


class Arrival:
    """One file that comes, into `part`."""

    def __init__(self, wanted: Wanted, part: Path, progress: Progress, stop: threading.Event) -> None:
        self._wanted, self._part, self._progress, self._stop = wanted, part, progress, stop
        self._counted = 0  # what of this file is in the progress

    def whole(self) -> None:
        """Returns when all of it is there and right. Raises WrongFileError, NoAnswerError, UsageError, Stopped."""
        self._counted = resumed = self._there()
        self._progress.had(resumed)
        self._until_it_came()
        found = file_sha256(self._part)
        if found != self._wanted.sha256 and resumed:
            self._again()  # what had come may have been of another file at this address
            self._until_it_came()
            found = file_sha256(self._part)
        if found != self._wanted.sha256:
            self._again()
            raise WrongFileError(f"{self._wanted.url} has the SHA-256 {found}, locked is {self._wanted.sha256}", hint=HINT)

    def _until_it_came(self) -> None:
        left, pause = ATTEMPTS, PAUSE_SECONDS
        while True:
            before = self._there()
            if self._wanted.size and before == self._wanted.size:
                return
            try:
                self._once(before)
                return
            except PassingError as error:
                if self._there() - before >= _PROGRESS_BYTES:
                    left, pause = ATTEMPTS, PAUSE_SECONDS
                left -= 1
                if not left:
                    raise NoAnswerError(self._wanted.url, f"{error.reason}, {ATTEMPTS} times", reached=error.reached) from None
                if self._stop.wait(min(max(pause, error.pause), _LONGEST_PAUSE_SECONDS)):
                    raise Stopped from None
                pause *= 2

    def _once(self, begin: int) -> None:
        """Asks for what is missing from this byte on, and appends what comes."""
        url = self._wanted.url
        try:
            answer = _opened(url, begin)
        except urllib.error.HTTPError as error:
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and begin:
                self._again()
                raise PassingError(url, "the file is shorter than what had come of it", reached=True) from None
            raise _refusal(url, error) from None
        except (OSError, http.client.HTTPException) as error:
            raise PassingError(url, str(getattr(error, "reason", "") or error), reached=False) from None
        with answer:
            if begin and not _goes_on(answer, begin):
                self._again()
                begin = 0
            self._append(answer, begin)

    def _append(self, answer: Any, begin: int) -> None:
        size, expected = begin, _length(answer, begin)
        window, since = 0, time.monotonic()
        try:
            file = self._part.open("ab")
        except OSError as error:
            raise unwritable(error, self._part) from error
        with file:
            while block := self._read(answer):
                size += len(block)
                if self._wanted.size and size > self._wanted.size:
                    self._too_long(size)
                _write(file, block, self._part)
                self._counted += len(block)
                self._progress.came(len(block))
                window += len(block)
                if (now := time.monotonic()) - since >= SLOW_SECONDS:
                    if window < SLOW_BYTES:
                        raise PassingError(self._wanted.url, f"it sent {window} bytes in {now - since:.0f} s", reached=True)
                    window, since = 0, now
            try:
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                raise unwritable(error, self._part) from error
        if size < (whole := max(expected, self._wanted.size)):
            if expected and size == expected:  # it is all that the server has
                self._too_short(size)
            raise PassingError(self._wanted.url, f"the transfer ended after {size} of {whole} bytes", reached=True)

    def _read(self, answer: Any) -> bytes:
        if self._stop.is_set():
            raise Stopped
        try:
            block: bytes = answer.read1(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise PassingError(self._wanted.url, f"the transfer broke: {error}", reached=True) from None
        return block

    def _too_long(self, size: int) -> None:
        self._again()
        raise WrongFileError(f"{self._wanted.url} is longer than the {self._wanted.size} bytes that are locked: {size} came", hint=HINT)

    def _too_short(self, size: int) -> None:
        self._again()
        raise WrongFileError(f"{self._wanted.url} has {size} bytes, locked are {self._wanted.size}", hint=HINT)

    def _there(self) -> int:
        """How many bytes have come; none where more did than there should be."""
        try:
            size = self._part.stat().st_size
        except FileNotFoundError:
            return 0
        if self._wanted.size and size > self._wanted.size:
            self._again()
            return 0
        return size

    def _again(self) -> None:
        self._part.unlink(missing_ok=True)
        self._progress.had(-self._counted)
        self._counted = 0


class _Chain(urllib.request.HTTPRedirectHandler):
    """Follows redirections, a few of them, and says in an error which."""

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage,
                         newurl: str) -> urllib.request.Request | None:
        """The request for the new place. Raises NoAnswerError for a circle, a long chain, and a place that is not HTTP."""
        chain: tuple[str, ...] = (*getattr(req, "chain", (req.full_url,)), newurl)
        if len(chain) > _REDIRECTS + 1 or newurl in chain[:-1]:
            what = "it redirects in a circle" if newurl in chain[:-1] else f"it redirects more than {_REDIRECTS} times"
            raise NoAnswerError(chain[0], f"{what}: {' → '.join(chain)}", reached=True)
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise NoAnswerError(chain[0], f"it redirects to {newurl}, which is no http or https address", reached=True)
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is not None:
            new.chain = chain  # type: ignore[attr-defined]
        return new


def _opened(url: str, begin: int) -> Any:
    if not url.startswith(("http://", "https://")):
        raise NoAnswerError(url, "not an http or https address", reached=False)
    # A compressed transfer would have other bytes than those that are locked.
    headers = {"User-Agent": "provision", "Accept-Encoding": "identity", **({"Range": f"bytes={begin}-"} if begin else {})}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked above
    return urllib.request.build_opener(_Chain).open(request, timeout=_SILENT_SECONDS)


def _goes_on(answer: Any, begin: int) -> bool:
    """Whether a server gives the rest that was asked for: some send the whole file."""
    return answer.status == http.HTTPStatus.PARTIAL_CONTENT and str(answer.headers.get("Content-Range", "")).startswith(f"bytes {begin}-")


def _length(answer: Any, begin: int) -> int:
    """How long the file is as the server says; 0 where it does not."""
    text = str(answer.headers.get("Content-Length") or "")
    return begin + int(text) if text.isdecimal() else 0


def _refusal(url: str, error: urllib.error.HTTPError) -> NoAnswerError:
    reason = f"HTTP {error.code} {error.reason}"
    if error.code < 500 and error.code not in _PASSING:
        return NoAnswerError(url, reason, reached=True)
    with contextlib.suppress(ValueError):  # it may be a date
        return PassingError(url, reason, reached=True, pause=float(error.headers.get("Retry-After") or 0))
    return PassingError(url, reason, reached=True)


def _write(file: IO[bytes], block: bytes, path: Path) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise unwritable(error, path) from error


def unwritable(error: OSError, path: Path) -> UsageError:
    """The error for a disk that is full or may not be written."""
    return UsageError(f"what is downloaded can't be written: {error.strerror}", where=str(path),
                      hint="make room, or make the folder writable, and run the same command again: it goes on where it was")
