"""Packages come from the signed source and from no other; a key that is not the expected one is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

On = Callable[[str], Any]
Converge = Callable[..., subprocess.CompletedProcess[str]]


def test_the_package_source_serves_what_it_lists(on: On, variable: Callable[[str, str], Any]) -> None:
    host = on("m1")
    host.check_output("apt-get update --error-on=any")
    policy = host.check_output("apt-cache policy docker.io")
    assert variable("m1", "repos_apt")[0]["uri"] in policy
    assert "Candidate: (none)" not in policy


def test_a_key_with_another_fingerprint_is_refused(on: On, converge: Converge, variable: Callable[[str, str], Any]) -> None:
    listed = on("m1").file("/etc/apt/sources.list.d/provisioner.sources").content
    wrong = [{**source, "name": "stranger", "key_fingerprint": "0" * 40} for source in variable("m1", "repos_apt")]
    done = converge("repos", "m1", repos_apt=wrong)
    assert done.returncode != 0, "a package source was trusted whose key is not the expected one"
    assert "stranger" in done.stdout
    assert "0" * 40 in done.stdout
    assert on("m1").file("/etc/apt/sources.list.d/provisioner.sources").content == listed
    assert not on("m1").file("/etc/apt/keyrings/provisioner-stranger.asc").exists


def test_a_list_signed_by_somebody_else_is_refused(on: On) -> None:
    """Apt believes one key for this source; with another in its place it must refuse the list."""
    host, sources = on("m1"), "/etc/apt/sources.list.d/provisioner.sources"
    stranger = "/usr/share/keyrings/debian-archive-removed-keys.gpg"
    host.check_output(f"cp -p {sources} /tmp/kept.sources; sed -i 's#^Signed-By: .*#Signed-By: {stranger}#' {sources}")
    try:
        done = host.run("rm -rf /var/lib/apt/lists/*; apt-get update --error-on=any")
        assert done.rc != 0
        assert "NO_PUBKEY" in done.stdout + done.stderr
    finally:
        host.check_output(f"mv /tmp/kept.sources {sources}; apt-get update --error-on=any")
