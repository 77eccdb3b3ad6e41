"""`provision completion SHELL`, and the hidden command that its scripts ask at each TAB: what could stand here?

The scripts know nothing of the command line, so they fit every version and every verb that another distribution adds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.verbs import find, labs, verbs

if TYPE_CHECKING:
    from pathlib import Path

    from provisioner.console import Console

#: Answers that are no candidates: the shell is to complete names of files, or of directories.
FILES, DIRECTORIES = ":files", ":directories"

BASH = """\
# bash completion for provision
_provision() {
    local IFS=$'\\n' line
    COMPREPLY=()
    while read -r line; do
        case "$line" in
            :files) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]#=}")) ;;
            :directories) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -d -- "${COMP_WORDS[COMP_CWORD]#=}")) ;;
            *) COMPREPLY+=("${line%%$'\\t'*}") ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _provision provision
"""
ZSH = """\
#compdef provision
# zsh completion for provision
_provision() {
    local line
    local -a found
    local -a answer=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    [[ ${words[CURRENT]} == --*=* ]] && compset -P '*='
    for line in "${(@)answer}"; do
        case "$line" in
            '') ;;
            :files) _files; return ;;
            :directories) _files -/; return ;;
            *$'\\t'*) found+=("${${line%%$'\\t'*}//:/\\:}:${line#*$'\\t'}") ;;
            *) found+=("${line//:/\\:}") ;;
        esac
    done
    _describe command found
}
if [ "$funcstack[1]" = _provision ]; then _provision "$@"; else compdef _provision provision; fi
"""
FISH = """\
# fish completion for provision
function __provision_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l prefix (string match -r '^--[^=]+=' -- $last)
    set -l value (string replace -r '^--[^=]+=' '' -- $last)
    for line in ($words[1] __complete $words[2..-1] "$last" 2>/dev/null)
        switch $line
            case :files
                printf '%s\\n' "$prefix"(__fish_complete_path "$value")
            case :directories
                printf '%s\\n' "$prefix"(__fish_complete_directories "$value")
            case '*'
                printf '%s\\n' "$prefix$line"
        end
    end
end
complete -c provision -f -a '(__provision_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}

EPILOG = """\
Examples:
  source <(provision completion bash)
  provision completion zsh > ~/.zfunc/_provision
  provision completion fish > ~/.config/fish/completions/provision.fish"""


@dataclass(frozen=True)
class Options:
    """The options of `completion`."""

    shell: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One argument."""
    parser.add_argument("shell", choices=tuple(SCRIPTS), metavar="SHELL", help="bash, zsh or fish")


def run(console: Console, options: Options) -> int:
    """Print the script."""
    console.write(SCRIPTS[options.shell])
    return 0


def complete(words: Sequence[str]) -> int:
    """Print what could stand in the place of the last of these words, one a line, each with a tab and what it means."""
    for word, meaning in candidates(words):
        sys.stdout.write(f"{word}\t{meaning}\n" if meaning else f"{word}\n")
    return 0


def candidates(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The same with empty meanings where there are none; FILES or DIRECTORIES where the shell knows better."""
    words = _split(words)
    last = words[-1] if words else ""
    if len(words) < 2:
        own = [(verb.name, verb.help) for verb in verbs().values()]
        yield from _starting(last, own if not last.startswith("-") else [("--help", "show help"), ("--version", "show the version")])
        return
    verb = find(words[0])
    if verb is None:
        return
    from provisioner.cli import actions, parser

    whole, rest = parser(verb), list(words[1:])
    below = actions(whole)
    if below and len(rest) == 1:
        helps = {action.name: action.help for action in verb.load().ACTIONS}
        yield from _starting(last, helps.items() if not last.startswith("-") else [("--help", "show help")])
    elif not below or rest[0] in below:
        of = below[rest[0]] if below else whole
        yield from _starting(last, _words(of, rest[1:] if below else rest))


def _split(words: Sequence[str]) -> list[str]:
    """The words without the = of `--option=value`, of which bash makes a word of its own, and other shells a part of one."""
    found = []
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name.startswith("--") and equals:
            found += [name, value]
        elif word != "=":
            found.append(word)
        elif place == len(words) - 1:
            found.append("")
    return found


def _starting(prefix: str, found: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return ((word, meaning) for word, meaning in found if word.startswith((prefix, ":")))


def _words(parser: argparse.ArgumentParser, words: Sequence[str]) -> Iterable[tuple[str, str]]:
    """What could stand at the end of the arguments of a command."""
    *before, last = words
    options = {text: action for action in parser._actions for text in action.option_strings}
    positionals = [action for action in parser._actions if not action.option_strings]
    given: dict[str, str] = {}
    waiting: argparse.Action | None = None
    for word in before:
        if waiting is not None and not word.startswith("-"):
            given[waiting.dest], waiting = word, None
        elif word in options:
            takes_value = options[word].nargs != 0
            given.setdefault(options[word].dest, "")
            waiting = options[word] if takes_value else None
        elif positionals and not word.startswith("-") and positionals[0].nargs not in ("+", argparse.REMAINDER):
            positionals = positionals[1:]
    if last.startswith("-"):
        return [(text, action.help or "") for text, action in options.items() if text.startswith("--")
                and (action.dest not in given or isinstance(action, argparse._AppendAction))]
    target = waiting or (positionals[0] if positionals else None)
    return _values(target, last, given) if target is not None else ()


def _values(of: argparse.Action, last: str, given: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """The values of an argument: what it allows, else what its metavar says it is."""
    if of.choices:
        return [(str(choice), "") for choice in of.choices]
    kinds: dict[str, Callable[[], Iterable[str]]] = {
        "FILE": lambda: [FILES], "DIR": lambda: [DIRECTORIES], "COMPONENT": _components, "LAB": _labs,
        "HOST": lambda: _hosts(given), "HOSTS": lambda: _listed(last, [*_hosts(given), *_groups()]),
    }
    return [(word, "") for word in kinds.get(str(of.metavar), list)()]


def _listed(last: str, names: Iterable[str]) -> Iterator[str]:
    """Each name after those that are there, separated by commas."""
    done = last.rpartition(",")[0]
    taken = set(done.split(","))
    return (f"{done},{name}" if done else name for name in names if name not in taken)


def _components() -> Iterable[str]:
    from provisioner.components import component_names

    return component_names()


def _groups() -> Iterable[str]:
    from provisioner.cluster.model import SHORTHANDS

    return [*SHORTHANDS, *_components()]


def _labs() -> Iterable[str]:
    found = labs()
    return found.names() if found else ()


def _hosts(given: Mapping[str, str]) -> Iterable[str]:
    """The hosts of the inventory that is meant so far, read without being checked."""
    from provisioner.errors import ProvisionError
    from provisioner.inventory.find import find_inventory

    try:
        return written_hosts(find_inventory(given.get("hosts"), given.get("lab"), labs))
    except (ProvisionError, ValueError):
        return ()  # no inventory, or a broken one: the command itself will say so


def written_hosts(path: Path) -> list[str]:
    """The names below every `hosts:` of an inventory, ranges written out. Raises InventoryError, and ValueError for a broken range."""
    from provisioner.cluster.model import name_order
    from provisioner.inventory.edit import host_names
    from provisioner.inventory.formats import expand
    from provisioner.state.yaml_document import read_text

    return sorted({name for written in host_names(read_text(path, str(path)), str(path)) for name in expand(written)}, key=name_order)
