"""One path of M(provisioner.core.files): what is there, what differs, and how it becomes as it is wanted."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

HIDDEN = " [[ Diff output has been hidden because 'secret: true' was specified for this file ]]\n"
#: A file that is mounted, or beside which nothing can be made.
IRREPLACEABLE = (errno.EBUSY, errno.EROFS, errno.EACCES, errno.EPERM, errno.EXDEV)


class Problem(Exception):
    """Why a path can't be as it is wanted."""


class Entry:
    """One path: how it is wanted (`asked`), and what is there."""

    def __init__(self, asked: dict[str, Any], check: bool) -> None:
        self.asked, self.kind, self.temporary = asked, str(asked["kind"]), ""
        self.name = str(asked["path"])
        self.path = Path(os.path.realpath(self.name)) if asked.get("follow") else Path(self.name)
        self.mode = int(asked["mode"], 8) if "mode" in asked else 0
        self.owner, self.group = self._ids(check)
        self.found = self.path.lstat() if os.path.lexists(self.path) else None
        if self.kind == "directory" and self.found and stat.S_ISLNK(self.found.st_mode) and self.path.is_dir():
            self.found = self.path.stat()
        self.is_folder = self.found is not None and stat.S_ISDIR(self.found.st_mode)
        self.content = str(asked.get("content", "")).encode("utf-8", "surrogateescape")
        self.before = self._before()
        self.renewed = self._renewed()
        self.touched = not (self.renewed or self._may_stay()) and self._attributes() != self._wanted_attributes()

    def _ids(self, check: bool) -> tuple[int, int]:
        """Owner and group by their numbers; -1 for what only a preview may not find."""
        found = []
        for kind, known, number in (("owner", pwd.getpwnam, "pw_uid"), ("group", grp.getgrnam, "gr_gid")):
            try:
                found.append(int(getattr(known(self.asked[kind]), number)))
            except KeyError:
                if not check:
                    raise Problem(f"{self.name}: there is no {'user' if kind == 'owner' else 'group'} {self.asked[kind]!r}") from None
                found.append(-1)
        return found[0], found[1]

    def _before(self) -> bytes | None:
        """What a regular file holds."""
        if self.kind not in ("file", "absent") or not self.found or not stat.S_ISREG(self.found.st_mode):
            return None
        return self.path.read_bytes()

    def _renewed(self) -> bool:
        """Whether there has to be another one; False where at most mode and owner change."""
        if self.kind == "absent":
            return self.found is not None
        if self.kind == "directory":
            if self.found and not self.is_folder:
                raise Problem(f"{self.name}: it is not a folder")
            return not self.found
        if self.is_folder:
            raise Problem(f"{self.name}: it is a folder")
        if self.kind == "link":
            return bool(self._leads() != self.asked["target"])
        return self.before is None or bool(self.before != self.content and not self.asked.get("keep"))

    def _may_stay(self) -> bool:
        return self.kind == "absent" or (self.kind == "directory" and bool(self.asked.get("keep")))

    def _leads(self) -> str | None:
        """Where a link leads."""
        return os.readlink(self.path) if self.path.is_symlink() else None

    def _attributes(self) -> dict[str, Any]:
        if not self.found:
            return {}
        mode = {} if self.kind == "link" else {"mode": f"0{stat.S_IMODE(self.found.st_mode):03o}"}
        return {**mode, "owner": self.found.st_uid, "group": self.found.st_gid}

    def _wanted_attributes(self) -> dict[str, Any]:
        return {**({} if self.kind == "link" else {"mode": f"0{self.mode:03o}"}), "owner": self.owner, "group": self.group}

    @property
    def changed(self) -> bool:
        """Whether anything of it has to be done."""
        return self.renewed or self.touched

    def difference(self, largest: int) -> dict[str, Any]:
        """What changes, as Ansible's own modules say it."""
        old, new = self._attributes(), ({} if self.kind == "absent" else self._wanted_attributes())
        other = [key for key in new if old.get(key) != new[key]]
        if self.kind == "file" and self.renewed:
            said = self._text_difference(largest)
            if self.found and other:
                said["before_header"] += " ({})".format(", ".join(f"{key} {old[key]}" for key in other))
                said["after_header"] += " ({})".format(", ".join(f"{key} {new[key]}" for key in other))
            return said
        state = {"state": self._state()} if self.renewed else {}
        before = {"path": self.name, **state, **{key: old[key] for key in other if key in old}}
        after = {"path": self.name, **({"state": self.kind} if state else {}), **{key: new[key] for key in other if key in old}}
        if self.kind == "link" and self.renewed:
            before["src"] = self._leads()
            after["src"] = self.asked["target"]
        return {"before": before, "after": after}

    def _state(self) -> str:
        if not self.found:
            return "absent"
        return "link" if stat.S_ISLNK(self.found.st_mode) else "directory" if self.is_folder else "file"

    def _text_difference(self, largest: int) -> dict[str, Any]:
        said: dict[str, Any] = {"before_header": self.name, "after_header": self.name}
        for key, side, content in (("before", "dst", self.before or b""), ("after", "src", self.content)):
            if self.asked.get("secret"):
                said[key] = HIDDEN if key == "after" else ""
            elif b"\0" in content:
                said[side + "_binary"] = 1
            elif 0 < largest < len(content):
                said[side + "_larger"] = largest
            else:
                said[key] = content.decode("utf-8", "replace")
        return said

    def stage(self, module: AnsibleModule) -> None:
        """What can be done beforehand: a folder is made, a file written beside its place."""
        parent = str(self.path.parent)
        if self.kind == "directory" and self.renewed:
            self.path.mkdir(0o700)
            self._own(self.path)
            module.set_default_selinux_context(str(self.path), False)
        elif self.kind == "link" and self.renewed:
            self.temporary = tempfile.mktemp(prefix=".ansible_tmp", dir=parent)  # noqa: S306 - a link can't be made where something is
            os.symlink(self.asked["target"], self.temporary)  # noqa: PTH211 - as above
            os.lchown(self.temporary, self.owner, self.group)
        elif self.kind == "file" and self.renewed:
            try:
                handle, self.temporary = tempfile.mkstemp(prefix=".ansible_tmp", dir=parent)
            except OSError as error:
                if self.asked.get("unsafe_writes") and error.errno in IRREPLACEABLE:
                    return
                raise
            with os.fdopen(handle, "wb") as stream:
                stream.write(self.content)
                stream.flush()
                self._own(handle)
                os.fsync(handle)
            if module.selinux_enabled():
                known = module.selinux_context(str(self.path)) if self.found else module.selinux_default_context(str(self.path))
                module.set_context_if_different(self.temporary, known, False)

    def put(self) -> None:
        """Let it be as it is wanted, at once."""
        if self.temporary:
            try:
                Path(self.temporary).replace(self.path)
            except OSError as error:
                if not self.asked.get("unsafe_writes") or error.errno not in IRREPLACEABLE:
                    raise
                Path(self.temporary).unlink()
                self._overwrite()
            self.temporary = ""
        elif self.kind == "file" and self.renewed:
            self._overwrite()
        elif self.kind == "absent" and self.is_folder:
            shutil.rmtree(self.path)
        elif self.kind == "absent":
            self.path.unlink()
        elif self.touched and self.kind == "link":
            os.lchown(self.path, self.owner, self.group)
        elif self.touched:
            self._own(self.path)

    def _own(self, what: Path | int) -> None:
        os.chown(what, self.owner, self.group)
        os.chmod(what, self.mode)  # noqa: PTH101 - also of an open file

    def _overwrite(self) -> None:
        """A file that can't be replaced keeps its place. Nothing of a secret is readable in between."""
        self._own(self.path)
        with self.path.open("wb") as stream:
            stream.write(self.content)
