"""Packages come from the signed source and from no other; a key that is not the expected one is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

On = Callable[[str], Any]
Converge = Callable[..., subprocess.CompletedProcess[str]]
Variable = Callable[[str, str], Any]
#: A package of the mirror, never installed here: only whether the package manager would accept it.
SMALL = "lrzsz"


class Apt:
    """Debian and its kin: one key signs the list of everything, which apt checks when it fetches the list."""

    variable, listed, keys = "repos_apt", "/etc/apt/sources.list.d/provisioner.sources", "/etc/apt/keyrings"
    location = "uri"
    refresh = "rm -rf /var/lib/apt/lists/*; apt-get update --error-on=any"
    download = f"cd /tmp && apt-get download {SMALL} && rm {SMALL}_*.deb"
    trust_somebody_else = f"sed -i 's#^Signed-By: .*#Signed-By: /usr/share/keyrings/debian-archive-removed-keys.gpg#' {listed}"
    refused = ("NO_PUBKEY", "not signed", "Missing key")  # gpgv, any, sqv


class Dnf:
    """Red Hat and its kin: each package carries a signature, which dnf checks before it installs one."""

    variable, listed, keys = "repos_yum", "/etc/yum.repos.d/provisioner.repo", "/etc/pki/rpm-gpg"
    location = "baseurl"
    refresh = "dnf makecache --refresh"
    download = f"dnf install --assumeyes --setopt=tsflags=test --setopt=keepcache=0 {SMALL}"
    trust_somebody_else = f"""set -e
        export GNUPGHOME=$(mktemp -d)
        gpg --batch --quiet --passphrase '' --quick-generate-key stranger@example.org
        gpg --armor --export >/tmp/stranger.asc; rm -rf "$GNUPGHOME"
        rpm --erase --allmatches gpg-pubkey
        sed -i 's#^gpgkey=.*#gpgkey=file:///tmp/stranger.asc#' {listed}"""
    refused = ("GPG check FAILED", "is not installed")


@pytest.fixture
def system(on: On) -> type[Apt | Dnf]:
    """How packages are signed and fetched on the hosts of this lab."""
    return Dnf if on("m1").exists("dnf") else Apt


@pytest.fixture
def distrusting(on: On, system: type[Apt | Dnf]) -> Iterator[Any]:
    """A host that was told to expect somebody else's signature on what the source serves."""
    host = on("m1")
    host.check_output(f"cp -p {system.listed} /tmp/kept.source")
    host.check_output(system.trust_somebody_else)
    yield host
    host.check_output(f"mv /tmp/kept.source {system.listed}; rm -f /tmp/stranger.asc; {system.refresh}")


def test_the_package_source_serves_what_it_lists(on: On, system: type[Apt | Dnf], variable: Variable) -> None:
    host = on("m1")
    host.check_output(system.refresh)
    host.check_output(system.download)
    assert variable("m1", system.variable)[0][system.location] in host.file(system.listed).content_string


def test_a_key_with_another_fingerprint_is_refused(on: On, system: type[Apt | Dnf], converge: Converge, variable: Variable) -> None:
    listed = on("m1").file(system.listed).content
    wrong = [{**source, "name": "stranger", "key_fingerprint": "0" * 40} for source in variable("m1", system.variable)]
    done = converge("repos", "m1", **{system.variable: wrong})
    assert done.returncode != 0, "a package source was trusted whose key is not the expected one"
    for word in ("stranger", "0" * 40, "was not trusted"):
        assert word in done.stdout, f"the refusal does not say {word!r}:\n{done.stdout[-2000:]}"
    assert on("m1").file(system.listed).content == listed, "the source was listed although its key was refused"
    assert not on("m1").file(f"{system.keys}/provisioner-stranger.asc").exists


def test_what_somebody_else_signed_is_refused(distrusting: Any, system: type[Apt | Dnf]) -> None:
    """The package manager believes one key for this source; with another in its place it must refuse what the source serves."""
    done = distrusting.run(f"{{ {system.refresh}; }} && {{ {system.download}; }}")
    said = done.stdout + done.stderr
    assert done.rc != 0, f"it was accepted although nobody vouches for it:\n{said[-2000:]}"
    assert any(words in said for words in system.refused), f"refused, but not for its signature:\n{said[-2000:]}"


def test_lists_of_sources_that_do_not_answer_are_gone_where_the_site_has_a_mirror(on: On, system: type[Apt | Dnf],
                                                                                   converge: Converge) -> None:
    if system is Dnf:
        pytest.skip("dnf asks for a list before it believes it")
    host, kept = on("m1"), "/var/lib/apt/lists/127.0.0.1:9_debian_dists_bookworm_InRelease"
    host.check_output("echo 'deb http://127.0.0.1:9/debian bookworm main' >/etc/apt/sources.list.d/away.list;"
                      f"rm -f /var/lib/apt/lists/*_InRelease; echo old >{kept}")
    try:
        done = converge("repos", "m1")
        assert done.returncode == 0, done.stdout[-2000:]
        assert not host.file(kept).exists
        host.check_output(system.download)
    finally:
        host.check_output(f"rm -f /etc/apt/sources.list.d/away.list {kept}; {system.refresh}")
