"""Becoming root on a host with sudo, without a terminal and without ever guessing twice."""

from __future__ import annotations

import shlex

#: A line that no password and no payload is: what comes after it on stdin belongs to the command.
END_OF_PASSWORD = "provision: end of password"  # noqa: S105 - a separator, not a password

# Root needs no sudo, which may not even be installed. The locale keeps sudo's messages in the language they are read in.
_AS_ROOT = 'if [ "$(id -u)" = 0 ]; then exec sh -c {command}; fi; export LC_ALL=C.UTF-8; exec {sudo} -n sh -c {command}'

# sudo reads a password from stdin only when it needs one, which depends on the host. So the password is tried once by
# itself (a wrong one must not make sudo try the payload as the next password), then the command is run with the
# password and a separator in front of its stdin: whatever sudo left of those two lines is skipped.
_AS_ROOT_ASKED = """IFS= read -r p
if [ "$(id -u)" = 0 ]; then exec sh -c {command}; fi
export LC_ALL=C.UTF-8
printf '%s\\n' "$p" | {sudo} -S -p '' true || exit
{{ printf '%s\\n%s\\n' "$p" {separator}; cat; }} | {sudo} -S -p '' sh -c {skip}"""
_SKIP = """while IFS= read -r l; do
if [ "$l" = {separator} ]; then exec sh -c {command}; fi
done
exit 1"""


def as_root(command: str, stdin: bytes, password: str, sudo: str = "sudo") -> tuple[str, bytes]:
    """The shell command and stdin that run `command` as root. The password travels on stdin only; `sudo` may have flags."""
    quoted = shlex.quote(command)
    if not password:
        return f"sh -c {shlex.quote(_AS_ROOT.format(command=quoted, sudo=sudo))}", stdin
    separator = shlex.quote(END_OF_PASSWORD)
    skip = shlex.quote(_SKIP.format(separator=separator, command=quoted))
    script = _AS_ROOT_ASKED.format(command=quoted, sudo=sudo, separator=separator, skip=skip)
    return f"sh -c {shlex.quote(script)}", password.encode() + b"\n" + stdin
