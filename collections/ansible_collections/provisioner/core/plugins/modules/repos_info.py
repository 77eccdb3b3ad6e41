#!/usr/bin/python
"""Ansible module: see DOCUMENTATION.

A key is taken over only when its fingerprint is the expected one, and nothing else that the file holds: this runs before anything
is trusted, so it computes the fingerprint itself (RFC 9580, section 5.5.4) instead of needing GnuPG.
"""

from __future__ import annotations

import base64
import concurrent.futures
import hashlib
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.host import guarded, printed

DOCUMENTATION = r"""
module: repos_info
short_description: What the package sources of this host lack
description: Fetches the keys of the package sources and compares their fingerprints with the expected ones. Changes nothing.
options:
  repositories:
    description: The wanted package sources. Other keys are passed over.
    type: list
    elements: dict
    default: []
  folder: {description: Folder of the keys., type: path, required: true}
  refresh: {description: Fetch the keys that are there too., type: bool, default: false}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Look at the package sources
  provisioner.core.repos_info:
    repositories:
      - name: vendor
        key_url: https://repo.example.com/key.asc
        key_fingerprint: AB12 CD34 EF56 AB12 CD34 EF56 AB12 CD34 EF56 AB12
        uri: https://repo.example.com/debian
        suite: bookworm
    folder: /etc/apt/keyrings
"""
RETURN = r"""
missing: {description: "Keys to write, [{path, content in ASCII armour}].", returned: always, type: list}
leftovers: {description: Keys of repositories that are no longer wanted., returned: always, type: list}
problems: {description: Sentences for the reader., returned: always, type: list}
damaged:
  description: Release files that apt stored and cannot read (power loss). It never replaces them by itself.
  returned: always
  type: list
stale:
  description: Whether the package lists of apt are missing or not those that the repositories serve now.
  returned: always
  type: bool
"""
ARGUMENTS: dict[str, Any] = {
    "repositories": {"type": "list", "elements": "dict", "default": []},
    "folder": {"type": "path", "required": True},
    "refresh": {"type": "bool", "default": False},
}
LISTS = "/var/lib/apt/lists/"
MOST = 4 << 20  # bytes; the largest release file of a distribution is below 1 MiB
SECONDS = 20
CREATED, LASTS, ISSUER, ISSUER_FINGERPRINT = 2, 9, 16, 33  # subpackets of signatures (RFC 9580, section 5.2.3.7)
SELF_SIGNATURES = (0x10, 0x11, 0x12, 0x13)  # types of signatures on a key's names, which say when it expires
PUBLIC_KEY, SIGNATURE, USER_ID, SUBKEY, USER_ATTRIBUTE = 6, 2, 13, 14, 17  # packet types
BEGIN, END = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"


def opener() -> urllib.request.OpenerDirector:
    """As apt would connect: through the proxy of its configuration, if there is one."""
    proxies = urllib.request.getproxies()
    for scheme in ("http", "https"):
        found = re.search(r"p='(.+)'", printed("apt-config", "shell", "p", f"Acquire::{scheme}::Proxy"))
        if found and found.group(1) != "DIRECT":
            proxies[scheme] = found.group(1)
    return urllib.request.build_opener(urllib.request.ProxyHandler(proxies))


def fetch(url: str) -> bytes:
    """What is served there."""
    with opener().open(url, timeout=SECONDS) as answer:
        content: bytes = answer.read(MOST)
        return content


def unarmoured(data: bytes) -> bytes:
    """The packets, whichever way they are written down."""
    if data[:1] and data[0] & 0x80:
        return data
    blocks = re.findall(BEGIN + r"(.*?)" + END, data.decode("ascii", "replace"), re.S)
    bodies = [block.replace("\r", "").partition("\n\n")[2] for block in blocks]
    return b"".join(base64.b64decode(re.split(r"\n=[A-Za-z0-9+/]{4}\s*$", body)[0]) for body in bodies)


def length_of(data: bytes, start: int) -> tuple[int, int]:
    """Length of the packet's body and where it begins; ValueError for the forms that keys never use."""
    head = data[start]
    if head & 0xC0 == 0xC0:
        first = data[start + 1]
        if first < 192:
            return first, start + 2
        if first < 224:
            return ((first - 192) << 8) + data[start + 2] + 192, start + 3
        if first == 255:
            return int.from_bytes(data[start + 2:start + 6], "big"), start + 6
    elif head & 0x80 and head & 3 < 3:
        size = 1 << (head & 3)
        return int.from_bytes(data[start + 1:start + 1 + size], "big"), start + 1 + size
    raise ValueError("not an OpenPGP key")


def packets(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Type, body and all bytes of each packet."""
    start = 0
    while start < len(data):
        length, body = length_of(data, start)
        if body + length > len(data):
            raise ValueError("cut off")
        kind = data[start] & 0x3F if data[start] & 0x40 else data[start] >> 2 & 0xF
        yield kind, data[body:body + length], data[start:body + length]
        start = body + length


def fingerprint(body: bytes) -> str:
    """Of the key in such a packet."""
    if body[:1] == b"\x04":
        return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()  # noqa: S324 - defined so
    if body[:1] == b"\x06":
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    raise ValueError("a key of a version that is neither 4 nor 6")


def keys_in(data: bytes) -> dict[str, bytes]:
    """The bytes of every public key in `data`, with its subkeys and signatures, by the fingerprint of the primary key."""
    found: dict[str, bytes] = {}
    current = ""
    for kind, body, raw in packets(unarmoured(data)):
        if kind == PUBLIC_KEY:
            current = fingerprint(body)
            found[current] = b""
        if current and kind in (PUBLIC_KEY, SIGNATURE, USER_ID, SUBKEY, USER_ATTRIBUTE):
            found[current] += raw
    return found


def subpackets(body: bytes, start: int) -> tuple[dict[int, bytes], int]:
    """One of the two areas of a signature, by type, and where the next thing begins."""
    found: dict[int, bytes] = {}
    at, end = start + 2, start + 2 + int.from_bytes(body[start:start + 2], "big")
    while at < end:
        length, size = body[at], 1
        if length == 255:
            length, size = int.from_bytes(body[at + 1:at + 5], "big"), 5
        elif length >= 192:
            length, size = ((length - 192) << 8) + body[at + 1] + 192, 2
        found[body[at + size] & 0x7F] = body[at + size + 1:at + size + length]
        at += size + length
    return found, end


def ends(raw: bytes) -> float:
    """When a key of version 4 (its primary one, with what belongs to it) expires, in seconds since the epoch, as its newest signature of
    itself says. Of what others signed nothing counts.
    """
    begun, own, newest, lasts = 0, b"", -1, 0
    for kind, body, _ in packets(raw):
        if kind == SUBKEY:
            break
        if kind == PUBLIC_KEY:
            begun, own = int.from_bytes(body[1:5], "big"), bytes.fromhex(fingerprint(body))
        elif kind == SIGNATURE and len(body) > 6 and body[0] == 4 and body[1] in SELF_SIGNATURES:
            signed, end = subpackets(body, 4)
            issuer = {**subpackets(body, end)[0], **signed}
            made = int.from_bytes(signed.get(CREATED, b""), "big")
            if (issuer.get(ISSUER) == own[-8:] or issuer.get(ISSUER_FINGERPRINT, b"")[1:] == own) and made >= newest:
                newest, lasts = made, int.from_bytes(signed.get(LASTS, b""), "big")
    return begun + lasts if lasts else float("inf")


def armoured(raw: bytes) -> str:
    """In ASCII, as apt and dnf read it."""
    checksum = 0xB704CE
    for byte in raw:
        checksum ^= byte << 16
        for _ in range(8):
            checksum = checksum << 1 ^ (0x1864CFB if checksum & 0x800000 else 0)
    text = base64.b64encode(raw).decode()
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    tail = base64.b64encode((checksum & 0xFFFFFF).to_bytes(3, "big")).decode()
    return "\n".join([BEGIN, "", *lines, "=" + tail, END, ""])


def installed(path: str) -> bytes:
    """What the file holds."""
    file = Path(path)
    return file.read_bytes() if file.exists() else b""


def key_of(repository: dict[str, str], path: str, refresh: bool) -> tuple[str, str]:
    """(text to write or "", sentence about what is wrong or "")."""
    name, url = repository["name"], repository["key_url"]
    wanted = repository["key_fingerprint"].replace(" ", "").upper()
    if not re.match(r"[a-z0-9][a-z0-9.-]*$", name):
        return "", f"The repository name {name!r} must consist of a-z, 0-9, dots and dashes."
    if not re.match(r"([0-9A-F]{40}|[0-9A-F]{64})$", wanted):
        return "", f"key_fingerprint of repository {name} must be the whole fingerprint (40 or 64 hexadecimal digits)."
    now = installed(path)
    try:
        there = keys_in(now).get(wanted, b"")
        # One that has expired is fetched again: vendors extend it before, and whoever has the old copy learns it by this only.
        if not refresh and armoured(there).encode() == now and ends(there) > time.time():
            return "" if guarded(Path(path), 0o644) else now.decode(), ""
    except (ValueError, IndexError):  # damaged: replaced below
        pass
    try:
        served = keys_in(fetch(url))
    except (OSError, ValueError, IndexError) as error:
        return "", (f"The key of repository {name} cannot be taken from {url} ({error}): correct key_url, or see whether this host "
                    "reaches it.")
    if wanted not in served:
        given = ", ".join(served) or "none"
        return "", (f"The key of repository {name} at {url} is not the expected one, so it was not trusted: expected {wanted}, served "
                    f"{given}. If the vendor announced a new key, correct the fingerprint.")
    text = armoured(served[wanted])
    return "" if text.encode() == now and guarded(Path(path), 0o644) else text, ""


def list_name(url: str) -> str:
    """The name apt gives to its copy of a file (apt-pkg: URItoFileName)."""
    bare = re.sub(r"^[a-z+]+:/*([^/@]*@)?", "", url)
    return re.sub(r"[\\|{}\[\]<>\"^~_=!@#$%&*]", lambda match: f"%{ord(match.group()):02x}", bare).replace("/", "_")


def is_stale(repository: dict[str, str]) -> bool:
    """An unreachable repository counts as stale: refreshing the lists then fails with apt's own reason."""
    suite = repository["suite"]
    root = repository["uri"].rstrip("/") + "/" + (suite if suite.endswith("/") else f"dists/{suite}/")
    for release in ("InRelease", "Release"):
        try:
            return fetch(root + release) != installed(LISTS + list_name(root + release))
        except urllib.error.HTTPError:
            continue
        except OSError:
            return True
    return True


def damaged() -> list[str]:
    """Release files that apt stored and cannot read."""
    paths = sorted(Path(LISTS).glob("*InRelease"))
    return [str(path) for path in paths if not path.read_bytes().rstrip().endswith(b"-----END PGP SIGNATURE-----")]


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """See RETURN."""
    folder, repositories = Path(asked["folder"]), asked["repositories"]
    paths = {r["name"]: str(folder / f"provisioner-{r['name']}.asc") for r in repositories}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda r: key_of(r, paths[r["name"]], asked["refresh"]), repositories))
        stale = list(pool.map(is_stale, [r for r in repositories if "suite" in r]))
    return {
        "missing": [{"path": path, "content": keys[at][0]} for at, path in enumerate(paths.values()) if keys[at][0]],
        "problems": [problem for _, problem in keys if problem],
        "leftovers": sorted({str(path) for path in folder.glob("provisioner-*.asc")} - set(paths.values())),
        "damaged": damaged(),
        "stale": any(stale) or not list(Path(LISTS).glob("*Release")),
    }


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
