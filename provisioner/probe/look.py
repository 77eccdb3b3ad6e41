"""What root sees of a host's own secrecy: secrets where others can read them, ports that are no known door, who may become root.

The secrets themselves are not told to the host: it compares salted digests of words that are long enough to be one.
"""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .files import read
from .network import belongs, owners, sockets

#: What a secret of ours looks like: a password (48 hexadecimal digits), a token (UUID), a key, a digest or a line of PEM (base64).
WORDS = (re.compile(rb"[0-9a-f]{48}"), re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
         re.compile(rb"[0-9A-Za-z+/]{20,}={0,2}"))
MAX_FILE = 1 << 20
MAX_JOURNAL = 32 << 20
MAX_FILES = 20000
SECONDS = 20.0
#: Folders with settings; what is below one that others can't enter is not readable for them either.
PLACES = ("/etc", "/opt", "/usr/local", "/var/log", "/var/lib/provisioner")
#: From here on users are people and what they start.
PEOPLE = 1000
LOOPBACK = ("127.", "::1")
#: A UDP socket above belongs to somebody who asks, not to one who is asked.
ASKING = 32768


def look(asked: "dict[str, Any]") -> "dict[str, Any]":
    """`salt`, `digests` (digest → secret), `doors` ([protocol, first, last]), `private` (patterns of files), `user` (who logs in).

    Answers `found`: [severity, check, text], `listening`: the sockets as protocol/port, and `strange`: [protocol, address, port, who]
    of those that are no known door.
    """
    known = Known(asked["salt"], asked["digests"])
    found = [row for check in (in_processes, in_journal, in_files, in_containers) for row in tried(check, known)]
    found += [*modes(asked["private"]), *docker_socket(), *docker_settings(), *sshd(), *sudo(asked["user"]), *holds()]
    opened = [s for protocol in ("tcp", "udp") for s in sockets(protocol)]
    return {"found": found, "listening": sorted({"{}/{}".format(s["protocol"], s["port"]) for s in opened}),
            "strange": strange(opened, asked["doors"])}


def tried(check: Any, known: "Known") -> "list[list[str]]":
    """Everything that a check for secrets finds, once; that it could not be made counts as well."""
    rows = []
    try:
        for text in check(known):
            if ["fail", "secrets", text] not in rows:
                rows.append(["fail", "secrets", text])
    except Partly as why:
        rows.append([why.severity, "secrets", str(why)])
    except (OSError, subprocess.SubprocessError) as error:
        rows.append(["fail", "secrets", f"{check.__name__} could not be looked at: {error}"])
    return rows


class Partly(Exception):
    """There was too much to look at all of it; the text says what was left."""

    severity = "note"


class Known:
    """The secrets, by digests of their words."""

    def __init__(self, salt: str, digests: "dict[str, str]") -> None:
        self._salt = salt.encode()
        self._digests = digests
        self._seen = {b"": ""}

    def in_text(self, text: bytes) -> "set[str]":
        """The names of those that a text holds."""
        return {name for name in (self._name(word) for pattern in WORDS for word in set(pattern.findall(text))) if name}

    def _name(self, word: bytes) -> str:
        if word not in self._seen:
            self._seen[word] = self._digests.get(digest(self._salt, word), "")
        return self._seen[word]


def digest(salt: bytes, word: bytes) -> str:
    """What both sides make of a word."""
    return hashlib.sha256(salt + word).hexdigest()[:24]


def in_processes(known: Known) -> "Iterator[str]":
    """Command lines, which everybody can read; environments of processes whose user others share."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name, uid = (process / "comm").read_text().strip(), process.stat().st_uid
            for secret in known.in_text((process / "cmdline").read_bytes()):
                yield f"{secret} is on the command line of {name}"
            if uid >= PEOPLE:
                for secret in known.in_text((process / "environ").read_bytes()):
                    yield f"{secret} is in the environment of {name}, which its user {uid} can read"
        except OSError:
            continue  # it has ended


def in_journal(known: Known) -> "Iterator[str]":
    """The last day's."""
    command = ["journalctl", "--since=-24h", "--reverse", "--no-pager", "--output=cat"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as journal:
        rest, size = b"", 0
        while journal.stdout and size < MAX_JOURNAL:
            block = journal.stdout.read(1 << 20)
            if not block:
                yield from (f"{secret} is in the journal" for secret in known.in_text(rest))
                break
            size += len(block)
            whole, _, rest = (rest + block).rpartition(b"\n")
            for secret in known.in_text(whole):
                yield f"{secret} is in the journal"
            if len(rest) > 1 << 20:
                rest = b""
        else:
            raise Partly(f"of the journal only the newest {MAX_JOURNAL >> 20} MiB were looked at")


def in_files(known: Known) -> "Iterator[str]":
    """Files that everybody can read, in folders that everybody can enter."""
    left = MAX_FILES
    for place in PLACES:
        for folder, folders, names in os.walk(place):
            folders[:] = [each for each in folders if _mode(f"{folder}/{each}") & 0o001]
            for path in (Path(folder, name) for name in names):
                mode = _mode(str(path))
                if not mode & 0o004 or path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_FILE:
                    continue
                left -= 1
                if left < 0:
                    raise Partly(f"of files that everybody can read only {MAX_FILES} were looked at, up to {path}")
                for secret in known.in_text(path.read_bytes()):
                    yield f"{secret} is in {path}, mode {mode:04o}"


def in_containers(known: Known) -> "Iterator[str]":
    """What Docker tells of its containers."""
    names = _output("docker", "ps", "--all", "--quiet").split()
    for name in names:
        text = _output("docker", "inspect", name)
        for secret in known.in_text(text.encode()):
            title = re.search(r'"Name": "/([^"]+)"', text)
            yield f"{secret} is in 'docker inspect {title.group(1) if title else name}'"


def modes(patterns: "list[str]") -> "Iterator[list[str]]":
    """Files that only their owner is to read."""
    for path in sorted({path for pattern in patterns for path in Path("/").glob(pattern.lstrip("/"))}):
        mode = _mode(str(path))
        if path.is_file() and mode & 0o077:
            yield ["fail", "modes", f"{path} has mode {mode:04o}"]


def docker_socket() -> "Iterator[list[str]]":
    """Who can open it is root."""
    path = Path("/run/docker.sock")
    if path.exists():
        if _mode(str(path)) & 0o007:
            yield ["fail", "docker", f"{path} has mode {_mode(str(path)):04o}"]
        members = next((line.rstrip().split(":")[3] for line in read("/etc/group").splitlines()
                        if line.split(":")[2:3] == [str(path.stat().st_gid)]), "")
        if members and path.stat().st_gid:
            yield ["warn", "docker", f"{members} can be root through {path}"]


def docker_settings() -> "Iterator[list[str]]":
    """What the engine was told and has not taken up: it does when it starts next, as a restart would end tasks. Of no-new-privileges old
    engines tell nothing; it is told them together."""
    icc = _output("docker", "network", "inspect", "bridge", "--format", '{{index .Options "com.docker.network.bridge.enable_icc"}}')
    if _settings("/etc/docker/daemon.json").get("icc") is False and icc.strip() == "true":
        yield ["note", "docker", "containers on the bridge reach each other until Docker starts next: it has not taken up its icc: false"]


def _settings(path: str) -> "dict[str, Any]":
    try:
        found = json.loads(read(path))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def sshd() -> "Iterator[list[str]]":
    """Whether passwords can be guessed."""
    settings = dict(line.lower().split(" ", 1) for line in _output("sshd", "-T").splitlines() if " " in line)
    if not settings:
        yield ["note", "ssh", "what sshd is told could not be read ('sshd -T')"]
    passwords = "yes" in (settings.get("passwordauthentication"), settings.get("kbdinteractiveauthentication"))
    if passwords:
        yield ["warn", "ssh", "sshd takes passwords"]
    if passwords and settings.get("permitrootlogin") == "yes":
        yield ["warn", "ssh", "sshd lets root in with a password"]


def sudo(user: str) -> "Iterator[list[str]]":
    """Who logs in is root without another word."""
    if user and user != "root" and re.search(r"NOPASSWD: *ALL", _output("sudo", "-l", "-U", user)):
        yield ["note", "sudo", f"{user} becomes root without a password"]


def holds() -> "Iterator[list[str]]":
    """Packages that get no updates."""
    names = _output("apt-mark", "showhold").split()
    if names:
        yield ["note", "packages", "held back: {}".format(", ".join(names))]


def strange(opened: "list[dict[str, Any]]", doors: "list[list[Any]]") -> "list[list[Any]]":
    """Listening sockets that are no known door, and who holds them."""
    found = [s for s in opened if not s["address"].startswith(LOOPBACK) and not (s["protocol"] == "udp" and s["port"] >= ASKING)
             and not any(p == s["protocol"] and first <= s["port"] <= last for p, first, last in doors)]
    holders = owners({str(s["inode"]) for s in found}) if found else {}
    return [[s["protocol"], s["address"], s["port"], _who(holders.get(s["inode"], 0))] for s in found]


def _who(pid: int) -> str:
    if not pid:
        return "the kernel"
    place = belongs(read(f"/proc/{pid}/cgroup").splitlines())
    inside = place["unit"] or (place["container"] and "container {}".format(place["container"]))
    return read(f"/proc/{pid}/comm").strip() + (f" ({inside})" if inside else "")


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode & 0o7777
    except OSError:
        return 0


def _output(*command: str) -> str:
    """Its output; nothing where there is no such program, or it fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS, check=False,
                              env={**os.environ, "LC_ALL": "C", "PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"})
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")
