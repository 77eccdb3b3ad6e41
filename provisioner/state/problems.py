"""Everything that is wrong with a file, collected so that one run reports all of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from provisioner.errors import InventoryError

#: More than this many problems have one cause; the rest is only counted.
REPORTED_MAX = 20
#: More names than these are listed only where none is near.
LISTED_MAX = 6
_SHOWN_MAX = 60
#: No file has so many lines.
_ELSEWHERE = 10**9
#: A shorter text is in too many words by accident.
HIDDEN_MIN = 4


def show(text: str) -> str:
    """Text from a file, safe to print: quoted, control and bidi characters escaped, cut to a readable length."""
    cut = text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return f"'{escaped}'"


def nearest(name: str, valid: Iterable[str], alike: float = 0.6) -> str:
    """The valid name that was probably meant, from this similarity on (0 to 1), or nothing."""
    close = difflib.get_close_matches(name[:_SHOWN_MAX], list(valid), n=1, cutoff=alike)
    return close[0] if close else ""


class Problems:
    """Collects problems of one file by line, and of others by the numbers that `elsewhere` gives to their lines."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._found: dict[tuple[int, str], str] = {}
        self._more = 0
        self._elsewhere: list[str] = []
        #: Lines of files in INI's format, of which a cure is written otherwise than in YAML; 0 is the file as a whole.
        self.ini: set[int] = set()
        self._secrets: list[str] = []

    def hide(self, secrets: Iterable[str]) -> None:
        """Texts that no problem may show from now on."""
        self._secrets += [secret for secret in secrets if len(secret) >= HIDDEN_MIN]

    def without_secrets(self, text: str) -> str:
        """A message in which a secret, or the beginning of one that was cut, is not readable."""
        for secret in self._secrets:
            while (start := text.find(secret[:HIDDEN_MIN])) >= 0:
                end = next((n for n, char in enumerate(secret) if text[start + n:start + n + 1] != char), len(secret))
                text = f"{text[:start]}…{text[start + end:]}"
        return text

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def full(self) -> bool:
        """Nothing further will be shown, so nobody need work out a hint."""
        return len(self._found) >= REPORTED_MAX

    def add(self, line: int, message: str, hint: str = "", *, ini: str = "") -> None:
        """Note one problem; `line` counts from 1, 0 is the file as a whole. `ini` is the hint where that is in INI's format."""
        if self.full:
            self._more += 1
        else:
            self._found.setdefault((line, self.without_secrets(message)), self.without_secrets(ini if ini and line in self.ini else hint))

    def unknown(self, line: int, what: str, name: str, valid: Iterable[str], alike: Sequence[str] = ()) -> None:
        """Note a name that means nothing, with the one that was probably meant, or those that are valid: all, or only those `alike`."""
        if self.full:
            self._more += 1
            return
        names = sorted(valid)
        close, shown = nearest(name, names), sorted(alike) or names
        meant = f"did you mean {close}?" if close else ""
        # Beside the right name a long list only hides it.
        listed = "" if close and len(shown) > LISTED_MAX else f"valid: {', '.join(shown)}"
        self.add(line, f"unknown {what} {show(name)}", " ".join(filter(None, (meant, listed))))

    def fail(self, line: int, message: str, hint: str = "", *, ini: str = "") -> InventoryError:
        """The error for a problem after which reading on makes no sense."""
        self.add(line, message, hint, ini=ini)
        return self.error()

    def error(self) -> InventoryError:
        """All problems as one error, in the order of their lines."""
        found = sorted(self._found.items())
        if len(found) == 1:
            (line, message), hint = found[0]
            return InventoryError(message, where=self.at(line), hint=hint)
        rows = [f"{self.at(line)}: {message}" + (f"\n    → {hint}" if hint else "") for (line, message), hint in found]
        more = f"\n  and {self._more} more" if self._more else ""
        listed = "".join(f"\n  {row}" for row in rows)
        return InventoryError(f"{len(found) + self._more} problems{listed}{more}", where=self.source)

    def elsewhere(self, source: str, line: int) -> int:
        """What stands for a line of another file than `source` of this one, in place of a line."""
        self._elsewhere.append(f"{source}:{line}" if line else source)
        return _ELSEWHERE + len(self._elsewhere) - 1

    def at(self, line: int) -> str:
        """`file:line`."""
        if line >= _ELSEWHERE:
            return self._elsewhere[line - _ELSEWHERE]
        return f"{self.source}:{line}" if line else self.source

    def raise_if_any(self) -> None:
        """Raises InventoryError when something was noted."""
        if self._found:
            raise self.error()
