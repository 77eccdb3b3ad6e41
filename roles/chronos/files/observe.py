"""Print, as JSON, what role chronos needs to know about this host. Argument: JSON {image, address, port}.

docker   whether the engine answers; image: whether it has the image; running: whether our unit runs; unit: whether it is there
absent   the address if this host does not have it, else ""; taken: whether another program holds the port
"""
import errno
import json
import pathlib
import socket
import subprocess
import sys

UNIT = "chronos"


def works(*command):
    """Whether a query ends well; a program that is not installed does not."""
    try:
        return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except FileNotFoundError:
        return False


def bind_error(address, port):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno
    return 0


def main():
    asked = json.loads(sys.argv[1])
    running = works("systemctl", "is-active", "--quiet", UNIT)
    failed = bind_error(asked["address"], int(asked["port"])) if asked["address"] else 0
    print(json.dumps({
        "docker": works("docker", "version"),
        "image": works("docker", "image", "inspect", asked["image"]),
        "running": running,
        "unit": pathlib.Path(f"/etc/systemd/system/{UNIT}.service").exists(),
        "absent": asked["address"] if failed == errno.EADDRNOTAVAIL else "",
        "taken": failed == errno.EADDRINUSE and not running,
    }))


if __name__ == "__main__":
    main()
