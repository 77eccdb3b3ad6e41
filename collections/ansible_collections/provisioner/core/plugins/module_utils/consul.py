"""What filters and modules for Consul share."""

from __future__ import annotations

import hashlib
import hmac
import uuid


def consul_token(secret: str, node: str) -> str:
    """The token of the agent of this name, which tells nothing of the secret and of other agents' tokens."""
    return str(uuid.UUID(bytes=hmac.new(secret.encode(), node.encode(), hashlib.sha256).digest()[:16], version=4))
