"""Print, as JSON, what there is of Logstash and rsyslog on this host.

Argument: JSON with the [address, port] pairs that Logstash will bind, and the folder that rsyslog keeps lines in.

logstash, rsyslog  whether they run; unit: whether our unit file is there; spool: whether the folder is
absent             whether this host lacks the address; taken: ports that another program holds
"""
import errno
import json
import socket
import subprocess
import sys
from pathlib import Path


def active(unit):
    return subprocess.call(["systemctl", "is-active", "--quiet", unit]) == 0


def bind_error(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno
    return 0


def main():
    asked = json.loads(sys.argv[1])
    errors = {port: bind_error(address, port) for address, port in asked["ports"] if address}
    running = active("logstash")
    print(json.dumps({
        "logstash": running,
        "rsyslog": active("rsyslog"),
        "unit": Path("/etc/systemd/system/logstash.service").exists(),
        "spool": Path(asked["spool"]).is_dir(),
        "absent": errno.EADDRNOTAVAIL in errors.values(),
        "taken": [] if running else [port for port, error in errors.items() if error == errno.EADDRINUSE],
    }))


main()
