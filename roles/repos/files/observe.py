"""Print, as JSON, what the package sources of this host lack.

Argument 1: JSON {repositories: [{name, key_url, key_fingerprint, uri, suite}], folder: of the keys, refresh: bool}; uri and
suite only for apt. A key is taken over only when its fingerprint is the expected one, and nothing else that the file holds:
this runs before anything is trusted, so it computes the fingerprint itself (RFC 9580, section 5.5.4) instead of needing GnuPG.

missing   keys to write, [{path, text in ASCII armour}]      leftovers   keys of repositories that are no longer wanted
problems  sentences for the reader                        folder      whether the folder of the keys exists
damaged   release files that apt stored and cannot read (power loss): it never replaces them by itself
stale     whether the package lists of apt are missing or not those that the repositories serve now
"""
import base64
import concurrent.futures
import hashlib
import json
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

LISTS = "/var/lib/apt/lists/"
MOST = 4 << 20  # bytes; the largest release file of a distribution is below 1 MiB
SECONDS = 20
PUBLIC_KEY, SIGNATURE, USER_ID, SUBKEY, USER_ATTRIBUTE = 6, 2, 13, 14, 17  # packet types
BEGIN, END = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"


def opener():
    """As apt would connect: through the proxy of its configuration, if there is one."""
    proxies = urllib.request.getproxies()
    for scheme in ("http", "https"):
        try:
            line = subprocess.check_output(["apt-config", "shell", "p", f"Acquire::{scheme}::Proxy"]).decode()
        except FileNotFoundError:  # no apt here
            break
        found = re.search(r"p='(.+)'", line)
        if found and found.group(1) != "DIRECT":
            proxies[scheme] = found.group(1)
    return urllib.request.build_opener(urllib.request.ProxyHandler(proxies))


def fetch(url):
    with opener().open(url, timeout=SECONDS) as answer:
        return answer.read(MOST)


def unarmoured(data):
    if data[:1] and data[0] & 0x80:
        return data
    blocks = re.findall(BEGIN + r"(.*?)" + END, data.decode("ascii", "replace"), re.S)
    bodies = [block.replace("\r", "").partition("\n\n")[2] for block in blocks]
    return b"".join(base64.b64decode(re.split(r"\n=[A-Za-z0-9+/]{4}\s*$", body)[0]) for body in bodies)


def length_of(data, start):
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


def packets(data):
    start = 0
    while start < len(data):
        length, body = length_of(data, start)
        if body + length > len(data):
            raise ValueError("cut off")
        kind = data[start] & 0x3F if data[start] & 0x40 else data[start] >> 2 & 0xF
        yield kind, data[body:body + length], data[start:body + length]
        start = body + length


def fingerprint(body):
    if body[:1] == b"\x04":
        return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()  # noqa: S324 - defined so
    if body[:1] == b"\x06":
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    raise ValueError("a key of a version that is neither 4 nor 6")


def keys_in(data):
    """The bytes of every public key in `data`, with its subkeys and signatures, by the fingerprint of the primary key."""
    found, current = {}, ""
    for kind, body, raw in packets(unarmoured(data)):
        if kind == PUBLIC_KEY:
            current = fingerprint(body)
            found[current] = b""
        if current and kind in (PUBLIC_KEY, SIGNATURE, USER_ID, SUBKEY, USER_ATTRIBUTE):
            found[current] += raw
    return found


def armoured(raw):
    checksum = 0xB704CE
    for byte in raw:
        checksum ^= byte << 16
        for _ in range(8):
            checksum = checksum << 1 ^ (0x1864CFB if checksum & 0x800000 else 0)
    text = base64.b64encode(raw).decode()
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    tail = base64.b64encode((checksum & 0xFFFFFF).to_bytes(3, "big")).decode()
    return "\n".join([BEGIN, "", *lines, "=" + tail, END, ""])


def installed(path):
    file = Path(path)
    return file.read_bytes() if file.exists() else b""


def guarded(path):
    """Whether a key file belongs to root and nobody else may write to it, as it is written here."""
    found = Path(path).stat()
    return (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (0, 0, 0o644)


def key_of(repository, path, refresh):
    """(text to write or "", sentence about what is wrong or "")."""
    name, url = repository["name"], repository["key_url"]
    wanted = repository["key_fingerprint"].replace(" ", "").upper()
    if not re.match(r"[a-z0-9][a-z0-9.-]*$", name):
        return "", f"The repository name {name!r} must consist of a-z, 0-9, dots and dashes."
    if not re.match(r"([0-9A-F]{40}|[0-9A-F]{64})$", wanted):
        return "", f"key_fingerprint of repository {name} must be the whole fingerprint (40 or 64 hexadecimal digits)."
    now = installed(path)
    try:
        if not refresh and armoured(keys_in(now).get(wanted, b"")).encode() == now:
            return "" if guarded(path) else now.decode(), ""
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
    return "" if text.encode() == now and guarded(path) else text, ""


def list_name(url):
    """The name apt gives to its copy of a file (apt-pkg: URItoFileName)."""
    bare = re.sub(r"^[a-z+]+:/*([^/@]*@)?", "", url)
    return re.sub(r"[\\|{}\[\]<>\"^~_=!@#$%&*]", lambda match: f"%{ord(match.group()):02x}", bare).replace("/", "_")


def is_stale(repository):
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


def damaged():
    paths = sorted(Path(LISTS).glob("*InRelease"))
    return [str(path) for path in paths if not path.read_bytes().rstrip().endswith(b"-----END PGP SIGNATURE-----")]


def main():
    asked = json.loads(sys.argv[1])
    folder = Path(asked["folder"])
    paths = {r["name"]: str(folder / "provisioner-{}.asc".format(r["name"])) for r in asked["repositories"]}
    apt = [r for r in asked["repositories"] if "suite" in r]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda r: key_of(r, paths[r["name"]], asked["refresh"]), asked["repositories"]))
        stale = list(pool.map(is_stale, apt))
    print(json.dumps({
        "missing": [{"path": path, "text": keys[at][0]} for at, path in enumerate(paths.values()) if keys[at][0]],
        "problems": [problem for _, problem in keys if problem],
        "leftovers": sorted({str(path) for path in folder.glob("provisioner-*.asc")} - set(paths.values())),
        "folder": folder.is_dir(),
        "damaged": damaged(),
        "stale": any(stale) or not list(Path(LISTS).glob("*Release")),
    }))


if __name__ == "__main__":
    main()
