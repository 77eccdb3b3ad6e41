"""The index of a yum repository, looked at again: its signature, the checksums in it, and that it lists what it should."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path

from provisioner.errors import ProvisionError
from provisioner.mirror.files import file_sha256
from provisioner.mirror.keys import holding_only
from provisioner.mirror.programs import attempt

_REPO, _COMMON = "{http://linux.duke.edu/metadata/repo}", "{http://linux.duke.edu/metadata/common}"


def faults(root: Path, key: Path, expected: Mapping[str, str]) -> Iterator[str]:
    """Sentences about all that is wrong with it; `expected` are the SHA-256 of its packages in hex, by their place below `root`."""
    index = root / "repodata" / "repomd.xml"
    try:
        _verify(index, key)
        listed = {str(_one(each, "location").get("href")): str(_one(each, "checksum").text) for each in _parsed(index.read_bytes())}
    except (OSError, ProvisionError, ET.ParseError) as error:
        yield f"{root}: {getattr(error, 'message', '') or error}"
        return
    wrong = [name for name, digest in listed.items() if not (root / name).is_file() or file_sha256(root / name) != digest]
    yield from (f"{root / name} is not what its signature says" for name in wrong)
    packages = {}
    for name in listed:
        if name.endswith("primary.xml.gz") and name not in wrong:
            found = _parsed(gzip.decompress((root / name).read_bytes()), _COMMON + "package")
            packages = {_one(each, "location", _COMMON).get("href"): _one(each, "checksum", _COMMON).text for each in found}
    yield from (f"{index} does not list {place} as it is locked" for place, digest in expected.items() if packages.get(place) != digest)


def _parsed(content: bytes, tag: str = _REPO + "data") -> list[ET.Element]:
    return ET.fromstring(content).findall(tag)  # noqa: S314 - it is our own, and its signature was verified


def _one(parent: ET.Element, name: str, space: str = _REPO) -> ET.Element:
    """An element that every index has. Raises ProvisionError."""
    if (found := parent.find(space + name)) is None:
        raise ProvisionError(f"the index has no {name} where one must be")
    return found


def _verify(file: Path, key: Path) -> None:
    """Raises ProvisionError where a file has no signature beside it by the only key in another file, OSError."""
    with holding_only(key) as gpg:
        if attempt([*gpg, "--verify", f"{file}.asc", str(file)]).returncode:
            raise ProvisionError(f"{file.name} is not signed by the key in {key.name}")
