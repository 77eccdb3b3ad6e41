"""The mirror gives what it has: another host downloads a file and the manifest of an image, and they are what the catalogue says."""

from __future__ import annotations

import json
from typing import Any

from provisioner.cluster.model import Host
from provisioner.hosts.remote_calls import BrokenLink
from provisioner.inventory.site import host as serving
from provisioner.observe.proof import Cleaning, Link, Proof, Skipped

#: Run on a host, with what is wanted as its argument; it prints what it found.
_FETCH = r'''
import hashlib, json, ssl, sys, urllib.request
asked = json.loads(sys.argv[1])
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(
    context=ssl.create_default_context(cafile=asked["ca"]) if asked["ca"] else None))
def get(url, **headers):
    return opener.open(urllib.request.Request(url, headers=headers), timeout=20)
def hashed(stream):
    whole = hashlib.sha256()
    for data in iter(lambda: stream.read(1 << 20), b""):
        whole.update(data)
    return whole.hexdigest()
def lowest(text, name):
    rows = [dict(l.split(": ", 1) for l in row.splitlines() if ": " in l and l[0] != " ") for row in text.split("\n\n")]
    return min((r for r in rows if name in r), key=lambda r: int(r["Size"]))
try:
    rows = json.loads(get(asked["server"] + "/catalogue.json").read().decode())
    if asked["what"] == "image":
        row = next((r for r in rows if r["kind"] == "image" and r.get("digest")), None)
        accept = ["application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
                  "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"]
        url = row and asked["registry"] + "/v2/" + row["image"].rpartition(":")[0] + "/manifests/" + row["digest"]
        found = row and "sha256:" + hashed(get(url, Accept=", ".join(accept)))
        answer = row and {"name": row["image"], "wanted": row["digest"], "found": found}
    else:
        row = next((r for r in rows if r["kind"] == "archive" and r.get("file")), None)
        file, wanted = row and row["file"], row and row["sha256"]
        release = dict(l.rstrip().split("=", 1) for l in open("/etc/os-release") if "=" in l)
        own = next((r for r in rows if r["kind"] == "repository"), None)
        if not row and own and release.get("VERSION_CODENAME"):
            machine = {"x86_64": "amd64", "aarch64": "arm64"}[__import__("os").uname().machine]
            index = get("%s/%s/dists/%s/main/binary-%s/Packages" % (asked["server"], own["uri"], release["VERSION_CODENAME"], machine))
            package = lowest(index.read().decode(), "Filename")
            file, wanted = own["uri"] + "/" + package["Filename"], package["SHA256"]
        answer = file and {"name": file, "wanted": wanted, "found": hashed(get(asked["server"] + "/" + file))}
    print(json.dumps(answer))
except (OSError, ValueError, KeyError) as error:
    print(json.dumps({"error": str(error) or type(error).__name__}))
'''
_SECONDS = 120.0


def gives_a_file(proof: Proof) -> str:
    """A host downloads an archive, or else a package, and compares it."""
    return _given(proof, "file")


def gives_an_image(proof: Proof) -> str:
    """A host asks for a manifest by its digest."""
    return _given(proof, "image")


def _given(proof: Proof, what: str) -> str:
    mirror = serving(proof.cluster)
    if mirror is None:
        raise Skipped("this cluster runs no mirror")
    client = _client(proof, mirror)
    probe = proof.variable(mirror, "mirror_probe", {})
    said = _asked(proof, client, {"what": what, "server": f"http://{probe['server']}", **_registry(str(probe["registry"]))})
    where = f"the mirror on {mirror.name}, asked from {client.name}"
    if said is None:
        raise Skipped(f"the mirror has no {what} to ask for")
    if "error" in said:
        raise BrokenLink(where, str(said["error"]))
    if said["found"] != said["wanted"]:
        raise BrokenLink(where, f"{said['name']} is {said['found']} there, its catalogue says {said['wanted']}")
    return f"{said['name']} on {client.name}"


def _asked(proof: Proof, client: Host, asked: dict[str, str]) -> dict[str, Any] | None:
    python = str(client.variables.get("ansible_python_interpreter") or "python3")
    code, output = proof.calls.run(client, python, "-IS", "-c", _FETCH, json.dumps(asked), timeout=_SECONDS)
    try:
        found: dict[str, Any] | None = json.loads(output)
    except ValueError:
        return {"error": output or f"it ended with {code}"}
    return found


def _registry(server: str) -> dict[str, str]:
    """How the registry is asked, and by whose certificate it is trusted."""
    closed = server.startswith("https://")
    return {"registry": server if closed else f"http://{server}", "ca": "/etc/provisioner/tls/ca.pem" if closed else ""}


def _client(proof: Proof, mirror: Host) -> Host:
    """Another host, where there is one."""
    return next((host for host in proof.cluster.hosts if host.name != mirror.name), mirror)


LINKS = (
    Link("the mirror gives a file as it is locked", "site mirror", gives_a_file),
    Link("the mirror gives an image by its digest", "site mirror's registry", gives_an_image),
)
CLEANING: tuple[Cleaning, ...] = ()
