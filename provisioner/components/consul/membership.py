"""Who is in the cluster: a host that is gone for good is taken out by one that stays."""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.cluster.model import Host
from provisioner.hosts.remote_calls import RemoteCalls

#: Takes a node out, and back the token of its agent, where tokens count: on a server root's may do that.
FORGET = r"""
f=/etc/provisioner/credentials/consul.token
if [ -e $f ]; then
  export CONSUL_HTTP_TOKEN_FILE=$f
  consul acl token list | awk -v about="provisioner: agent $1" '
    /^AccessorID:/ { id = $2 } /^Description:/ { sub(/^Description: */, ""); if ($0 == about) print id }' |
    xargs -r -n 1 consul acl token delete -id
fi
consul force-leave -prune "$1"
"""


def forget(calls: RemoteCalls, working: Sequence[Host], name: str) -> None:
    """Take a lost host out: Consul keeps one that went without a word for days. `working`: the servers that do."""
    if working:
        calls.run(working[0], "sh", "-c", FORGET, "sh", name)
