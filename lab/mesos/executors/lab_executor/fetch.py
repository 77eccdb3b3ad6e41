"""The fetcher: brings a task's URIs into its sandbox, as the task's user, directly or through the agent's cache."""

from __future__ import annotations

import base64
import http.client
import json
import os
import pwd
import shutil
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from .archives import ArchiveError, extract

#: Seconds without a byte after which a download has failed, unless the agent says otherwise
STALLED = 60.0


class FetchError(Exception):
    """A URI can't be fetched."""


def say(message: str) -> None:
    """Write one line to the sandbox's stderr."""
    print(f"lab fetcher: {message}", file=sys.stderr, flush=True)


def main() -> int:
    """Fetch what MESOS_FETCHER_INFO lists: 0 if all of it is there, else 1."""
    try:
        info = json.loads(os.environ["MESOS_FETCHER_INFO"])
        sandbox = Path(info["sandbox_directory"])
    except (KeyError, ValueError) as error:
        say(f"MESOS_FETCHER_INFO is missing or invalid: {error!r}; a Mesos agent starts this program")
        return 1
    say("mesos-fetcher of the lab, not Apache's")
    try:
        become(info)
    except (OSError, KeyError) as error:
        say(f"can't become user '{info.get('user')}': {error}")
        return 1
    for item in info.get("items", []):
        uri = public(item["uri"]["value"])
        try:
            where = fetch(item, sandbox, info)
        except (FetchError, ArchiveError, OSError, ValueError, http.client.HTTPException) as error:
            say(f"Failed to fetch '{uri}': {error}")
            return 1
        say(f"Fetched '{uri}' to '{where}'")
    return 0


def public(uri: str) -> str:
    """A URI without the user and password in it: others may read a task's stderr."""
    scheme, separator, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def become(info: dict[str, Any]) -> None:
    """Make the cache's directory and switch to the task's user, so that only what that user may read is fetched."""
    user = pwd.getpwnam(info["user"]) if "user" in info else None
    if any(item.get("action", "BYPASS_CACHE") != "BYPASS_CACHE" for item in info.get("items", [])):
        cache = Path(info["cache_directory"])
        cache.mkdir(parents=True, exist_ok=True)
        if user:
            os.chown(cache, user.pw_uid, -1, follow_symlinks=False)
    if user and user.pw_uid != os.geteuid():
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)


def fetch(item: dict[str, Any], sandbox: Path, info: dict[str, Any]) -> Path:
    """Fetch one item: the file, or the folder that an archive was extracted into."""
    uri, action = item["uri"], item.get("action", "BYPASS_CACHE")
    target = destination(uri, sandbox)
    target.parent.mkdir(parents=True, exist_ok=True)
    source = target
    if action == "BYPASS_CACHE":
        download(uri["value"], target, info)
    else:
        source = Path(info["cache_directory"]) / item["cache_filename"]
        if action == "DOWNLOAD_AND_CACHE":
            download(uri["value"], source, info)
    if uri.get("extract", True) and not uri.get("executable") and extract(source, sandbox, target.name):
        return sandbox
    if source != target:
        copy(source, target)
    if uri.get("executable"):
        target.chmod(0o755)
    return target


def destination(uri: dict[str, Any], sandbox: Path) -> Path:
    """Where a URI's file goes: its output_file, else the last part of the URI as it stands, its query included."""
    value = uri["value"].strip()
    if "output_file" in uri:
        name = str(uri["output_file"])
    else:
        scheme, separator, rest = value.partition("://")
        name = (rest if separator else scheme).rpartition("/")[2]
        if (separator and "/" not in rest) or not name:
            raise FetchError("malformed URI: it has no path with a file's name")
    if name.startswith("/") or ".." in name.split("/") or not name:
        raise FetchError(f"the output file '{name}' is not within the sandbox")
    return sandbox / name


def local_path(value: str, info: dict[str, Any]) -> Path | None:
    """The path of a file:// URI or of one without a scheme; None for others."""
    if not value.startswith("file://") and "://" in value:
        return None
    path = value[len("file://"):] if value.startswith("file://") else value
    path = path[len("localhost"):] if path.startswith("localhost/") else path
    if path.startswith("/"):
        return Path(path)
    if value.startswith("file://"):
        raise FetchError("a file URI needs an absolute path")
    if not info.get("frameworks_home"):
        raise FetchError("a relative path needs the agent's --frameworks_home")
    return Path(info["frameworks_home"]) / path


def copy(source: Path, target: Path) -> None:
    """Copy a file and who may read, write and execute it."""
    shutil.copyfile(source, target)
    target.chmod(source.stat().st_mode & 0o777)


def download(value: str, target: Path, info: dict[str, Any]) -> None:
    """Copy a URI's content into a file."""
    value = value.strip()
    path = local_path(value, info)
    if path is not None:
        copy(path, target)
        return
    if urllib.parse.urlsplit(value).scheme not in ("http", "https", "ftp"):
        raise FetchError("only file, http, https and ftp: the lab's fetcher has no Hadoop client")
    stalled = info.get("stall_timeout", {}).get("nanoseconds", STALLED * 1e9) / 1e9
    try:
        opener = urllib.request.build_opener(Redirects)
        with opener.open(request(value), timeout=stalled) as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file)
            size = answer.headers.get("Content-Length")
        if size is not None and target.stat().st_size != int(size):
            target.unlink()  # a part must not be taken for the whole
            raise FetchError(f"the download ended before its {size} bytes were complete")
    except urllib.error.HTTPError as error:
        raise FetchError(f"Error downloading resource, received HTTP return code {error.code}") from None
    except urllib.error.URLError as error:
        raise FetchError(f"Error downloading resource: {error.reason}") from None


class Redirects(urllib.request.HTTPRedirectHandler):
    """A password goes no further than to the host that it is for, and not from TLS to plain text."""

    def redirect_request(self, req: urllib.request.Request, *more: Any) -> urllib.request.Request | None:
        """The request to where an answer leads."""
        found = super().redirect_request(req, *more)
        if found and (found.host, found.type) not in ((req.host, req.type), (req.host, "https")):
            found.remove_header("Authorization")
        return found


def request(value: str) -> urllib.request.Request:
    """The request for a URI; a user and password in it become a header."""
    parts = urllib.parse.urlsplit(value)
    if parts.scheme == "ftp" or parts.username is None:
        return urllib.request.Request(value)  # noqa: S310 - `download` has looked at the scheme
    login = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    plain = urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    basic = base64.b64encode(login.encode()).decode()
    return urllib.request.Request(plain, headers={"Authorization": f"Basic {basic}"})  # noqa: S310 - as above
