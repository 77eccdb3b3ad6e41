"""What the site's mirror needs: a folder to serve, and a host whose distribution has a registry."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.observe.preflight.report import Finding, Seen


def folder_there(seen: Seen) -> Iterator[Finding]:
    """Nothing can be installed from what nobody has."""
    folder = str(seen.variables.get("mirror_folder") or "")
    if seen.variables.get("mirror_content"):
        yield seen.ok("mirror", f"{folder} has what it is to serve")
    elif folder:
        yield seen.fail("mirror", f"{folder} on this machine is no mirror (mirror_folder)",
                        f"make it: provision lock && provision mirror pull {folder}")
    else:
        yield seen.fail("mirror", "nothing says what it is to serve", "set mirror_folder to the folder of 'provision mirror pull'")


def registry_there(seen: Seen) -> Iterator[Finding]:
    """Red Hat's kin have no registry among their packages."""
    if seen.facts.get("package_manager") != "apt":
        yield seen.fail("mirror", "a mirror needs Debian or Ubuntu: this system has no package of a registry", "choose another host")


RULES = (folder_there, registry_there)
