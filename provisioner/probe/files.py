"""Reading the small files in which the kernel and the system describe themselves."""

from pathlib import Path


def read(path: str) -> str:
    """A file's text; '' when there is none: the host lacks the thing, or a process ended meanwhile."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
