"""The reader of inventories for offline tests, loaded once for all of a process: each start of Ansible takes half a second.

    inventory_reader.py ARGUMENT        in place of ansible_reader.py: the loaded one reads, in a fork with this environment and folder
    inventory_reader.py --serve SOCKET  the loaded one

Where Ansible would begin with other settings than those that the loaded one has, the real program is started, as always.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

READER = Path(__file__).resolve().parents[2] / "provisioner" / "inventory" / "ansible_reader.py"
#: Lies beside the link by which this file is called.
SOCKET = "socket"
#: What Ansible, and Python, look at once, when they start.
SETTINGS = ("ANSIBLE_", "PYTHON", "LC_", "LANG", "HOME", "NO_COLOR")


def settings(environment: dict[str, str], folder: str) -> object:
    """What decides how Ansible starts."""
    own = Path(folder, "ansible.cfg")
    return [{key: value for key, value in sorted(environment.items()) if key.startswith(SETTINGS)}, str(own) if own.exists() else ""]


def ask() -> None:
    """Ends as the program ends, or becomes it."""
    asked = {"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": str(Path.cwd())}
    with socket.socket(socket.AF_UNIX) as loaded:
        loaded.connect(str(Path(sys.argv[0]).with_name(SOCKET)))
        socket.send_fds(loaded, [json.dumps(asked).encode()], [0, 1, 2])
        loaded.shutdown(socket.SHUT_WR)
        answer = loaded.recv(1)
    if answer == b"?":
        os.execv(sys.executable, [sys.executable, str(READER), *sys.argv[1:]])  # noqa: S606  # as the driver starts it
    sys.exit(answer[0] if answer else "the reader of inventories ended")


def serve(path: str) -> None:
    """Until it is told to end."""
    import gc
    import importlib
    import socketserver

    from ansible.plugins.loader import init_plugin_loader

    from provisioner.inventory import ansible_reader

    mine = settings(dict(os.environ), str(Path.cwd()))
    init_plugin_loader()
    # That may be done once in a process, and leaves it to the first who looks for a plugin to read what its collection says of itself.
    vars(ansible_reader)["init_plugin_loader"] = lambda: None
    importlib.import_module("ansible_collections.ansible.builtin")
    gc.freeze()

    class Reading(socketserver.BaseRequestHandler):
        """One call of the program; its process does nothing else."""

        def handle(self) -> None:
            message, descriptors, _, _ = socket.recv_fds(self.request, 1 << 16, 3)
            while more := self.request.recv(1 << 16):
                message += more
            asked = json.loads(message)
            if settings(asked["environment"], asked["folder"]) != mine:
                self.request.sendall(b"?")
                return
            for place, descriptor in enumerate(descriptors):
                os.dup2(descriptor, place)
            os.environ.clear()
            os.environ.update(asked["environment"])
            os.chdir(asked["folder"])
            sys.argv[1:] = asked["arguments"]
            ansible_reader.main()
            self.request.sendall(b"\0")

    class Loaded(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
        """It forks for each."""

        request_queue_size = 64

    with Loaded(path, Reading) as loaded:
        print("ready", flush=True)
        loaded.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(sys.argv[2])
    else:
        ask()
