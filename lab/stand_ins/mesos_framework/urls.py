"""ZooKeeper URLs and the addresses of Mesos masters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

_URL = re.compile(r"zk://(?:(?P<user>[^:/@]+):(?P<password>[^@]*)@)?(?P<hosts>[^/@]+)(?P<path>/.*)?$")
_HOST = re.compile(r"[^:,\s]+:\d+$")
_MASTER_NODE = re.compile(r"json\.info_(\d{10})$")


class UrlError(Exception):
    """A URL that names no ZooKeeper ensemble."""


@dataclass(frozen=True)
class ZkUrl:
    """`zk://user:password@a:2181,b:2181/path`; `auth` is "user:password", or "" when the URL has none."""

    hosts: str
    path: str
    auth: str = ""

    @property
    def redacted(self) -> str:
        """The URL as it may appear in an answer or a log."""
        return f"zk://{'xxxxxxxx:xxxxxxxx@' if self.auth else ''}{self.hosts}{self.path}"


def parse_zk(url: str) -> ZkUrl:
    """Takes a `zk://` URL apart; raises UrlError."""
    match = _URL.match(url)
    if not match or not all(_HOST.match(h) for h in match["hosts"].split(",")):
        raise UrlError(f"'{url.rsplit('@', 1)[-1]}' is no zk://host:port,.../path")
    auth = f"{match['user']}:{match['password']}" if match["user"] else ""
    return ZkUrl(match["hosts"], (match["path"] or "").rstrip("/"), auth)


def leading_master(nodes: Mapping[str, bytes]) -> str:
    """`ip:port` of the master behind the lowest json.info_* node, "" when there is none.

    `nodes` maps the names below the masters' path to their data. The `ip` number in the data is little-endian and of no
    use; `address` holds the readable form.
    """
    numbers = {int(m[1]): name for name in nodes if (m := _MASTER_NODE.match(name))}
    if not numbers:
        return ""
    address = json.loads(nodes[numbers[min(numbers)]])["address"]
    return f"{address.get('ip') or address['hostname']}:{address['port']}"
