#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.entry import Entry, Problem

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
