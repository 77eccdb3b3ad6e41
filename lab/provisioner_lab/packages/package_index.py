"""One file of a project on the Python package index, from wherever pip on this machine is configured to look.

pip itself takes only what it can install. Its configuration is asked for and followed: index, further indexes, folders and pages
of `find-links`, certificates, proxy, trusted hosts, timeout, names and passwords in URLs. Not: keyring and netrc.
"""

from __future__ import annotations

import ast
import base64
import functools
import http.client
import os
import re
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import IO

from provisioner.errors import ProvisionError
from provisioner.mirror.files import file_sha256, link_or_copy
from provisioner.mirror.programs import run

_DEFAULT_SECONDS = 15.0  # pip's own
_DEFAULT_INDEX = re.compile(r"--index-url\b.*?\(default:?\s+([^\s)]+)\)", re.DOTALL)


@dataclass(frozen=True)
class Wanted:
    """A file of a project, by its name and its SHA-256 in hex."""

    project: str
    name: str
    sha256: str


@dataclass(frozen=True)
class Settings:
    """How pip is configured. `pages` are indexes' pages of one project and those of find-links, in pip's order; `folders` are local."""

    pages: tuple[str, ...]
    folders: tuple[Path, ...] = ()
    certificates: str = ""
    client_certificate: str = ""
    proxy: str = ""
    trusted: tuple[str, ...] = ()
    seconds: float = _DEFAULT_SECONDS


def fetch(wanted: Wanted, target: Path) -> None:
    """Puts the file at `target`; one that is there already must be the right one. Raises ProvisionError when no source has it."""
    if not target.exists():
        settings = configured(wanted.project)
        arriving = target.with_name(f"{target.name}.arriving")
        _bring(wanted, settings, arriving)
        check(wanted, arriving)
        arriving.rename(target)
    check(wanted, target)


def check(wanted: Wanted, path: Path) -> None:
    """Raises ProvisionError, after removing the file, when its content is not what was asked for."""
    found = file_sha256(path)
    if found != wanted.sha256:
        path.unlink()
        raise ProvisionError(f"{wanted.name} is not the file that was published: its SHA-256 is {found}, not {wanted.sha256}",
                             hint="run the same command again; if it repeats, the package index that pip is configured for serves "
                                  "another file under this name: ask its owner")


def configured(project: str) -> Settings:
    """What pip on this machine would use for a project. Raises ProvisionError when there is no pip."""
    # A pip that is configured to be quiet would list nothing.
    listing = run(["env", "PIP_QUIET=0", sys.executable, "-m", "pip", "config", "list"], what="reading pip's configuration")
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or ""  # no options of pip's, but it takes them
    options = {"cert": bundle, **parse_options(listing)}
    return settings_of(options, project, default_index="" if "index-url" in options else _default_index())


def parse_options(listing: str) -> dict[str, str]:
    """The options in what `pip config list` prints: those of the environment win over those of `pip download`, these over global ones."""
    found: dict[str, str] = {}
    sections = ("global", "download", ":env:")
    rows = [(key.rpartition("."), value) for key, equals, value in (line.partition("=") for line in listing.splitlines()) if equals]
    for wanted in sections:
        found |= {name: str(ast.literal_eval(value)) for (section, _, name), value in rows if section == wanted}
    return found


def settings_of(options: Mapping[str, str], project: str, default_index: str) -> Settings:
    """The same, out of pip's options."""
    indexes = [options.get("index-url", default_index), *options.get("extra-index-url", "").split()]
    if options.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        indexes = []
    name = re.sub(r"[-_.]+", "-", project).lower()
    links = options.get("find-links", "").split()
    pages = [_page(index, name) for index in indexes if index] + [link for link in links if re.match("https?:", link)]
    folders = [Path(urllib.request.url2pathname(link.removeprefix("file://"))).expanduser()
               for link in links if not re.match("https?:", link)]
    return Settings(tuple(pages), tuple(folders), options.get("cert", ""), options.get("client-cert", ""), options.get("proxy", ""),
                    tuple(options.get("trusted-host", "").split()), float(options.get("timeout") or options.get("default-timeout")
                                                                          or _DEFAULT_SECONDS))


def _page(index: str, name: str) -> str:
    """An index's page of a project; an index in a folder is a file for each."""
    return f"{index.rstrip('/')}/{name}/{'index.html' if index.startswith('file:') else ''}"


@functools.cache
def _default_index() -> str:
    """The index that pip takes when nothing is configured, as its own help names it."""
    # One wide line: pip wraps its help at the width of the terminal, and an address with it.
    text = run(["env", "COLUMNS=1000", sys.executable, "-m", "pip", "download", "--help"], what="reading pip's help")
    found = _DEFAULT_INDEX.search(text)
    if not found:
        raise ProvisionError("pip does not say which package index it uses", hint="name one: pip config set global.index-url URL")
    return found[1]


def _bring(wanted: Wanted, settings: Settings, target: Path) -> None:
    local = next((folder / wanted.name for folder in settings.folders if (folder / wanted.name).is_file()), None)
    if local:
        target.unlink(missing_ok=True)  # a run that was interrupted may have left a second name for this very file
        link_or_copy(local.resolve(), target)
        return
    said = []
    for page in settings.pages:
        try:
            listed = links(page, _read(page, settings).decode(errors="replace"))
            address = next((url for url in listed if file_name(url) == wanted.name), "")
            if address:
                target.write_bytes(_read(_with_login(address, page), settings))
                return
            said.append(f"{_public(page)} does not list it")
        except (OSError, ValueError, http.client.HTTPException) as error:
            said.append(f"{_public(page)}: {error}")
    raise _missing(wanted, said, target)


def links(page: str, text: str) -> list[str]:
    """The addresses that an index's page links to, without the fragments behind them."""
    reader = _Anchors()
    reader.feed(text)
    return [urllib.parse.urldefrag(urllib.parse.urljoin(page, link)).url for link in reader.found]


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def file_name(address: str) -> str:
    """The name of the file at an address."""
    return urllib.parse.unquote(urllib.parse.urlparse(address).path).rpartition("/")[2]


def _with_login(address: str, page: str) -> str:
    """A file on its index's own host is asked for with the index's name and password, as pip does."""
    file, index = urllib.parse.urlsplit(address), urllib.parse.urlsplit(page)
    same = (file.scheme, file.netloc) == (index.scheme, index.netloc.rpartition("@")[2])
    return file._replace(netloc=index.netloc).geturl() if same else address


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A password goes no further than to the host that it is for, and not from TLS to plain text."""

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage,
                         newurl: str) -> urllib.request.Request | None:
        found = super().redirect_request(req, fp, code, msg, headers, newurl)
        if found and (found.host, found.type) not in ((req.host, req.type), (req.host, "https")):
            found.remove_header("Authorization")
        return found


def _read(address: str, settings: Settings) -> bytes:
    parts = urllib.parse.urlsplit(address)
    login, at, place = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=place).geturl(), headers={"Accept": "text/html, */*;q=0.1"})  # noqa: S310
    if at:
        request.add_header("Authorization", "Basic " + base64.b64encode(urllib.parse.unquote(login).encode()).decode())
    with _opener(settings, place).open(request, timeout=settings.seconds) as answer:
        data: bytes = answer.read()
    return data


def _opener(settings: Settings, place: str) -> urllib.request.OpenerDirector:
    own = Path(settings.certificates) if settings.certificates else None
    context = ssl.create_default_context(capath=own) if own and own.is_dir() else ssl.create_default_context(cafile=own)
    if settings.client_certificate:
        context.load_cert_chain(settings.client_certificate)
    if place in settings.trusted or place.partition(":")[0] in settings.trusted:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    proxies = {"http": settings.proxy, "https": settings.proxy} if settings.proxy else None
    return urllib.request.build_opener(_Redirects, urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context))


def _public(address: str) -> str:
    """An address without the password in it."""
    parts = urllib.parse.urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _missing(wanted: Wanted, said: list[str], target: Path) -> ProvisionError:
    return ProvisionError(
        "\n  ".join([f"{wanted.name} (project {wanted.project}) is not to be had from where pip on this machine looks:", *said]),
        hint=f"have that index serve it, name one that does (pip config set global.index-url URL), or get the file elsewhere and put it "
             f"at {target.with_name(wanted.name)}",
    )
