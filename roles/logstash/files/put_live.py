"""Write Logstash's settings and pipeline, after Logstash itself has accepted all of them.

Argument: "preview" to write nothing. Standard input: JSON, {live file: content}.
Prints JSON: changed (whether a live file is or would be another), refused (what Logstash says against them, "" if nothing).
"""
import grp
import json
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOME = Path("/etc/logstash")
COMMAND = ["runuser", "-u", "logstash", "--", "/usr/share/logstash/bin/logstash"]
MODE = 0o640
SECONDS = 300
LINGER_SECONDS = 0.5  # decision 10: what is printed in the moment of the exit can get lost


def write(path, text):
    """The file is whole at any moment, and Logstash may read it."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.chmod(MODE)
    shutil.chown(part, "root", "logstash")
    part.replace(path)


def differs(path, text):
    """Whether the live file is not what `write` would leave."""
    if not path.is_file() or path.read_text() != text:
        return True
    try:
        group = grp.getgrnam("logstash").gr_gid
    except KeyError:  # in a preview, where the package was purged and its files were put back
        return True
    found = path.stat()
    return (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) != (0, group, MODE)


def refused(files):
    """What Logstash says against the files, tried in a folder beside the live ones; other files of conf.d are tried with them."""
    with tempfile.TemporaryDirectory(dir=HOME, prefix="candidate-") as folder:
        candidate = Path(folder)
        candidate.chmod(0o750)
        shutil.chown(candidate, "root", "logstash")
        if (HOME / "conf.d").is_dir():
            shutil.copytree(HOME / "conf.d", candidate / "conf.d")
        for name, text in files.items():
            path = candidate / Path(name).relative_to(HOME)
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write(path, text)
        check = [*COMMAND, "--path.settings", folder, "--path.config", folder + "/conf.d/*.conf", "--config.test_and_exit"]
        done = subprocess.run(check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
    if done.returncode == 0:
        return ""
    return done.stdout.decode(errors="replace").replace(folder, str(HOME)).strip() or f"exit code {done.returncode}"


def main():
    files = json.load(sys.stdin)
    changed = [name for name, text in files.items() if differs(Path(name), text)]
    preview = "preview" in sys.argv[1:]
    against = refused(files) if changed and not preview else ""
    if not against and not preview:
        for name in changed:
            write(Path(name), files[name])
    print(json.dumps({"changed": bool(changed) and not against, "refused": against}), flush=True)
    time.sleep(LINGER_SECONDS)


main()
