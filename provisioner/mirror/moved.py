"""What differs between two locks, in lines for people."""

from __future__ import annotations

from provisioner.cluster.lock import IMAGE, KEY, Lock, Locked


def moved(before: Lock, now: Lock) -> list[str]:
    """Lines such as `package docker-ce (debian12/amd64): 5:29.1-1 → 5:29.2-1`; nothing where both are made of the same."""
    old, new = {a.key: a for a in before.artefacts}, {a.key: a for a in now.artefacts}
    lines = []
    for key in sorted({*old, *new}):
        was, becomes = old.get(key), new.get(key)
        if was is None or becomes is None:
            one = was or becomes
            lines.append(f"{_title(one)}: {'no longer needed' if becomes is None else f'new, {_version(one)}'}" if one else "")
        elif (was.version, was.name) != (becomes.version, becomes.name):
            lines.append(f"{_title(was)}: {_version(was)} → {_version(becomes)}")
        elif was.digest != becomes.digest:
            lines.append(f"{_title(was)}: {_version(was)}, {was.digest} → {becomes.digest}")
    return lines


def _title(artefact: Locked) -> str:
    name = artefact.key[1]
    return f"{artefact.kind} {name}{f' ({artefact.system})' if artefact.system else ''}"


def _version(artefact: Locked) -> str:
    if artefact.kind == IMAGE:
        return artefact.name.rpartition(":")[2]
    return artefact.version[-16:] if artefact.kind == KEY else artefact.version
