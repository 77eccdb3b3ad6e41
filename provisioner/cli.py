"""The command line: what is asked for, and how it ends. Each verb registers its own arguments and is imported only when it is asked for."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn, TypeVar

from provisioner import __version__
from provisioner.errors import ProvisionError, UsageError
from provisioner.verbs import GROUPS, Action, Verb, find, labs, verbs

if TYPE_CHECKING:
    from provisioner.console import Console
    from provisioner.context import Context

DESCRIPTION = """\
Turn a list of machines into a working ZooKeeper, Mesos, Marathon, Chronos,
Consul, Registrator, Docker and Logstash cluster, and keep it that way. The same
command builds it, completes it, and proves that nothing needs doing."""

INVENTORY = """\
Inventory: --hosts, else $PROVISION_HOSTS, else ./inventory.yml, else that of
the running default lab."""

#: What each exit code means; a verb's `CODES` say what else it means there.
CODES = {0: "done", 1: "unexpected", 2: "usage", 3: "inventory", 4: "unreachable", 5: "a step failed", 6: "locked",
         130: "stopped by Ctrl-C"}
#: Characters in a line of help that is written for people.
WIDTH = 78

#: Conventional exit code of a program that Ctrl-C ended.
INTERRUPTED = 130
#: The hidden command that shell completion calls.
COMPLETE = "__complete"
#: Where there is no terminal.
COLUMNS = 80
OptionsT = TypeVar("OptionsT")


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal. Argparse would load `shutil` to know that, and with it every way to compress."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are ours."""

    def __init__(self, prog: str, *, usage: str | None = None, description: str | None = None, epilog: str | None = None) -> None:
        super().__init__(prog, usage, description, epilog, formatter_class=Formatter)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(message, hint=f"{self.prog} --help")


def top_parser() -> Parser:
    """What comes before a verb; its help lists the verbs by group."""
    known = verbs().values()
    width = max(len(verb.name) for verb in known) + 2
    lines = [f"  {verb.name:<{width}}{verb.help}" for verb in known]
    groups = {group: [line for verb, line in zip(known, lines, strict=True) if verb.group == group] for group in GROUPS}
    listed = "\n\n".join(f"{GROUPS[group]}:\n" + "\n".join(rows) for group, rows in groups.items())
    top = Parser("provision", usage="provision [-h] [--version] COMMAND ...", description=f"{DESCRIPTION}\n\n{listed}",
                 epilog=f"'provision COMMAND --help' shows the options of a command.\n{INVENTORY}\n{_codes({})}")
    top.add_argument("--version", action="version", version=f"provision {__version__}")
    top.add_argument("command", nargs="?", metavar="COMMAND", help=argparse.SUPPRESS)
    top.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help=argparse.SUPPRESS)
    return top


def parser(verb: Verb) -> Parser:
    """The arguments of a verb. What they parse to carries the action to run as `action`."""
    module = verb.load()
    prog, epilog = f"provision {verb.name}", getattr(module, "EPILOG", "")
    if hasattr(module, "ACTIONS"):
        whole = Parser(prog, description=_sentence(verb.help), epilog=epilog or None)
        below = whole.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
        for action in module.ACTIONS:
            _add(below.add_parser(action.name, help=action.help, description=_sentence(action.help), epilog=_epilog(action)), action)
        return whole
    alone = Action(verb.name, verb.help, module.Options, module.add_arguments, module.run, verb.inventory, epilog, verb.makes_lab,
                   getattr(module, "CODES", {}))
    whole = Parser(prog, description=_sentence(verb.help), epilog=_epilog(alone))
    _add(whole, alone)
    return whole


def parsers() -> Iterator[Parser]:
    """Every parser: of the whole, of each verb, of each action."""
    yield top_parser()
    for verb in verbs().values():
        whole = parser(verb)
        yield whole
        yield from actions(whole).values()


def actions(of: argparse.ArgumentParser) -> dict[str, Parser]:
    """The parsers of a verb's actions, by name."""
    return {name: each for a in of._actions if isinstance(a, argparse._SubParsersAction) for name, each in a.choices.items()}


def _add(to: argparse.ArgumentParser, action: Action) -> None:
    if action.inventory:
        source = to.add_mutually_exclusive_group()
        source.add_argument("--hosts", metavar="FILE", help="the inventory")
        made = ", which is made if it does not exist" if action.makes_lab else ""
        source.add_argument("--lab", nargs="?", const="default", metavar="LAB", help=f"the hosts of a lab on this machine{made}")
    action.add_arguments(to)
    if action.inventory:
        to.add_argument("--vault-password-file", metavar="FILE", action="append", default=[],
                        help="opens vaults in the inventory (repeatable; else as ansible.cfg and ANSIBLE_VAULT_* say)")
        to.add_argument("--vault-id", metavar="ID@SOURCE", action="append", default=[], help="the same by Ansible's vault ids (repeatable)")
        to.add_argument("--ask-vault-pass", action="store_true", help="ask for the password of vaults in the inventory")
    to.set_defaults(action=action)


def _epilog(action: Action) -> str | None:
    return "\n\n".join(filter(None, (action.epilog, f"{INVENTORY}\n{_codes(action.codes)}" if action.inventory else ""))) or None


def _codes(own: Mapping[int, str]) -> str:
    """The line of help about exit codes, broken between them."""
    lines = ["Exit codes:"]
    for number, meaning in {**CODES, **{code: f"{CODES[code]}, or {text}" for code, text in own.items()}}.items():
        word = f"{number} {meaning}{'.' if number == max(CODES) else ','}"
        if len(lines[-1]) + 1 + len(word) > WIDTH:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines)


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1).columns or COLUMNS
    except (OSError, ValueError):
        return COLUMNS


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def given(kind: type[OptionsT], parsed: argparse.Namespace) -> OptionsT:
    """The options of a verb: a dataclass with a field for each argument."""
    from dataclasses import fields

    values = {field.name: getattr(parsed, field.name) for field in fields(kind)}  # type: ignore[arg-type]  # Options is a dataclass
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def open_context(parsed: argparse.Namespace, console: Console, *, makes_lab: bool = False) -> Context:
    """The context of a command; says which inventory is used."""
    from provisioner.context import Context
    from provisioner.inventory.by_ansible import Vault
    from provisioner.inventory.find import find_inventory, installed

    if makes_lab and parsed.lab:
        installed(labs()).ensure(parsed.lab, console.say)
    path = find_inventory(parsed.hosts, parsed.lab, labs)
    console.say(f"inventory: {path}")
    vault = Vault(tuple(parsed.vault_password_file), tuple(parsed.vault_id), parsed.ask_vault_pass)
    return Context(path, vault=vault)


def run(words: Sequence[str]) -> int:
    """Run the command that the words of a command line ask for; returns its exit code. Raises ProvisionError."""
    first = words[0] if words else ""
    if first == COMPLETE:
        from provisioner.verbs.completion import complete

        return complete(words[1:])
    verb = find(first) if first and not first.startswith("-") else None
    if verb is None:
        return _without_verb(words)
    parsed = parser(verb).parse_args(words[1:])
    from provisioner.console import Console

    console, action = Console(), parsed.action
    context = (open_context(parsed, console, makes_lab=action.makes_lab),) if action.inventory else ()
    code: int = action.run(*context, console, given(action.options, parsed))
    return code


def _without_verb(words: Sequence[str]) -> int:
    top = top_parser()
    asked = top.parse_args(words).command  # ends the program after --help and --version
    if asked is None:
        raise UsageError("no command", hint="provision --help")
    from difflib import get_close_matches

    like = get_close_matches(asked, verbs(), n=1)
    raise UsageError(f"unknown command {asked!r}" + (f": did you mean {like[0]!r}?" if like else ""), hint="provision --help")


def write_report(error: BaseException) -> str:
    """Write the traceback and the command into a file of its own (0600) and return its path."""
    import tempfile
    import traceback

    descriptor, name = tempfile.mkstemp(prefix="provision-report-", suffix=".txt")
    with os.fdopen(descriptor, "w") as report:
        report.write(f"provision {__version__}, Python {sys.version}\n{sys.argv}\n\n")
        report.write("".join(traceback.format_exception(error)))
    return name


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Every error is printed as what, where and what to do next."""
    for ended in (signal.SIGTERM, signal.SIGHUP):  # from outside, or because the terminal is gone: like by Ctrl-C, children go with us
        if signal.getsignal(ended) is not signal.SIG_IGN:  # nohup: it is to go on without a terminal
            signal.signal(ended, signal.default_int_handler)
    try:
        return run(sys.argv[1:] if arguments is None else arguments)
    except ProvisionError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still in the buffer has nowhere to go
        return 0
    except Exception as error:  # the user gets a path, not a traceback
        sys.stderr.write(f"error: unexpected {type(error).__name__}: {error}\n→ please report it with {write_report(error)}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
