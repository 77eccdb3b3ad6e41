"""What the text of `ansible_ssh_*_args` says to ssh: its words, what each of them sets, and which of them can't be."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Letters of ssh(1) that take a value, and what some letters are called in ssh_config(5).
_WITH_VALUE = frozenset("BbcDEeFIiJLlmOoPpQRSWw")
_KEYWORDS = {
    "A": ("ForwardAgent", "yes"), "a": ("ForwardAgent", "no"), "b": ("BindAddress", ""), "B": ("BindInterface", ""),
    "C": ("Compression", "yes"),
    "c": ("Ciphers", ""), "f": ("ForkAfterAuthentication", "yes"), "F": ("-F", ""), "I": ("PKCS11Provider", ""), "i": ("IdentityFile", ""),
    "J": ("ProxyJump", ""), "l": ("User", ""), "M": ("ControlMaster", "yes"), "m": ("MACs", ""), "N": ("SessionType", "none"),
    "n": ("StdinNull", "yes"), "p": ("Port", ""), "q": ("LogLevel", "quiet"), "S": ("ControlPath", ""), "s": ("SessionType", "subsystem"),
    "t": ("RequestTTY", "yes"), "T": ("RequestTTY", "no"),
}
#: What keeps a command from being run and answered, and the values that do no harm.
_IN_THE_WAY = {
    "requesttty": (("no", "auto"), "a terminal mixes what a program prints with what is sent to it"),
    "stdinnull": (("no",), "programs are sent through ssh's standard input"),
    "forkafterauthentication": (("no",), "ssh would go to the background before the answer is there"),
    "sessiontype": (("default",), "no command would be run"),
    "remotecommand": (("none",), "another command would be run"),
}
_LETTERS_IN_THE_WAY = {
    "E": "ssh's messages would go to a file, and nobody could say why a host is not reached",
    **dict.fromkeys("GOQVW", "no command would be run"),
}
#: Letters that win over an option before them, which `-o` does not.
_OVERRIDING = frozenset("AMSq")


@dataclass(frozen=True)
class Argument:
    """One thing that is said: the letter, the name that it has in ssh_config(5), else the letter with its dash, and the value."""

    letter: str
    name: str
    value: str

    @property
    def keyword(self) -> str:
        """The name in small letters, by which ssh knows it."""
        return self.name.lower()

    @property
    def words(self) -> tuple[str, ...]:
        """As ssh takes it."""
        if self.letter == "o":
            return "-o", f"{self.name}={self.value}"
        return (f"-{self.letter}", self.value) if self.letter in _WITH_VALUE else (f"-{self.letter}",)


@functools.lru_cache(1024)
def read(text: str) -> tuple[Argument, ...]:
    """All of them, in order. Raises ValueError for text that ssh could not be given."""
    return tuple(_arguments(words(text)))


@functools.lru_cache(1024)
def words(text: str) -> tuple[str, ...]:
    """The words of a text, as a shell has them. Raises ValueError for a quotation without end."""
    return tuple(shlex.split(text))


def problem(text: str) -> str:
    """What is wrong with a text of arguments; nothing when ssh can be given it."""
    try:
        found = read(text)
    except ValueError as error:
        said = str(error)
        return f"can't be read: {said[0].lower()}{said[1:]}"
    for each in found:
        harmless, why = _IN_THE_WAY.get(each.keyword, ((each.value.lower(),), ""))
        why = _LETTERS_IN_THE_WAY.get(each.letter, "" if each.value.lower() in harmless else why)
        if why:
            return f"has {' '.join(each.words)}: {why}"
    return ""


def settled(text: str, folder: Path) -> str:
    """The same for any working directory, and so that of each option the first that is given holds.

    Relative files, and a ProxyCommand that is one, lie in `folder`.
    """
    found = read(text)
    meant = tuple(Argument("o" if each.letter in _OVERRIDING else each.letter, each.name, _value(each, folder)) for each in found)
    return text if meant == found else shlex.join(word for each in meant for word in each.words)


@functools.lru_cache(1024)
def values(text: str) -> Mapping[str, str]:
    """Keyword to value; the first of a keyword holds, as with ssh."""
    found: dict[str, str] = {}
    for each in read(text):
        found.setdefault(each.keyword, each.value)
    return found


def _arguments(text: Sequence[str]) -> Iterator[Argument]:
    rest = iter(text)
    for word in rest:
        letters = word[1:]
        if not word.startswith("-") or not letters or word == "--":
            raise ValueError(f"{word!r} is no option of ssh")
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in _WITH_VALUE:
                value = letters or next(rest, "")
                letters = ""
                if not value:
                    raise ValueError(f"-{letter} needs a value")
                yield _valued(letter, value)
            else:
                yield Argument(letter, *_KEYWORDS.get(letter, (f"-{letter}", "")))


def _valued(letter: str, value: str) -> Argument:
    if letter != "o":
        return Argument(letter, _KEYWORDS.get(letter, (f"-{letter}", ""))[0], value)
    name, *values = re.split(r"\s*=\s*|\s+", value.strip(), maxsplit=1)
    if not values or not values[0]:
        raise ValueError(f"-o {value} has no value")
    return Argument("o", name, values[0])


def expanded(text: str) -> Path:
    """A path, `~` filled in; that of a user who does not exist stays."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def _value(argument: Argument, folder: Path) -> str:
    match argument.keyword:
        case "-f" if argument.value.lower() != "none":  # unlike in the others, `~` means nothing to ssh in it
            return str(folder / expanded(argument.value))
        case "identityfile" | "certificatefile" if argument.value.lower() != "none":
            return _absolute(argument.value.strip('"'), folder)
        case "proxycommand":
            program, blank, rest = argument.value.partition(" ")
            return (_absolute(program, folder) if "/" in program else program) + blank + rest
    return argument.value


def _absolute(path: str, folder: Path) -> str:
    """ssh itself knows what `~` and its tokens in front of a path mean."""
    return path if path.startswith(("/", "~", "%", "$")) else str(folder / path)
