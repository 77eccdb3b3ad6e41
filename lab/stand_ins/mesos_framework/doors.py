"""Where a member listens and whom it lets in: the flags that Marathon and Chronos have in common (chaos, of which both were made).

Read from the sources of both (HttpModule, HttpServer of chaos): there is a way in by HTTP unless it is switched off, and one by HTTPS where
there are a key store and its password. With neither the program does not start.
"""

from __future__ import annotations

import base64
import hmac
import logging
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from mesos_framework import key_store
from mesos_framework.flags import FlagError, Value
from mesos_framework.key_store import KeyStore, KeyStoreError

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


@dataclass(frozen=True)
class Listener:
    """One way in; by HTTPS with a context."""

    address: str
    port: int
    context: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Doors:
    """All ways in, their lock, and the key store where there is one."""

    listeners: tuple[Listener, ...]
    lock: Lock = OPEN
    store: KeyStore | None = None


def doors(values: Mapping[str, Value]) -> Doors:
    """What the flags ask for. Raises FlagError for what the program does not start with."""
    listeners, store = [], None
    if not values["disable_http"]:
        listeners.append(Listener(str(values.get("http_address", "")), int(values["http_port"])))
    if "ssl_keystore_path" in values and "ssl_keystore_password" in values:
        try:
            store = key_store.read(str(values["ssl_keystore_path"]), str(values["ssl_keystore_password"]))
        except KeyStoreError as error:
            raise FlagError(str(error)) from error
        listeners.append(Listener(str(values.get("https_address", "")), int(values["https_port"]), store.server()))
    if not listeners:
        raise FlagError("Invalid configuration: Neither HTTP nor HTTPS support has been configured.")
    return Doors(tuple(listeners), _lock(values), store)


def _lock(values: Mapping[str, Value]) -> Lock:
    pair = str(values.get("http_credentials", ""))
    if pair and not re.fullmatch(r".+:.+", pair):
        LOG.error("The HTTP credentials must be specified in the form of 'user:password'.")
        pair = ""
    return Lock(pair, str(values["http_realm"]))
