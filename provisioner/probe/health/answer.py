"""The one shape of an answer about a component."""

from typing import Any


class UnhealthyError(Exception):
    """The component does not do its work; the text is one sentence that says why."""

    def __init__(self, detail: str, version: str = "", facts: "dict[str, Any] | None" = None) -> None:
        super().__init__(detail)
        self.version = version
        self.facts = facts or {}


def answer(state: str, detail: str, version: str = "", leader: bool = False, image: str = "",
           facts: "dict[str, Any] | None" = None) -> "dict[str, Any]":
    """Build an answer. What stands in for a real program says "standin" in its version or in its image's name."""
    return {
        "state": state,
        "leader": leader,
        "version": version,
        "stand_in": "standin" in (version + " " + image).lower(),
        "detail": detail,
        "facts": facts or {},
    }


def amount(number: int, noun: str) -> str:
    """`1 agent`, `2 agents`."""
    return "{} {}{}".format(number, noun, "" if number == 1 else "s")


def number(value: object, otherwise: int = -1) -> int:
    """A count from somebody's JSON, where it may be a float, a text or missing."""
    try:
        return int(float(str(value)))
    except ValueError:
        return otherwise


def tag_of(image: str) -> str:
    """The tag of an image's name: `host:5000/chronos:3.0.2@sha256:…` gives `3.0.2`; an image without a tag gives ''."""
    last = image.split("@")[0].rsplit("/", 1)[-1]
    return last.split(":", 1)[1] if ":" in last else ""
