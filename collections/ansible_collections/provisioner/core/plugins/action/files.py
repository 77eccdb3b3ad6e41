"""Ansible action: the files of a role in one exchange. The module of the same name documents it and does the host's half."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleUndefinedVariable
from ansible.module_utils.datatag import native_type_name
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.template import generate_ansible_template_vars, trust_as_template

MODULE = "provisioner.core.files"
ARGUMENTS = {
    "files": {"type": "list", "elements": "raw", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0644"},
    "folder_mode": {"type": "str", "default": "0755"},
}
#: What an entry is by: one of these.
KINDS = ("content", "template", "link", "state")
STATES = ("absent", "directory")
TEXTS = ("path", "template", "link", "state", "mode", "owner", "group", "validate")
SWITCHES = ("wanted", "present", "secret", "keep", "follow", "unsafe_writes")
#: For files only.
OF_FILES = ("secret", "follow", "unsafe_writes", "validate")
KEYS = (*TEXTS, *SWITCHES, "content", "notify")
SECRET_MODE = "0600"  # noqa: S105 - a mode


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible ships no types
    """See the module's DOCUMENTATION."""

    _supports_check_mode = True
    _supports_async = False

    @classmethod
    def finalize_task_arg(cls, name: str, value: Any, templar: Any, context: Any) -> Any:
        """Each entry of `files` on its own: one that is not wanted may name what there is not, and an error tells nothing of a secret.

        Where Ansible does not call this, entries are rendered before it is known whether they are wanted; nothing else differs.
        """
        if name != "files" or not isinstance(value, list):
            return super().finalize_task_arg(name, value, templar, context)
        return [rendered for entry in value if (rendered := _rendered(entry, templar))]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Result keys: changed, paths; a diff for each of them."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, asked = self.validate_argument_spec(argument_spec=ARGUMENTS)
        entries = [judged for entry in _flat(asked["files"]) if (judged := _wanted(entry))]
        wanted = folders_once([self._made(entry, asked, task_vars or {}) for entry in entries])
        paths = [entry["path"] for entry in wanted]
        if twice := sorted({path for path in paths if paths.count(path) > 1}):
            raise AnsibleActionFail(f"{', '.join(twice)}: named twice")
        if not wanted:
            return {**result, "changed": False, "paths": []}
        payload = json.dumps({"files": wanted, "diff_max": constants.MAX_FILE_SIZE_FOR_DIFF})
        done = self._execute_module(module_name=MODULE, module_args={"payload": payload}, task_vars=task_vars)
        shown = [{key: value for key, value in entry.items() if key != "content"} for entry in wanted]
        done["invocation"] = {"module_args": {"files": shown}}
        self._notify(entries, done.get("paths", []))
        return {**result, **done}

    def _notify(self, entries: list[dict[str, Any]], changed: list[str]) -> None:
        """Let the task notify what the entries that were changed do. Ansible reads the task's `notify` when this is through."""
        usual = self._task.notify
        names = [name for entry in entries if entry["path"] in changed
                 for name in _names(entry.get("notify", None if entry.get("state") == "directory" else usual))]
        if names != _names(usual):
            self._task.notify = list(dict.fromkeys(names)) or None

    def _made(self, entry: dict[str, Any], asked: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """An entry as the host is told it."""
        kind = _kind(entry)
        state = str(entry.get("state", "file" if kind in ("content", "template") else kind))
        secret = _switch(entry, "secret")
        usual = asked["folder_mode"] if state == "directory" else SECRET_MODE if secret else asked["mode"]
        made: dict[str, Any] = {"path": str(entry["path"]), "kind": state, "mode": _mode(entry, usual)}
        made |= {key: str(entry.get(key, asked[key])) for key in ("owner", "group")}
        if state == "directory":
            made |= {"keep": True} if _switch(entry, "keep") else {}
        elif state == "file":
            made |= {"secret": secret, "content": self._content(entry, secret, task_vars)}
            made |= {key: True for key in (*OF_FILES, "keep") if key in SWITCHES and _switch(entry, key)}
            made |= {"validate": str(entry["validate"])} if entry.get("validate") else {}
        elif kind == "link":
            made["target"] = str(entry["link"])
        return made

    def _content(self, entry: dict[str, Any], secret: bool, task_vars: dict[str, Any]) -> str:
        if "template" not in entry:
            # An expression alone may give a number.
            if not isinstance(entry["content"], (str, int, float)) or isinstance(entry["content"], bool):
                raise AnsibleActionFail(f"{entry['path']}: its content must be text, not of type {native_type_name(entry['content'])}")
            return str(entry["content"])
        try:
            return self._from_template(str(entry["template"]), str(entry["path"]), task_vars)
        except AnsibleError as error:
            if secret:
                raise _silent(entry["path"], error) from None
            raise

    def _from_template(self, name: str, path: str, task_vars: dict[str, Any]) -> str:
        """As ansible.builtin.template renders it: the same search path, the same variables."""
        source = self._find_needle("templates", name)
        folders = [*task_vars.get("ansible_search_path", []), self._loader.get_basedir(), str(Path(source).parent)]
        variables = {**task_vars, **generate_ansible_template_vars(name, source, path)}
        if "ansible_managed" in task_vars:
            variables["ansible_managed"] = task_vars["ansible_managed"]
        templar = self._templar.copy_with_new_env(searchpath=[each for folder in folders for each in (f"{folder}/templates", folder)],
                                                  available_variables=variables)
        text = templar.template(trust_as_template(self._loader.get_text_file_contents(source)), escape_backslashes=False,
                                overrides={"trim_blocks": True, "lstrip_blocks": False, "newline_sequence": "\n"})
        return "" if text is None else str(text)


def _wanted(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as it is wanted: nothing of one that is not, and of one that is not to be present only that it is to go."""
    if not _switch(entry, "wanted", default=True):
        return {}
    if _switch(entry, "present", default=True):
        return entry
    return {"path": entry.get("path"), "state": "absent", **{key: entry[key] for key in ("notify",) if key in entry}}


def _rendered(entry: Any, templar: Any) -> Any:
    """One entry with its values; nothing of one that is not wanted."""
    if not isinstance(entry, dict):
        return templar.template(entry)
    judged = _wanted({**entry, **{key: templar.template(entry[key]) for key in ("wanted", "present") if key in entry}})
    try:
        return templar.template(judged)
    except AnsibleError as error:
        if entry.get("secret"):
            raise _silent(entry.get("path", "a secret"), error) from None
        raise


def _silent(path: object, error: AnsibleError) -> AnsibleActionFail:
    """What may be said of an error that could hold a secret: the name of what is missing, or only which kind it is."""
    words = f"{type(error).__name__}; more is not shown, because it is secret"
    words = str(error) if isinstance(error, AnsibleUndefinedVariable) else words
    return AnsibleActionFail(f"{path}: its content can't be rendered: {words}")


def _flat(given: list[Any]) -> list[dict[str, Any]]:
    """The entries of a list, and of the lists in it. What is wrong in them is an error that names the path."""
    entries: list[dict[str, Any]] = []
    for each in given:
        if isinstance(each, list):
            entries += _flat(each)
        elif isinstance(each, dict):
            paths = each.get("path")
            entries += [{**each, "path": path} for path in paths] if isinstance(paths, list) else [each]
        else:
            raise AnsibleActionFail(f"an entry of files must be a dictionary, not {each!r}")
    return entries


def _kind(entry: dict[str, Any]) -> str:
    """By what an entry is; every other rule about its keys is looked after, too."""
    path = entry.get("path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise AnsibleActionFail(f"path must be absolute, not {path!r}")
    if unknown := [key for key in entry if key not in KEYS]:
        raise AnsibleActionFail(f"{path}: no such key: {', '.join(map(str, unknown))} (there are {', '.join(KEYS)})")
    named = [key for key in KINDS if key in entry]
    if len(named) != 1:
        raise AnsibleActionFail(f"{path}: give one of {', '.join(KINDS)}{', not ' + ' and '.join(named) if named else ''}")
    kind = named[0]
    if kind == "state" and entry["state"] not in STATES:
        raise AnsibleActionFail(f"{path}: state must be one of {', '.join(STATES)}, not {entry['state']!r}")
    if kind in ("link", "state") and (useless := [key for key in OF_FILES if entry.get(key)]):
        raise AnsibleActionFail(f"{path}: {', '.join(useless)} is for files only")
    if entry.get("validate") and "%s" not in str(entry["validate"]):
        raise AnsibleActionFail(f"{path}: validate must hold %s for the file")
    return kind


def _mode(entry: dict[str, Any], usual: str) -> str:
    mode = entry.get("mode", usual)
    if not isinstance(mode, str) or not re.fullmatch("[0-7]{3,4}", mode):
        raise AnsibleActionFail(f"{entry['path']}: mode must be a quoted octal number such as '0644', not {mode!r}")
    return str(mode)


def _switch(entry: dict[str, Any], key: str, default: bool = False) -> bool:
    try:
        return bool(boolean(entry.get(key, default)))
    except TypeError:
        raise AnsibleActionFail(f"{entry.get('path')}: {key} must be true or false, not {entry[key]!r}") from None


def folders_once(wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A folder that is only to be there (`keep`) may be another entry's, too: then it is made with that one's mode and owner."""
    firm = {entry["path"]: entry for entry in wanted if entry["kind"] == "directory" and not entry.get("keep")}
    made: list[dict[str, Any]] = []
    for entry in wanted:
        kept = entry["kind"] == "directory" and entry.get("keep")
        one = firm.get(entry["path"], entry) if kept else entry
        if not any(one is other or (kept and one == other) for other in made):
            made.append(one)
    return made


def _names(notify: Any) -> list[str]:
    return [notify] if isinstance(notify, str) else list(notify or [])
