"""Arguments that several verbs have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provisioner.plan.scope import BATCH, share

if TYPE_CHECKING:
    import argparse


def add_scope(parser: argparse.ArgumentParser) -> None:
    """What a plan is limited to and how far it may go: the fields of Scope."""
    parser.add_argument("--only", metavar="COMPONENT", action="extend", type=words, default=[],
                        help="only these components, comma-separated (repeatable)")
    add_limit(parser)
    parser.add_argument("--full", action="store_true", help="run every role, even where nothing differs from what was applied")
    parser.add_argument("--any-version", action="store_true", help="allow a version change that is known to lose data or to fail")
    add_batch(parser)
    add_strict(parser)


def add_batch(parser: argparse.ArgumentParser) -> None:
    """How many agents at a time; what is no such thing is refused before any host is asked."""
    parser.add_argument("--batch", metavar="N", type=_batch, default=BATCH,
                        help="agents at a time: a number or a percentage (default 20%%)")


def add_limit(parser: argparse.ArgumentParser) -> None:
    """Which hosts."""
    parser.add_argument("--limit", metavar="HOSTS", help="only these hosts or groups, comma-separated")


def add_strict(parser: argparse.ArgumentParser) -> None:
    """Which keys."""
    parser.add_argument("--strict", action="store_true", help="refuse hosts whose key is not known yet")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Data instead of text."""
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def add_yes(parser: argparse.ArgumentParser, before: str) -> None:
    """Nobody is asked `before` something."""
    parser.add_argument("--yes", action="store_true", help=f"do not ask before {before}")


def add_yes_name(parser: argparse.ArgumentParser, *, what: str = "the cluster's name", metavar: str = "NAME") -> None:
    """What can't be undone is confirmed by a name."""
    parser.add_argument("--yes", metavar=metavar, default="", help=f"confirm by {what}, instead of being asked")


def words(text: str) -> list[str]:
    """What stands between commas."""
    return [word for part in text.split(",") if (word := part.strip())]


def _batch(text: str) -> str:
    share(text, 1)
    return text
