"""Marathon as a framework: where it keeps its id, and what a new one costs.

ZkPersistenceStore, docs/framework-id.md of 1.11: <path>/state/framework-id/b/id, where b is the bucket, |hash of "id"| mod 16 in hex. It
refuses to ask for a new id while records of instances stand below <path>/state/instance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioner.run.framework_store import Store

LOST = ("Definitions of apps stay, and Marathon starts their tasks again. What it noted of the old tasks goes; their reservations "
        "and persistent volumes stay on the agents under the old id, unused, until they are destroyed by Mesos' operator API.")


def store(variables: Mapping[str, Any]) -> Store:
    """By its role's variables. The URL is read by hand: there may be several servers, and a slash in the password."""
    state = "/" + str(variables["marathon_zk_url"]).removeprefix("zk://").rpartition("@")[2].partition("/")[2].strip("/") + "/state"
    return Store(f"{state}/framework-id/b/id", f"{state}/instance")
