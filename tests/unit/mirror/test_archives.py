"""Archives by what their vendor publishes of them: a real HTTP server, checksum files as vendors write them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.mirror.archives import WrongFileError, locked
from provisioner.mirror.artefacts import NeededArchive
from provisioner.mirror.fetch import NoAnswerError
from tests.unit.mirror.served import Served, serving

CONTENT = b"a program" * 1000
SHA256, SHA512 = hashlib.sha256(CONTENT).hexdigest(), hashlib.sha512(CONTENT).hexdigest()


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as served:
        served.file("one_2.0.zip", CONTENT)
        yield served


def archive(vendor: Served, checksum: str, *urls: str) -> NeededArchive:
    return NeededArchive("consul", "2.0", urls or (f"{vendor.address}/one_2.0.zip",), checksum)


@pytest.mark.parametrize(("published", "prefix"), [
    (f"{'0' * 64}  one_2.0_arm.zip\n{SHA256}  one_2.0.zip\n", ""), (f"{SHA256} *./dist/one_2.0.zip\n", ""), (f"{SHA256}\n", ""),
    (f"{SHA512}  one_2.0.zip\n", "sha512:"), (f"{SHA512.upper()}\n", "sha512:"),
])
def test_what_the_vendor_publishes_is_locked_as_sha256(vendor: Served, published: str, prefix: str) -> None:
    found = locked(archive(vendor, prefix + vendor.file("SUMS", published.encode())))
    assert (found.name, found.version, found.digest, found.size) == ("one_2.0.zip", "2.0", f"sha256:{SHA256}", len(CONTENT))
    assert found.url == f"{vendor.address}/one_2.0.zip"


def test_a_catalogue_that_names_the_checksum_is_believed(vendor: Served) -> None:
    assert locked(archive(vendor, "ab" * 32)).digest == f"sha256:{'ab' * 32}"


def test_the_next_address_serves_what_the_first_no_longer_does(vendor: Served) -> None:
    gone, there = f"{vendor.address}/gone/one_2.0.zip", f"{vendor.address}/one_2.0.zip"
    assert locked(archive(vendor, SHA256, gone, there)).url == there
    with pytest.raises(NoAnswerError, match="HTTP 404"):
        locked(archive(vendor, SHA256, gone))


@pytest.mark.parametrize(("published", "prefix", "said"), [
    (f"{'0' * 128}  one_2.0.zip\n", "sha512:", "published is 0000"), (f"{SHA256}  other.zip\n", "", "has no sha256 of one_2.0.zip"),
    ("<html>moved</html>", "", "has no sha256 of one_2.0.zip"), (f"{SHA256}  one_2.0.zip\n", "sha512:", "has no sha512"),
])
def test_what_does_not_fit_is_refused(vendor: Served, published: str, prefix: str, said: str) -> None:
    with pytest.raises(WrongFileError, match=said):
        locked(archive(vendor, prefix + vendor.file("SUMS", published.encode())))


def test_without_any_checksum_nothing_is_locked(vendor: Served) -> None:
    with pytest.raises(WrongFileError, match=r"no checksum of consul 2\.0"):
        locked(archive(vendor, ""))
