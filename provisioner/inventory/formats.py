"""What single values must look like. Every check returns what is wrong in a few words, or nothing."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from string import ascii_letters
from urllib.parse import urlsplit

from provisioner.components import COMPONENTS
from provisioner.inventory.networks import span
from provisioner.state.problems import show

Check = Callable[[object], str]

#: More hosts than any Mesos cluster was ever seen with (50,000 agents): such a range is a slip of the keyboard, and costs memory.
HOSTS_MAX = 100_000
_NAME_MAX = 253
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_CLUSTER_NAME = re.compile(_LABEL)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,63}\$?")
_REGISTRY = re.compile(r"(?P<host>[^:/\s]+):(?P<port>[0-9]{1,5})")
_RANGE = re.compile(r"\[([0-9]*|[a-zA-Z]):([0-9]+|[a-zA-Z])(?::([0-9]+))?\]")
_RANGE_FORM = "a range is written like m[1:3], m[01:10], m[0:9:3] or m[a:c]"


def host_name(value: object) -> str:
    """A DNS name in lower case."""
    text = str(value)
    if len(text) <= _NAME_MAX and _HOST_NAME.fullmatch(text):
        return ""
    if "@" in text:
        return "has a user in it: write the name alone, and the user as ansible_user"
    rule = "must be made of a-z, 0-9 and '-' (labels may be joined by dots) and start with a letter or digit"
    dashed = text.replace("_", "-").lower()
    if "_" in text and _HOST_NAME.fullmatch(dashed):
        return f"{rule}: call it {dashed}, and write ansible_host: {text} below it if that is the name it is reached by"
    if any(c.isspace() for c in text):
        return f"{rule}: remove the space (U+{ord(next(c for c in text if c.isspace())):04X})"
    try:
        ipaddress.IPv6Address(text.strip("[]"))
    except ValueError:
        return rule
    return f"{rule}: give the host a name, and write ansible_host: '{text.strip('[]')}' below it"


def cluster_name(value: object) -> str:
    """One DNS label."""
    return "" if _CLUSTER_NAME.fullmatch(str(value)) else "must be made of a-z, 0-9 and '-', at most 63 characters"


def address(value: object) -> str:
    """What SSH connects to: an IPv4 or IPv6 address or a DNS name."""
    text = str(value)
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        if ip.is_multicast or ip.is_unspecified:
            return "is not the address of one machine"
        only_there = isinstance(ip, ipaddress.IPv6Address) and ip.is_link_local and not ip.scope_id
        return f"holds on one network only: name the interface of this machine that leads to it, like {text}%eth0" if only_there else ""
    if re.fullmatch(r"[^:]+:[0-9]+", text):
        return "has a port in it: write the address alone, and the port as ansible_port"
    # What has only digits and dots was meant as an IPv4 address, however well it reads as a name.
    # Names of machines in /etc/hosts may have underscores, though DNS' have none.
    if re.fullmatch(r"[0-9.]+", text) or host_name(text.lower().replace("_", "-").removesuffix(".")):
        return "is neither an IP address nor a DNS name"
    return ""


def cluster_address(value: object) -> str:
    """What the other hosts use. ZooKeeper's and Mesos' connection strings join it with ports by ':', so no IPv6."""
    if ":" in str(value):
        return "must be an IPv4 address or a DNS name: ZooKeeper's and Mesos' connection strings take no IPv6"
    return address(value)


def user(value: object) -> str:
    """A login name."""
    return "" if _USER.fullmatch(str(value)) else f"is not a login name: {show(str(value))}"


def port(value: object) -> str:
    """A TCP port."""
    return "" if isinstance(value, int) and 1 <= value <= 65535 else "must be between 1 and 65535"


def zookeeper_id(value: object) -> str:
    """`myid`: 1 to 255 (ZooKeeper administrator's guide; 255 is the limit with TTL nodes on, 3.5 and later)."""
    return "" if isinstance(value, int) and 1 <= value <= 255 else "must be between 1 and 255"


def url(value: object) -> str:
    """The root of a site mirror."""
    try:
        parts = urlsplit(str(value))
        found = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        found = None
    if not found or re.search(r"\s", str(value)):
        return "must be a URL like http://mirror.example.com"
    return "must not carry a password" if parts.username or parts.password else ""


def proxy(value: object) -> str:
    """Where a proxy listens, as hosts reach it."""
    text = str(value)
    wrong = url(value)
    if wrong:
        return wrong.replace("http://mirror.example.com", "http://proxy.example.com:3128")
    parts = urlsplit(text)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return "must end with the port, like http://proxy.example.com:3128"
    if wrong := address(parts.hostname):
        return f"names a machine that {wrong}"
    return "means each host itself" if parts.hostname == "localhost" or str(parts.hostname).startswith("127.") else ""


def registry(value: object) -> str:
    """`host:port` of an image registry."""
    text = str(value)
    match = _REGISTRY.fullmatch(text)
    if match and not address(match["host"]) and not port(int(match["port"])):
        return ""
    scheme, _, rest = text.rpartition("://")
    login, _, rest = rest.rpartition("@")
    place, slash, path = rest.partition("/")
    advice = [f"leave out {scheme}://"] if scheme else []
    advice += ["leave the login out and run 'docker login' on the hosts"] if login else []
    advice += [f"leave out {slash}{path}: images keep their own names there"] if slash else []
    advice += ["name it by DNS or IPv4: names of images hold no IPv6 address"] if place.startswith("[") or place.count(":") > 1 else []
    advice += [f"add its port: {place}:{80 if scheme == 'http' else 443}"] if place and not address(place) and ":" not in place else []
    said = "" if login else f" (not {show(text)})"
    return "; ".join(["must be host:port, like registry.example.com:5000", *advice]) + said


def single_line(value: object) -> str:
    """Text that ends up in one line of a file or command."""
    return "must be a single line" if "\n" in str(value) else ""


def versions(value: object) -> str:
    """Component (by its role's name) to version."""
    known = sorted({c.role for c in COMPONENTS})
    for name, version in value.items() if isinstance(value, dict) else ():
        if name not in known:
            return f"names no component: {show(name)}; valid: {', '.join(known)}"
        if not isinstance(version, str):
            return f"must have the version of {name} in quotes"
    return ""


def networks(value: object) -> str:
    """Networks and ranges of IPv4 addresses."""
    for each in value if isinstance(value, list) else []:
        try:
            span(str(each))
        except ValueError as error:
            return f"{error}: {show(str(each))}"
    return ""


def several_lines(value: object) -> str:
    """Text that is a file of its own."""
    return ""


#: The checks that go beyond a variable's type.
CHECKS: Mapping[str, Check] = {
    "cluster_name": cluster_name,
    "cluster_address": cluster_address,
    "cluster_mirror": url,
    "cluster_http_proxy": proxy,
    "cluster_https_proxy": proxy,
    "cluster_registry": registry,
    "cluster_versions": versions,
    "cluster_ca_certificate": several_lines,
    "cluster_ca_key": several_lines,
    "cluster_networks": networks,
    "cluster_operator_networks": networks,
    "zookeeper_id": zookeeper_id,
}


#: What to do about a value that its check refuses, where the description of the variable does not say it.
CURES: Mapping[str, str] = dict.fromkeys(("cluster_networks", "cluster_operator_networks"),
                                         "write a list, as in [10.1.0.0/16, 10.2.0.5-10.2.0.9]: networks by their first address")


def check(name: str, kind: str, value: object) -> str:
    """What is wrong with a variable's value, which is of the right type already; or nothing."""
    if name in CHECKS:
        return CHECKS[name](value)
    if kind == "int" and name.endswith("_port"):
        return port(value)
    return single_line(value) if name.startswith(("ansible_", "cluster_")) and kind in ("str", "path") else ""


def expand(pattern: str) -> list[str]:
    """The host names of a pattern with ranges as Ansible reads them: m[1:3], m[01:10], m[:3] (from 0), m[0:9:3], r[a:c], r[A:C].

    Raises ValueError, with a sentence for the user, when a range is none, is empty, or names more than HOSTS_MAX hosts.
    """
    if len(pattern) > _NAME_MAX:
        raise ValueError(f"a host name has at most {_NAME_MAX} characters")
    match = _RANGE.search(pattern)
    before = pattern[: match.start()] if match else pattern
    if "[" in before or "]" in before:
        raise ValueError(_RANGE_FORM)
    if not match:
        return [pattern]
    names, tails = _range(match[1] or "0", match[2], int(match[3] or "1")), expand(pattern[match.end() :])
    if len(names) * len(tails) > HOSTS_MAX:
        raise ValueError(f"this names more than {HOSTS_MAX:,} hosts")
    return [f"{before}{name}{tail}" for name in names for tail in tails]


def _range(first: str, last: str, step: int) -> list[str]:
    if first.isdigit() != last.isdigit() or step < 1:
        raise ValueError(_RANGE_FORM)
    if not first.isdigit():
        # Like Ansible: a to z, then A to Z.
        return [ascii_letters[i] for i in _bounded(ascii_letters.index(first), ascii_letters.index(last), step)]
    width = len(first) if first.startswith("0") and len(first) > 1 else 0
    if width and len(first) != len(last):
        raise ValueError("both ends of a range with leading zeros must be equally long, like m[01:10]")
    if max(len(first), len(last)) > 9:
        raise ValueError("the numbers of a range have at most nine digits")
    return [str(n).zfill(width) for n in _bounded(int(first), int(last), step)]


def _bounded(first: int, last: int, step: int) -> range:
    numbers = range(first, last + 1, step)
    if not numbers:
        raise ValueError("the range ends before it starts")
    if len(numbers) > HOSTS_MAX:
        raise ValueError(f"this names more than {HOSTS_MAX:,} hosts")
    return numbers
