"""How a member is reached and whom it lets in: the flags that Marathon and Chronos have in common (chaos, of which both were made)."""

from __future__ import annotations

import base64
import hmac
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mesos_framework.flags import Value

LOG = logging.getLogger("http")
#: Variables of the environment that are the defaults of flags.
FROM_ENVIRONMENT = {
    "http_credentials": "MESOSPHERE_HTTP_CREDENTIALS", "ssl_keystore_path": "MESOSPHERE_KEYSTORE_PATH",
    "ssl_keystore_password": "MESOSPHERE_KEYSTORE_PASS",
}


def with_defaults(values: Mapping[str, Value], environ: Mapping[str, str]) -> dict[str, Value]:
    """The values of flags, completed from the environment."""
    return {**{flag: environ[name] for flag, name in FROM_ENVIRONMENT.items() if name in environ}, **values}


@dataclass(frozen=True)
class Lock:
    """One pair of user and password for all paths, or none. What is no pair locks nothing, as in the real programs."""

    pair: str = ""
    realm: str = ""

    def opens(self, headers: Mapping[str, str]) -> bool:
        """Whether a request with these headers is answered."""
        if not self.pair:
            return True
        given = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        scheme, _, token = given.partition(" ")
        try:
            pair = base64.b64decode(token, validate=True)
        except ValueError:
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(pair, self.pair.encode())


#: Everybody gets in.
OPEN = Lock()


def lock(values: Mapping[str, Value]) -> Lock:
    """What the flags ask for."""
    pair = str(values.get("http_credentials", ""))
    if pair and not re.fullmatch(r".+:.+", pair):
        LOG.error("The HTTP credentials must be specified in the form of 'user:password'.")
        pair = ""
    return Lock(pair, str(values["http_realm"]))
