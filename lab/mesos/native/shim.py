"""Writes the sources of a library that stands in for those which the official code was linked with and no system has today.

    python3 shim.py LIBRARY FOLDER REAL...

LIBRARY names OpenSSL 1.0's and libcurl's functions with their versions, and Python 2's without. The shim defines each of them.
The few that are really used, whose arguments and results are the same in all releases, go on to those of REAL, this system's own
libraries; every other names itself and aborts. Leaves shim.S and shim.map in FOLDER.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

#: Digests of CRAM-MD5, of executors' tokens and of cached files; and how large a file is that a task wants fetched into the cache.
FORWARDED = ("EVP_sha1", "EVP_sha256", "HMAC", "SHA256", "curl_global_init", "curl_easy_init", "curl_easy_setopt", "curl_easy_perform",
             "curl_easy_getinfo", "curl_easy_strerror", "curl_easy_cleanup")
_VERSIONED = re.compile(r"(OPENSSL|CURL)_")
_PYTHON = re.compile(r"_?Py")
#: Objects among Python's symbols; all others are functions. Only their addresses are taken.
_PYTHON_DATA = re.compile(r"_Py_None|PyExc_")


def symbols(library: str, kind: str) -> Iterator[tuple[str, str]]:
    """Name and version of the dynamic symbols that a library defines (`--defined-only`), or that it needs (`--undefined-only`)."""
    command = ["nm", "--dynamic", "--with-symbol-versions", kind, library]
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        name, _, version = line.split()[-1].partition("@")
        yield name, version.lstrip("@")


def versioned(name: str, version: str, real: dict[str, str]) -> str:
    """A function under a version: passed on, or the end."""
    head = f".globl {name}_shim\n.type {name}_shim, @function\n.symver {name}_shim, {name}@{version}, remove\n"
    if name not in FORWARDED:
        return head + ending(f"{name}_shim", name)
    return head + f".symver {name}_real, {name}@{real[name]}\n{name}_shim: jmp *{name}_real@GOTPCREL(%rip)"


def python(name: str) -> str:
    """One of Python's symbols, which have no version."""
    if _PYTHON_DATA.match(name):
        return f".globl {name}\n.bss\n.balign 16\n.type {name}, @object\n.size {name}, 256\n{name}: .zero 256\n.text"
    return f".globl {name}\n.type {name}, @function\n" + ending(name, name)


def ending(label: str, name: str) -> str:
    """A function that calls shim_abort with its own name."""
    return f'{label}: leaq 9f(%rip), %rdi; jmp shim_abort@PLT\n.section .rodata\n9: .asciz "{name}"\n.text'


def main(library: str, folder: str, *libraries: str) -> None:
    real = {name: version for path in libraries for name, version in symbols(path, "--defined-only")}
    needed = list(symbols(library, "--undefined-only"))
    known = [(name, version) for name, version in needed if _VERSIONED.match(version)]
    parts = [".text", *(versioned(name, version, real) for name, version in known)]
    parts += [python(name) for name, version in needed if not version and _PYTHON.match(name)]
    Path(folder, "shim.S").write_text("\n".join([*parts, '.section .note.GNU-stack, "", @progbits', ""]))
    Path(folder, "shim.map").write_text("".join(f"{version} {{ }};\n" for version in sorted({version for _, version in known})))


if __name__ == "__main__":
    main(*sys.argv[1:])
