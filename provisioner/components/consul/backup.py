"""What a backup keeps of Consul: its own snapshot."""

from __future__ import annotations

import shlex

from provisioner.cluster.model import Host
from provisioner.errors import StepFailed
from provisioner.hosts.openssh import Transport
from provisioner.run.backup_parts import Part, Sources

CHUNK = 4 * 1024 * 1024
SNAPSHOT_SECONDS = 300.0
#: Consul's program asks with root's token where there is one.
ASKING = "f=/etc/provisioner/credentials/consul.token; [ ! -e $f ] || export CONSUL_HTTP_TOKEN_FILE=$f; "
#: The leader sends it through the server that is asked; a connection between the two that breaks, or an election, is over in a moment.
SAVE = ASKING + ("for pause in 5 5 ''; do ! /usr/local/bin/consul snapshot save {file} || exit 0; [ ! \"$pause\" ] || sleep $pause; done; "
                 "exit 1")


def part(sources: Sources) -> Part:
    """Taken on a server that works."""
    return ConsulSnapshot(sources.context.transport, sources.working[0])


class ConsulSnapshot:
    """Consul's own snapshot: keys and values, sessions, prepared queries, the catalogue."""

    file = "consul.snap"

    def __init__(self, transport: Transport, server: Host) -> None:
        self._transport, self._server = transport, server

    def save(self) -> bytes:
        """See Part."""
        folder = self._run("umask 077 && mktemp -d /run/provision-backup.XXXXXX").decode().strip()
        file = shlex.quote(f"{folder}/consul.snap")
        try:
            self._run(SAVE.format(file=file))
            size = int(self._run(f"stat -c %s {file}"))
            return b"".join(self._run(f"dd if={file} bs={CHUNK} skip={n} count=1 status=none") for n in range(-(-size // CHUNK)))
        finally:
            self._run(f"rm -rf {shlex.quote(folder)}")

    def put_back(self, data: bytes) -> str:
        """See Part. Consul takes a snapshot as a whole: its keys become what they were."""
        lost = self._run(f"{ASKING}set -e; umask 077; folder=$(mktemp -d /run/provision-backup.XXXXXX); trap 'rm -rf \"$folder\"' EXIT; "
                         'cat >"$folder/consul.snap"; /usr/local/bin/consul snapshot restore "$folder/consul.snap" >&2; '
                         # Tokens are in it too: those of another cluster are not this one's.
                         '[ ! -e "$f" ] || /usr/local/bin/consul acl token read -self >/dev/null 2>&1 || echo lost', data)
        return f"a snapshot of {len(data)} bytes" + (", without this cluster's tokens ('provision up' makes them)" if lost else "")

    def _run(self, script: str, stdin: bytes = b"") -> bytes:
        done = self._transport.run(self._server, script, stdin, become=True, timeout=SNAPSHOT_SECONDS)
        if done.code:
            said = " ".join((done.stdout + done.stderr).decode(errors="replace").split())[-300:]
            raise StepFailed(f"Consul's snapshot: {said}", where=self._server.name, hint="'provision status' says what is wrong")
        return done.stdout
