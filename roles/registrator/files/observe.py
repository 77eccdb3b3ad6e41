"""Print, as JSON, what there is of Registrator on this host.

Argument: the image.

docker  why the Docker Engine does not answer, "" if it does
image   whether the image is here
unit    whether our unit file is there; active: whether it runs
"""
import json
import subprocess
import sys
from pathlib import Path


def docker(*arguments):
    """Exit code and last words of the client."""
    try:
        done = subprocess.run(["docker", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, done.stderr.decode(errors="replace").strip()


def main():
    code, words = docker("info", "--format", "{{.ServerVersion}}")
    print(json.dumps({
        "docker": words or "no reason given" if code else "",
        "image": code == 0 and docker("image", "inspect", sys.argv[1])[0] == 0,
        "unit": Path("/etc/systemd/system/registrator.service").exists(),
        "active": subprocess.call(["systemctl", "is-active", "--quiet", "registrator"]) == 0,
    }))


main()
