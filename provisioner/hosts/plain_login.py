"""Which logins are plain: an address, a user and a key file are all there is to them, so a library can do what `ssh` would.

A login is not plain where anything else of OpenSSH's has a say: a jump host, another name, an agent, a certificate, a security
policy for ciphers. Read are the host's own ssh arguments and the files that ssh_config(5) names.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner.cluster.model import Cluster
from provisioner.hosts.known_hosts import KnownHosts, listed
from provisioner.hosts.login import Login, cluster_options, login

SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
#: Words of ssh_config(5) that change nothing for one command that is entered with one key, or are only tried where the key is refused.
WITHOUT_EFFECT = frozenset({
    "addkeystoagent", "batchmode", "checkhostip", "compression", "forwardx11", "forwardx11timeout", "forwardx11trusted",
    "gssapiauthentication", "gssapidelegatecredentials", "hashknownhosts", "identitiesonly", "identityfile", "loglevel",
    "passwordauthentication", "sendenv", "tcpkeepalive", "visualhostkey", "xauthlocation",
})
#: What a library is told as well, or can't need: one question is over before a connection could be dead for long.
HONOURED = frozenset({"connecttimeout", "controlpersist", "serveraliveinterval", "serveralivecountmax"})


@dataclass(frozen=True)
class _Rule:
    """One setting of a file, for names that match one of the patterns; without patterns for every name."""

    patterns: tuple[str, ...]
    keyword: str

    def concerns(self, name: str) -> bool:
        """Whether it holds for a host."""
        return not self.patterns or listed(name, self.patterns)


def plain_logins(cluster: Cluster) -> frozenset[str]:
    """The hosts whose login is plain, and whose host key, not an authority's, is on file."""
    rules = [rule for path in (_own_config(), SYSTEM_CONFIG) for rule in _rules(path, path.parent)]
    settled = {option.partition("=")[0].lower() for option in cluster_options(cluster)[1::2]} | HONOURED | WITHOUT_EFFECT
    known = KnownHosts.of(cluster)
    found = ((host.name, login(host)) for host in cluster.hosts)
    return frozenset(
        name for name, way in found
        if _key_alone(way) and known.keys(way.known_as)
        and {*way.told, *(rule.keyword for rule in rules if rule.concerns(way.address))} <= settled | _given(way)
    )


def user_of(found: Login) -> str:
    """Whom ssh logs in as where no configuration says otherwise."""
    return found.user or pwd.getpwuid(os.getuid()).pw_name


def _key_alone(found: Login) -> bool:
    """Whether one file that ssh would use is all that is shown to the host."""
    if not found.key or found.password or found.program != "ssh" or Path(f"{found.key}-cert.pub").exists():
        return False
    try:
        return not Path(found.key).stat().st_mode & 0o077
    except OSError:
        return False


def _given(found: Login) -> set[str]:
    """What the command line says, so no file can."""
    return {word for word, told in (("port", found.port_told), ("user", bool(found.user))) if told}


def _own_config() -> Path:
    """As ssh finds it: by the account, whatever HOME says."""
    return Path(pwd.getpwuid(os.getuid()).pw_dir, ".ssh", "config")


def _rules(path: Path, folder: Path, patterns: tuple[str, ...] = (), depth: int = 0) -> Iterator[_Rule]:
    """The settings of a file and of those it includes, whose relative names are of `folder`. What can't be read is a setting too."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    except OSError:
        lines = ["unreadable"]
    outer = patterns
    for line in lines:
        keyword, *values = re.split(r"[\s=]+", line.strip(), maxsplit=1)
        words = tuple(word.strip('"') for word in " ".join(values).split())
        match keyword.lower():
            case "":
                continue
            case "host":
                patterns = words
            case "match":  # may hold for any host
                patterns = outer
            case "include" if depth < 16:  # ssh's own limit
                for word in words:
                    for included in sorted(folder.glob(word) if not word.startswith(("/", "~")) else _absolute(word)):
                        yield from _rules(included, folder, patterns, depth + 1)
            case other if not other.startswith("#"):
                yield _Rule(patterns, other)


def _absolute(word: str) -> list[Path]:
    path = Path(word).expanduser()
    return [*Path("/").glob(str(path)[1:])]
