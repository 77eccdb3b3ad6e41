"""The thorough way to read an inventory: Ansible does it, in a process of its own, and what it found is kept until a file changes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner import __version__
from provisioner.errors import InventoryError, ProvisionError
from provisioner.inventory.described import Described, Group, Secret, Setting, Template
from provisioner.state.files import private_dir, write_private
from provisioner.state.problems import Problems

READER = Path(__file__).with_name("ansible_reader.py")
#: Folders beside an inventory from which Ansible adds variables.
VARIABLE_FOLDERS = ("group_vars", "host_vars")
#: Ansible warns of group names that no template could use; nothing here depends on them.
_ABOUT_NAMES = re.compile("Invalid characters were found in group names")
_PLAIN_SUFFIXES = (".yml", ".yaml", ".json")
#: Settings of Ansible that decide what a plain file says.
_SETTINGS_ENVIRONMENT = ("ANSIBLE_HASH_BEHAVIOUR", "ANSIBLE_PRECEDENCE", "ANSIBLE_VARS_ENABLED", "ANSIBLE_VARS_PLUGINS",
                         "ANSIBLE_INVENTORY_ENABLED")
_SETTINGS = re.compile(r"^\s*(hash_behaviour|precedence|vars_plugins|vars_plugins_enabled|enable_plugins)\s*=", re.MULTILINE)
#: An inventory script may ask a cloud; nobody waits longer for it.
SECONDS = 600.0


@dataclass(frozen=True)
class Vault:
    """What opens the user's own vaults, as ansible-inventory takes it; what ANSIBLE_* and ansible.cfg say is added by Ansible."""

    password_files: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    ask: bool = False


def read(path: Path, prefixes: Sequence[str], vault: Vault, problems: Problems) -> Described:
    """What Ansible finds in an inventory of any kind. Values of variables with one of `prefixes` are filled in. Raises InventoryError."""
    asked = {"source": str(path), "own": list(prefixes), "vault_password_files": list(vault.password_files), "vault_ids": list(vault.ids),
             "ask_vault_pass": vault.ask}
    digest = _digest(path, asked)
    answer = _kept(path, digest)
    if answer is None:
        answer = _ask(asked, path)
        if answer["static"] and not answer["secret"]:
            _keep(path, digest, answer)
    if _is_ini(str(path)):
        problems.ini.add(0)
    return _described(answer, problems)


def _ask(asked: Mapping[str, Any], path: Path) -> dict[str, Any]:
    import subprocess  # only what is not plain needs it

    command = [sys.executable, str(READER), json.dumps(asked)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE if not asked["ask_vault_pass"] else None,
                              timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InventoryError(f"reading the inventory took more than {SECONDS:.0f} s", where=str(path)) from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        told = (done.stderr or b"").decode(errors="replace").strip().splitlines()
        raise InventoryError(f"Ansible could not read the inventory: {told[-1] if told else f'exit code {done.returncode}'}",
                             where=str(path), hint=f"ansible-inventory -i {path} --list") from None
    if error := answer.get("error"):
        file, line = error["place"]
        raise InventoryError(error["message"], where=f"{_shown(file)}:{line}" if line else _shown(file), hint=_hint(error["message"]))
    return answer


def _hint(message: str) -> str:
    text = message.lower()
    if "decryption failed" in text:
        return "the password that was given does not open it: name the right one with --vault-password-file FILE or --vault-id LABEL@FILE"
    if "vault" in text and ("secret" in text or "decrypt" in text or "password" in text):
        return "give the vault's password with --vault-password-file FILE, --ask-vault-pass or $ANSIBLE_VAULT_PASSWORD_FILE"
    if "unknown plugin" in text:
        return "install the collection that has this inventory plugin: ansible-galaxy collection install NAME"
    return ""


def _described(answer: Mapping[str, Any], problems: Problems) -> Described:
    problems.hide(answer["hidden"])
    places = [problems.elsewhere(_shown(file), line) for file, line in answer["places"]]
    problems.ini |= {place for place, (file, _) in zip(places, answer["places"], strict=True) if _is_ini(file)}
    found = Described(warnings=[warning for warning in answer["warnings"] if not _ABOUT_NAMES.search(warning)])
    once: dict[tuple[str, int, str], Setting] = {}
    for name, host in answer["hosts"].items():
        found.lines[name] = places[host["place"]]
        own = found.settings[name] = {}
        for variable, (value, place) in host["variables"].items():
            key = (variable, place, json.dumps(value, sort_keys=True))
            if key not in once:
                once[key] = Setting(_value(value), places[place])
            own[variable] = once[key]
    found.written = [(name, setting) for (name, _, _), setting in once.items()]
    for name, group in answer["groups"].items():
        found.groups[name] = Group(places[group["place"]], set(group["hosts"]), set(group["children"]))
    for name, place, reason in answer["unfilled"]:
        problems.add(places[place], f"{name} can't be filled in: {reason}",
                     "define what it names (facts of hosts are not known yet), or write !unsafe before a text that is meant literally")
    for name, place in answer["literals"]:
        found.warnings.append(f"{problems.at(places[place])}: {name} holds braces that are no template, and is taken literally: "
                              "write !unsafe before the text to say that it is meant so")
    return found


def _value(encoded: Any) -> Any:
    if isinstance(encoded, list):
        return [_value(inner) for inner in encoded]
    if not isinstance(encoded, dict):
        return encoded
    match list(encoded.items()):
        case [("$secret", [label, text])]:
            return Secret(text, label)
        case [("$template", text)]:
            return Template(text)
        case [("$text", text)]:
            return text
    return {key: _value(inner) for key, inner in encoded.items()}


def _is_ini(file: str) -> bool:
    """Whether Ansible reads a file as INI: by its name, as it has been read without an error."""
    path = Path(file)
    own = path.parent.name in ("group_vars", "host_vars") or path.parent.parent.name in ("group_vars", "host_vars")
    return path.suffix in ("", ".ini", ".cfg") and path.is_file() and not own and not os.access(path, os.X_OK)


def _shown(file: str) -> str:
    """A file as one would name it from here."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


def _digest(path: Path, asked: Mapping[str, Any]) -> str:
    """Over everything that decides what a static inventory says. Raises InventoryError for what is no file."""
    from importlib.metadata import version  # takes as long as reading a plain inventory

    whole = hashlib.sha256(json.dumps([asked, str(path.absolute()), __version__, version("ansible-core")]).encode())
    whole.update(READER.read_bytes())
    for name, value in sorted(os.environ.items()):
        if name.startswith("ANSIBLE_"):
            whole.update(f"{name}={value}\0".encode())
    for file in sorted({*files(path), *_configuration()}):
        if file.exists() and not file.is_file():  # opening a pipe would wait for somebody to write into it
            raise InventoryError("this is not a regular file", where=str(file), hint="take it out of the inventory's folder")
        whole.update(f"{file}\0".encode())
        try:
            whole.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError:
            whole.update(b"unreadable")
    return whole.hexdigest()


def files(path: Path) -> Iterator[Path]:
    """The files of an inventory: its own, and those with variables beside it."""
    yield from _below(path)
    for name in VARIABLE_FOLDERS:
        yield from _below(path.parent / name)


def _configuration() -> Iterator[Path]:
    configured = os.environ.get("ANSIBLE_CONFIG", "")
    if configured and Path(configured).is_dir():
        configured = f"{configured}/ansible.cfg"
    settings = (Path(configured), Path("ansible.cfg"), Path("~/.ansible.cfg").expanduser(), Path("/etc/ansible/ansible.cfg"))
    yield from (file for file in settings if file.is_file())


def _below(path: Path) -> Iterable[Path]:
    if not path.is_dir():
        return [path] if path.exists() else []
    return [Path(folder, name) for folder, folders, names in os.walk(path, followlinks=True) if not _skip(folders) for name in names]


def _skip(folders: list[str]) -> bool:
    """State of ours is no inventory; Ansible skips hidden folders."""
    folders[:] = [name for name in folders if not name.startswith(".")]
    return False


def _cache(path: Path) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    name = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:16]
    return Path(base).expanduser() / "provision" / "inventories" / f"{name}.json"


def _kept(path: Path, digest: str) -> dict[str, Any] | None:
    """What was found last time, if it still holds."""
    try:
        with _cache(path).open("rb") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return None
            found: dict[str, Any] = json.load(file)
        return found["answer"] if found["digest"] == digest else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _keep(path: Path, digest: str, answer: Mapping[str, Any]) -> None:
    """For next time; where that can't be, the next time takes longer."""
    try:
        private_dir(_cache(path).parent)
        write_private(_cache(path), json.dumps({"digest": digest, "answer": answer}).encode())
    except ProvisionError:
        return


def needed(path: Path) -> str:
    """Why only Ansible can read this inventory; '' where it may be plain, or is nothing to read."""
    if "\0" in str(path):
        return ""
    if path.is_dir():
        return "a directory"
    if os.access(path, os.X_OK) and path.is_file() and (_begins(path, b"#!") or path.suffix not in _PLAIN_SUFFIXES):
        return "a program"
    beside = [name for name in VARIABLE_FOLDERS if (path.parent / name).is_dir()]
    if beside:
        return f"{' and '.join(beside)} beside it"
    if _begins(path, b"$ANSIBLE_VAULT"):
        return "encrypted"
    if configured := next(filter(os.environ.get, _SETTINGS_ENVIRONMENT), ""):
        return configured
    # Ansible takes the first that there is.
    configuration = next(_configuration(), None)
    if configuration and _SETTINGS.search(configuration.read_text(errors="replace")):
        return str(configuration)
    return "" if path.suffix in ("", *_PLAIN_SUFFIXES) else f"the suffix {path.suffix}"


def _begins(path: Path, mark: bytes) -> bool:
    try:
        if not path.is_file():  # opening a pipe would wait for somebody to write into it
            return False
        with path.open("rb") as file:
            return file.read(len(mark)) == mark
    except OSError:
        return False
