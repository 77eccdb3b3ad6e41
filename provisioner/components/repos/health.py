"""Package sources: the files that the role wrote are there. Whether they work shows when something is installed."""

from pathlib import Path
from typing import Any

from provisioner.probe.health.answer import answer


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for the package sources named in the request, if any."""
    files = request.get("files", [])
    missing = [path for path in files if not Path(path).exists()]
    if missing:
        return answer("down", "{} is missing".format(", ".join(missing)))
    return answer("ok", "{} in place".format(", ".join(files)) if files else "nothing to check")
