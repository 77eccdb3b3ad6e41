#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import contextlib
import errno
import grp
import json
import os
import pwd
import shlex
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: files
short_description: The files, folders and links of a role, in one exchange with the host
description:
  - Each entry of O(files) is one path. All of them are looked at and validated before anything is written, and where one can't be had,
    none is. A file is written under another name beside its place, with its final mode, owner and SELinux context, and renamed.
  - The action plugin of this name renders templates on the controller, as M(ansible.builtin.template) does.
  - In check mode nothing is validated, and a folder or an owner that is still missing is taken for one that another task makes.
options:
  files:
    description:
      - "What is wanted, in this order. A list in this list is taken as its entries. Each entry has a C(path) (or several in a list) and
        one of C(content) (text), C(template) (a file in the role's templates), C(link) (where a symbolic link leads), C(state=directory)
        (parents are not made) or C(state=absent) (a folder with all that is in it)."
      - "C(mode), C(owner), C(group): in place of the task's. The mode of a C(secret) is 0600 unless it has another one here."
      - "C(secret): content and what its validation says are shown nowhere: not in a diff, a message, an invocation."
      - "C(validate): a command that judges a new content before anything is written, with %s for the file."
      - "C(wanted): an entry that is not wanted is passed over; nothing else of it is looked at."
      - "C(present): a path that is not to be present is deleted, as with C(state=absent)."
      - "C(notify): the handlers that a change of this entry notifies, in place of the task's C(notify); with [] none. A folder notifies
        only those that it names."
      - "C(keep): a content that is there stays, and of a folder that is there also mode and owner."
      - "C(follow): write through a symbolic link. Without it the file takes the link's place."
      - "C(unsafe_writes): write into the file where it can't be replaced, because it is mounted."
    type: list
    elements: raw
  owner: {description: Owner of what does not name one., type: str, default: root}
  group: {description: Its group., type: str, default: root}
  mode: {description: Mode of files that do not name one., type: str, default: "0644"}
  folder_mode: {description: Mode of folders that do not name one., type: str, default: "0755"}
  payload: {description: Internal. What the action plugin made of it all., type: str, default: ""}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Write the configuration
  provisioner.core.files:
    files:
      - {path: /etc/marathon, state: directory, mode: "0700"}
      - {path: /etc/marathon/secret, content: "{{ marathon_secret }}", secret: true, notify: []}
      - {path: /etc/marathon/marathon.env, template: marathon.env.j2, mode: "0600"}
      - {path: /etc/nftables.d/marathon.nft, template: rules.nft.j2, validate: nft --check --file %s, wanted: "{{ marathon_closed }}"}
      - {path: /etc/marathon/args.old, state: absent}
  notify: Restart Marathon
"""
RETURN = r"""
paths: {description: The paths that were changed., returned: always, type: list}
"""
ARGUMENTS: dict[str, Any] = {
    "files": {"type": "list", "elements": "raw"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0644"},
    "folder_mode": {"type": "str", "default": "0755"},
    # One text that is never logged and never in an answer: contents are as secret as the most secret of them.
    "payload": {"type": "str", "default": "", "no_log": True},
}
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


def validate(module: AnsibleModule, entry: Entry) -> None:
    """Let a command judge a new content."""
    handle, path = tempfile.mkstemp(dir=module.tmpdir)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(entry.content)
        code, out, err = module.run_command(entry.asked["validate"] % shlex.quote(path))
    finally:
        Path(path).unlink()
    if code:
        said = " ".join((err.strip() or out.strip()).replace(path, entry.name).split("\n"))
        words = "what it says is not shown, because the content is secret" if entry.asked.get("secret") else said or f"it ended with {code}"
        raise Problem(f"{entry.name}: refused by {entry.asked['validate'].split()[0]}, nothing was written: {words}")


def look(asked: list[dict[str, Any]], check: bool) -> list[Entry]:
    """All entries, of which each can be had."""
    entries: list[Entry] = []
    made: set[Path] = set()
    for each in asked:
        try:
            entry = Entry(each, check)
        except OSError as error:
            raise Problem(f"{each['path']}: {error.strerror}") from error
        parent = entry.path.parent
        if not check and entry.kind != "absent" and parent not in made and not parent.is_dir():
            raise Problem(f"{entry.name}: there is no folder {parent}")
        made |= {entry.path} if entry.kind == "directory" else set()
        entries.append(entry)
    return entries


def write(module: AnsibleModule, entries: list[Entry]) -> None:
    """Everything is written beside its place before the first takes it: a disk that is full leaves all as it was."""
    entry, done = entries[0], []
    try:
        for entry in entries:
            entry.stage(module)
        for entry in entries:
            entry.put()
            done.append(entry.name)
        for folder in {entry.path.parent for entry in entries}:
            settle(folder)
    except OSError as error:
        written = f"; these were changed before: {', '.join(done)}" if done else "; no file was changed"
        raise Problem(f"{entry.name}: {error.strerror or error}{written}") from error
    finally:
        for each in entries:
            if each.temporary:
                with contextlib.suppress(OSError):
                    Path(each.temporary).unlink()


def settle(folder: Path) -> None:
    """Renames outlive a loss of power."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if not module.params["payload"]:
        module.fail_json(msg="provisioner.core.files works through its action plugin only")
    asked = json.loads(module.params["payload"])
    try:
        entries = [entry for entry in look(asked["files"], module.check_mode) if entry.changed]
        differences = [entry.difference(asked["diff_max"]) for entry in entries] if module._diff else []
        if entries and not module.check_mode:
            for entry in entries:
                if entry.asked.get("validate") and entry.renewed:
                    validate(module, entry)
            write(module, entries)
    except Problem as problem:
        module.fail_json(msg=str(problem))
    said = {"diff": differences} if differences else {}
    module.exit_json(changed=bool(entries), paths=[entry.name for entry in entries], **said)


if __name__ == "__main__":
    main()
