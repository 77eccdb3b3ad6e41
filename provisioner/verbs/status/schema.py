"""What `provision status --json` prints: the reference and its test are made of this. Another meaning or a key less is another `SCHEMA`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from provisioner.observe.status import SCHEMA


class Field(NamedTuple):
    """One key: the kind of its value, and what it means."""

    kind: Literal["integer", "string", "boolean", "list"]
    meaning: str


STATUS: Mapping[str, Field] = {
    "schema": Field("integer", f"the version of this form: {SCHEMA}. Keys may be added in the same version; one that goes, or means "
                               "something else, makes another"),
    "cluster": Field("string", "the cluster's name"),
    "healthy": Field("boolean", "whether all that was asked is well, also what `--component` and `--host` leave out; the exit code is 0 "
                                "only then"),
    "components": Field("list", "an object for each component on each host, in build order and by name; with `--component` and `--host` "
                                "only those"),
    "problems": Field("list", "sentences: hosts that don't answer, quorums, leaders, versions; chosen as `components` are. What is wrong "
                              "with one member alone stands in its object"),
    "audit": Field("string", "how the last whole `provision audit` went, and when; empty without one"),
    "authority": Field("string", "that the authority of a closed cluster ends soon; empty otherwise"),
}
COMPONENT: Mapping[str, Field] = {
    "component": Field("string", "its name, as in an inventory"),
    "host": Field("string", "the host's name"),
    "state": Field("string", "`ok`, `degraded` (it serves, and something is missing) or `down`; of this member alone"),
    "leader": Field("boolean", "whether it leads. One that is `down` may say so and be wrong"),
    "version": Field("string", "as the program itself says; empty where it does not say, or runs no program of its own there"),
    "stand_in": Field("boolean", "whether it is a lab's stand-in"),
    "detail": Field("string", "what it does, or why it does not, for people: the words may change in any release"),
}
