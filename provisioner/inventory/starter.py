"""The inventory that a newcomer starts from."""

from __future__ import annotations

from pathlib import Path

from provisioner.errors import UsageError
from provisioner.paths import inventory_examples_dir

FILE_NAME = "inventory.yml"


def write_inventory(directory: Path, example: str = "example") -> Path:
    """Write an annotated `inventory.yml`, one of the examples, and give its path. Raises UsageError when there is one already."""
    path = directory / FILE_NAME
    text = (inventory_examples_dir() / f"{example}.yml").read_text()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # "x" also refuses what appeared since anybody looked.
        with path.open("x") as file:
            file.write(text)
    except FileExistsError:
        hint = "edit it, or name another directory"
        raise UsageError("the file already exists", where=str(path), hint=hint) from None
    except OSError as error:
        raise UsageError(f"can't write the file: {error.strerror}", where=str(path)) from error
    return path
