"""Credential files and the two checks made with them: HTTP basic and the agent's proof of its secret."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from pathlib import Path
from typing import Any

from mesos_standin import process
from mesos_standin.flags import FlagError, parse_json


def _read(path: str, flag: str) -> Any:
    what = "credential" if flag == "credential" else "credentials"
    try:
        file = Path(path)
        content = file.read_text()
        if file.stat().st_mode & 0o007:
            process.warning(
                f"Permissions on {what} file '{path}' are too open; it is recommended that your {what} file is NOT accessible by others"
            )
        return parse_json(content) if content.strip() else None
    except OSError as error:
        process.exit_with(f"Failed to read {what} file '{path}': {error.strerror} (see --{flag} flag)")
    except FlagError as error:
        process.exit_with(f"Invalid json format: {error} (see --{flag} flag)")


def load_many(path: str, flag: str = "credentials") -> dict[str, str]:
    """Secret by principal from {"credentials": [{"principal", "secret"}]}; exits as Mesos does (contract item 6)."""
    content = _read(path, flag)
    if content is None:
        process.exit_with(f"Credentials file must contain at least one credential (see --{flag} flag)")
    rows = content.get("credentials", []) if isinstance(content, dict) else []
    return {row["principal"]: row.get("secret", "") for row in rows if "principal" in row}


def load_one(path: str) -> dict[str, str]:
    """An agent's own {"principal", "secret"}."""
    content = _read(path, "credential")
    if not isinstance(content, dict) or "principal" not in content:
        process.exit_with(f"Empty credential file '{path}' (see --credential flag)")
    return {"principal": str(content["principal"]), "secret": str(content.get("secret", ""))}


def basic_principal(header: str, credentials: dict[str, str]) -> str | None:
    """The principal of an Authorization header when its secret is right."""
    scheme, _, encoded = header.partition(" ")
    try:
        principal, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    right = scheme.lower() == "basic" and principal in credentials
    return principal if right and hmac.compare_digest(secret, credentials[principal]) else None


def proof(secret: str, nonce: str) -> str:
    """What an agent sends instead of its secret (the real one uses CRAM-MD5 over several messages)."""
    return hmac.new(secret.encode(), nonce.encode(), hashlib.sha256).hexdigest()
