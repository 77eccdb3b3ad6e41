"""The manual page provision(1), made of the parsers of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence

from provisioner import __version__
from provisioner.cli import DESCRIPTION, INVENTORY
from provisioner.inventory.find import ENVIRONMENT
from provisioner.verbs import GROUPS, verbs

EXIT_STATUS = ((0, "done"), (1, "an unexpected error, of which a report was written"), (2, "wrong usage"),
               (3, "an invalid inventory or state"), (4, "a host could not be reached"), (5, "a step failed"),
               (6, "the cluster is locked by someone else"), (130, "stopped by Ctrl\\-C"))


def page(parsers: Iterable[argparse.ArgumentParser]) -> str:
    """The page in roff; `parsers` are those of `cli.parsers`, of which the first one is the whole."""
    _, *commands = parsers
    lines = [f'.TH PROVISION 1 "" "provision {__version__}" "User Commands"',
             ".SH NAME", "provision \\- build a DC/OS\\-like cluster on any machines and keep it that way",
             ".SH SYNOPSIS", ".B provision", "[\\-h] [\\-\\-version]", ".I COMMAND", "\\&...",
             ".SH DESCRIPTION", _text(" ".join(DESCRIPTION.split())), ".SH COMMANDS"]
    for group, title in GROUPS.items():
        lines.append(f".SS {title}")
        for verb in verbs().values():
            if verb.group == group:
                lines += [".TP", f".B {verb.name}", _text(verb.help)]
    lines.append(".SH OPTIONS")
    for command in commands:
        lines += _command(command)
    lines += [".SH ENVIRONMENT", ".TP", f".B {ENVIRONMENT}", "the inventory, unless \\-\\-hosts or \\-\\-lab names one",
              ".SH FILES", _text(" ".join(INVENTORY.split())),
              "A cluster's identities, secrets, journal and backups are kept in", ".I .provision/CLUSTER", "beside its inventory.",
              ".SH EXIT STATUS"]
    for code, meaning in EXIT_STATUS:
        lines += [".TP", f".B {code}", meaning]
    return "\n".join([*lines, ".SH SEE ALSO", ".BR ansible\\-playbook (1),", ".BR ssh (1)"]) + "\n"


def _command(parser: argparse.ArgumentParser) -> Iterator[str]:
    arguments = [a for a in parser._actions if not isinstance(a, argparse._HelpAction | argparse._SubParsersAction)]
    yield f".SS {_text(parser.prog)} {' '.join(_synopsis(arguments))}".rstrip()
    yield _text(parser.description or "")
    for argument in arguments:
        yield ".TP"
        names = ", ".join(rf"\fB{_text(name)}\fR" for name in argument.option_strings)
        value = rf"\fI{_text(str(argument.metavar))}\fR" if argument.nargs != 0 else ""
        yield " ".join(filter(None, (names, value)))
        yield _text((argument.help or "") % {"default": argument.default})
    if parser.epilog:
        own = parser.epilog.partition(INVENTORY)[0].rstrip()
        if own:
            yield from (".PP", ".nf", *map(_text, own.splitlines()), ".fi")


def _synopsis(arguments: Sequence[argparse.Action]) -> Iterator[str]:
    if any(a.option_strings for a in arguments):
        yield "[options]"
    for argument in arguments:
        if not argument.option_strings:
            name = _text(str(argument.metavar))
            yield f"[{name}]" if argument.nargs == "?" else f"{name} ..." if argument.nargs == "+" else \
                f"[{name} ...]" if argument.nargs == argparse.REMAINDER else name


def _text(text: str) -> str:
    """Literal text: no escapes, no requests, and hyphens that can be copied."""
    literal = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{literal}" if literal.startswith((".", "'")) else literal
