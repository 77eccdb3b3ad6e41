"""A program of its own: reads an inventory with Ansible's code, as `ansible-inventory` does, and prints what it says as one JSON object.

    ansible_reader.py '{"source": …, "own": [prefixes], "vault_password_files": [], "vault_ids": [], "ask_vault_pass": false}'

Answer: `hosts` name → {place, variables: name → [value, place]}; `groups` name → {hosts, children}; `places` [file, line], by which a
place is its number; `literals` [name, place] of values of ours with braces that are no template; `unfilled` [name, place, reason];
`hidden` what came out of vaults, in clear, which no message may show; `warnings`; `static`: nothing but the files had a say; `secret`:
something came out of a vault; or `error` {message, place}. In a value `{"$secret": [label, text]}` came out of a vault, `{"$template":
text}` is for Ansible to fill in, `{"$text": text}` is what JSON has no type for. Values of variables that begin with one of `own` are
filled in.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible import constants as C  # noqa: N812  # its own name for them
from ansible._internal._datatag._tags import Origin, TrustedAsTemplate
from ansible.cli import CLI
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.module_utils._internal._datatag import AnsibleTagHelper
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import EncryptedString, VaultSecretsContext, is_encrypted
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.utils.display import Display
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from jinja2 import Environment, TemplateSyntaxError

#: Plugins whose result depends on nothing but the files that they read.
STATIC_PLUGINS = {"yaml", "ini", "toml", "host_list"}
#: Which plugin is meant by a file of this kind, when none of them could read it.
BY_SUFFIX = {".yml": "yaml", ".yaml": "yaml", ".json": "yaml", ".toml": "toml"}
#: What a template may ask besides variables; the answer may be another one next time.
ASKS = re.compile(r"\b(lookup|query|q|now|random|shuffle|expandvars|expanduser|realpath|strftime|fileglob)\b")
#: Settings of ours that may be secrets where a whole file is encrypted, and those that the wiring is made of, which never are.
HIDEABLE = re.compile(r"_extra_|pass|secret|token|credential")
WIRING = re.compile(r"^(cluster_\w+|ansible_(ssh_)?(host|port|user)|ansible_connection)$")
PASSWORD = re.compile(r"^ansible_\w*pass(word)?$")
#: Variables that Ansible adds to every host's.
MAGIC = {*C.INTERNAL_STATIC_VARS, "ansible_facts", "ansible_local", "inventory_dir", "inventory_file", "playbook_dir"}
MARKS = ("{{", "{%", "{#")
#: From this length on a text that is found inside another one is a secret inside it, and no accident.
HIDDEN_MIN = 6
#: Bytes. Ansible's reader of INI takes minutes for a longer line without a blank: it adds one character after the other to a text.
INI_LINE_MAX = 100_000
#: Characters. Messages of Ansible repeat what they are about.
MESSAGE_MAX = 1000
LEFT_OUT = object()
PARSER = Environment(autoescape=False)  # noqa: S701  # no HTML is made


class Manager(InventoryManager):  # type: ignore[misc]  # Ansible has no types
    """Notes which plugin read what, and why one could not."""

    def __init__(self, loader: Any, source: str) -> None:
        self.used: list[str] = []
        self.read: set[str] = set()
        self.failures: list[tuple[str, str, BaseException]] = []
        super().__init__(loader=loader, sources=[source])

    def _fetch_inventory_plugins(self) -> Any:
        return [self._noted(plugin) for plugin in super()._fetch_inventory_plugins()]

    def _noted(self, plugin: Any) -> Any:
        parse, name = plugin.parse, getattr(plugin, "_load_name", "")

        def noted(inventory: Any, loader: Any, path: str, **more: Any) -> Any:
            try:
                if name == "ini":
                    _refuse_endless_lines(path)
                result = parse(inventory, loader, path, **more)
            except BaseException as error:
                self.failures.append((str(path), name, error))
                raise
            self.used.append(name)
            self.read.add(str(path))
            return result

        plugin.parse = noted
        return plugin


class Loader(DataLoader):  # type: ignore[misc]
    """Notes which files were encrypted as a whole, and by what they are known."""

    def __init__(self) -> None:
        super().__init__()
        self.encrypted: dict[str, str] = {}
        #: Ansible names the inventory, not the file that it could not decrypt.
        self.last_encrypted = ""

    def _decrypt_if_vault_data(self, b_data: bytes) -> tuple[bytes, bool]:
        origin = Origin.get_tag(b_data)
        if is_encrypted(b_data) and origin and origin.path:
            self.encrypted[origin.path] = hashlib.sha256(b_data).hexdigest()
            self.last_encrypted = origin.path
        found: tuple[bytes, bool] = super()._decrypt_if_vault_data(b_data)
        self.last_encrypted = ""
        return found


class Reader:
    """Turns what Ansible read into plain data."""

    def __init__(self, loader: Loader, own: tuple[str, ...]) -> None:
        self._loader, self._own = loader, own
        self._places: dict[tuple[str, int], int] = {}
        #: Texts that came out of a vault → what their encrypted form is known by.
        self._clear: dict[str, str] = {}
        self.literals: dict[tuple[str, int], None] = {}
        #: Variable and place → what kept it from being filled in.
        self.unfilled: dict[tuple[str, int], str] = {}
        #: Values as they were written → the secrets in what they became, in their order.
        self._seen: dict[str, list[str]] = {}
        self.static, self.secret = True, False

    @property
    def places(self) -> list[tuple[str, int]]:
        """File and line of each."""
        return list(self._places)

    def place(self, value: Any, otherwise: int) -> int:
        """Where a value was written."""
        origin = Origin.get_tag(value)
        if origin is None or not origin.path:
            return otherwise
        return self.number(origin.path, origin.line_num or 0)

    def number(self, path: str, line: int) -> int:
        """The number of a place."""
        return self._places.setdefault((path, line), len(self._places))

    def variables(self, raw: dict[str, Any], where: int, others: Any) -> dict[str, Any]:
        """All variables of one host, those of ours filled in. `others` are the variables of all hosts by name."""
        values = {name: self._prepared(name, value) for name, value in raw.items() if name not in MAGIC and isinstance(name, str)}
        secret = self._secrets(values)
        templar = Templar(self._loader, variables={**raw, **values, "hostvars": others})
        found = {}
        for name, value in values.items():
            hidden = [] if WIRING.match(name) else secret.get(name, [])
            filled = self._filled(name, value, templar, hidden, of_secrets=name in secret)
            if filled is not LEFT_OUT:
                found[name] = [filled, self.place(value, where)]
        return found

    def _ours(self, name: str) -> bool:
        return name.startswith(self._own)

    def _prepared(self, name: str, value: Any) -> Any:
        """Text with braces that is no template loses the mark by which Ansible would fill it in."""
        if isinstance(value, EncryptedString):
            return value
        if isinstance(value, dict):
            return AnsibleTagHelper.tag_copy(value, {key: self._prepared(name, inner) for key, inner in value.items()})
        if isinstance(value, list):
            return AnsibleTagHelper.tag_copy(value, [self._prepared(name, inner) for inner in value])
        if not _is_template(value):
            return value
        try:
            PARSER.parse(value)
        except TemplateSyntaxError:
            if self._ours(name) and not PASSWORD.match(name):
                self.literals[(name, self.place(value, 0))] = None
            return TrustedAsTemplate.untag(value)
        return value

    def _secrets(self, values: dict[str, Any]) -> dict[str, list[str]]:
        """The variables that hold something out of a vault, also by naming one that does, and what that is known by."""
        known = {name: found for name, value in values.items() if (found := sorted(set(self._out_of_vaults(name, value))))}
        texts = {name: json.dumps(value, default=_ciphertext) for name, value in values.items() if known and _has_templates(value)}
        new = dict(known)
        while new:
            named = {name: [one for one in new if re.search(rf"\b{re.escape(one)}\b", text)] for name, text in texts.items()
                     if name not in known}
            new = {name: sorted({each for one in ones for each in known[one]}) for name, ones in named.items() if ones}
            known |= new
        return known

    def _out_of_vaults(self, name: str, value: Any, *, nested: bool = False) -> Iterator[str]:
        """What everything in a value that came out of a vault is known by. A setting of ours that is one plain word in a file that is
        encrypted as a whole is no secret unless its name says so: what only roles look at may be hidden, what the wiring is made of
        may not."""
        if isinstance(value, dict | list):
            for inner in value.values() if isinstance(value, dict) else value:
                yield from self._out_of_vaults(name, inner, nested=True)
        elif isinstance(value, EncryptedString):
            self._clear[str(value)] = value._ciphertext
            yield value._ciphertext
        elif nested or not self._ours(name) or HIDEABLE.search(name):
            origin = Origin.get_tag(value)
            if origin and origin.path in self._loader.encrypted and value is not None and not isinstance(value, bool):
                label = f"{self._loader.encrypted[origin.path]}:{name}"
                self._clear[str(value)] = label
                yield label

    def _filled(self, name: str, value: Any, templar: Any, hidden: list[str], *, of_secrets: bool) -> Any:
        """A value of ours with its templates filled in; of others those that came out of a vault alone."""
        if not _has_templates(value) or not (self._ours(name) or hidden):
            return self._plain(value, raw=value, hidden=hidden, numbers=not self._ours(name))
        if ASKS.search(json.dumps(value, default=_ciphertext)):
            self.static = False
        try:
            filled = templar.template(value)
        except AnsibleError as error:
            if not self._ours(name):
                return self._plain(value, raw=value, hidden=hidden, numbers=True)
            # What a password is made of is part of it.
            reason = "it names something that is not defined" if of_secrets or PASSWORD.match(name) else _told(error, "")["message"]
            self.unfilled.setdefault((name, self.place(value, 0)), reason)
            return LEFT_OUT
        if PASSWORD.match(name) and isinstance(filled, str):
            return self._kept(filled, hidden or self._hidden(filled), value)
        return self._plain(filled, raw=value, hidden=hidden, numbers=not self._ours(name))

    def _plain(self, value: Any, *, raw: Any, hidden: list[str], numbers: bool) -> Any:
        """What JSON can hold. `raw` is the whole value as it was written, `hidden` what the secrets in it are known by; `numbers` are
        secrets too."""
        if isinstance(value, dict):
            return {str(key): self._plain(inner, raw=raw, hidden=hidden, numbers=numbers) for key, inner in value.items()}
        if isinstance(value, list | tuple | set):
            return [self._plain(inner, raw=raw, hidden=hidden, numbers=numbers) for inner in value]
        if isinstance(value, EncryptedString):
            return self._kept(str(value), [value._ciphertext], value)
        if isinstance(value, str):
            text = str(value)
            if known := hidden or self._hidden(text):
                return self._kept(text, known, raw)
            return {"$template": text} if _is_template(value) else text
        if value is None or isinstance(value, bool):
            return value
        if hidden and numbers:
            return self._kept(str(value), hidden, raw)
        return int(value) if isinstance(value, int) else value if isinstance(value, float) else {"$text": str(value)}

    def _hidden(self, text: str) -> list[str]:
        """What is known of the secrets in a text."""
        return [known for clear, known in self._clear.items() if clear == text or (len(clear) >= HIDDEN_MIN and clear in text)]

    def _kept(self, text: str, hidden: list[str], raw: Any) -> Any:
        """A secret, and a label for it that is made of everything but the secret itself, and of its place in the value."""
        self.secret = self.secret or bool(hidden)
        origin = json.dumps([sorted(hidden), raw, self._nth(text, raw)], default=_ciphertext)
        return {"$secret": [hashlib.sha256(origin.encode()).hexdigest()[:16], text]}

    def _nth(self, text: str, raw: Any) -> int:
        """Which of the different secrets of one value this is: they must not share a label."""
        seen = self._seen.setdefault(json.dumps(raw, default=_ciphertext), [])
        if text not in seen:
            seen.append(text)
        return seen.index(text)

    @property
    def hidden_texts(self) -> list[str]:
        """Everything that came out of a vault, which no message may show."""
        return sorted(self._clear)


def _ciphertext(value: Any) -> str:
    return value._ciphertext if isinstance(value, EncryptedString) else type(value).__name__


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and TrustedAsTemplate.is_tagged_on(value) and any(mark in value for mark in MARKS)


def _has_templates(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_templates(key) or _has_templates(inner) for key, inner in value.items())
    if isinstance(value, list):
        return any(map(_has_templates, value))
    return _is_template(value)


def read(asked: dict[str, Any]) -> dict[str, Any]:
    """The answer. Raises AnsibleError."""
    init_plugin_loader()
    loader = Loader()
    try:
        return _read(asked, loader)
    except AnsibleError as error:
        if not loader.last_encrypted:
            raise
        return {"error": _told(error, loader.last_encrypted)}


def _read(asked: dict[str, Any], loader: Loader) -> dict[str, Any]:
    source = Path(asked["source"]).absolute()
    # Variables beside the inventory count, wherever the command is run.
    loader.set_basedir(str(source if source.is_dir() else source.parent))
    warnings: list[str] = []
    display = Display()
    display.warning = lambda msg, *_, obj=None, **__: warnings.append(_placed(str(msg), obj))
    display.error_as_warning = lambda *_, **__: None
    display.deprecated = lambda *_, **__: None
    secrets = CLI.setup_vault_secrets(loader, vault_ids=[*C.DEFAULT_VAULT_IDENTITY_LIST, *asked["vault_ids"]],
                                      vault_password_files=asked["vault_password_files"], ask_vault_pass=asked["ask_vault_pass"],
                                      auto_prompt=False)
    loader.set_vault_secrets(secrets)
    if VaultSecretsContext.current(optional=True) is None:
        VaultSecretsContext.initialize(VaultSecretsContext(secrets=secrets))
    reader = Reader(loader, tuple(asked["own"]))
    manager = Manager(loader, asked["source"])
    unread = [f for f in manager.failures if f[0] not in manager.read]
    if unread:
        if any(path in loader.encrypted for path, _, _ in unread):
            told = "what is encrypted here is no inventory; 'ansible-vault view' shows it"
            return {"error": {"message": told, "place": [unread[0][0], 0]}}
        return {"error": _failure(unread)}
    if not manager.used:
        return {"error": {"message": "; ".join(warnings) or "Ansible reads no inventory here", "place": [asked["source"], 0]}}
    variables = VariableManager(loader, manager)
    others = HostVars(manager, variables, loader)
    top = reader.number(str(source), 0)
    static = set(manager.used) <= STATIC_PLUGINS and C.VARIABLE_PLUGINS_ENABLED == ["host_group_vars"]
    hosts = {}
    for host in manager.get_hosts():
        raw = variables.get_vars(host=host, include_hostvars=False, stage="all")
        where = reader.place(host.name, reader.number(str(raw.get("inventory_file") or asked["source"]), 0) or top)
        hosts[host.name] = {"place": where, "variables": reader.variables(raw, where, others)}
    groups = {name: {"hosts": [h.name for h in group.get_hosts()], "children": [g.name for g in group.child_groups],
                     "place": reader.place(name, top)} for name, group in manager.groups.items()}
    return {"hosts": hosts, "groups": groups, "places": reader.places, "literals": list(reader.literals),
            "warnings": list(dict.fromkeys(warnings)), "unfilled": [[*known, message] for known, message in reader.unfilled.items()],
            "hidden": reader.hidden_texts,
            "static": reader.static and static, "secret": reader.secret or bool(loader.encrypted)}


def _refuse_endless_lines(path: str) -> None:
    """Raises AnsibleError for a file that is no INI, but would be read as one for minutes."""
    file = Path(path)
    if file.is_file() and max(map(len, file.read_bytes().split(b"\n"))) > INI_LINE_MAX:
        raise AnsibleError(f"a line is longer than {INI_LINE_MAX:,} bytes")


def _failure(failures: list[tuple[str, str, BaseException]]) -> dict[str, Any]:
    """Why a file could not be read: by the plugin that it was meant for, where that can be told."""
    path = failures[0][0]
    own = [f for f in failures if f[0] == path]
    meant = BY_SUFFIX.get(Path(path).suffix, "script" if os.access(path, os.X_OK) else "ini")
    for name in ("auto", meant):
        for _, plugin, error in own:
            if plugin == name and "no root 'plugin' key" not in str(error):
                return _told(error, path)
    return _told(own[-1][2], path)


def _placed(message: str, about: Any) -> str:
    """A warning, after the place that it is about."""
    origin = about if isinstance(about, Origin) else Origin.get_tag(about) if about is not None else None
    return f"{origin.path}:{origin.line_num or 0}: {message}" if origin and origin.path else message


def _told(error: BaseException, path: str) -> dict[str, Any]:
    """The messages of an error and its causes, and the most exact place that one of them names."""
    place, text, cause = (path, 0), list[str](), error
    while cause is not None:
        about = getattr(cause, "obj", None)
        origin = about if isinstance(about, Origin) else Origin.get_tag(about) if about is not None else None
        if origin and origin.path and not place[1]:
            place = (origin.path, origin.line_num or 0)
        message = str(getattr(cause, "message", "") or cause).strip().partition("\n")[0].rstrip(".")
        if len(message) > MESSAGE_MAX:
            message = f"{message[:MESSAGE_MAX]}…"
        if message and message.lower() not in " ".join(text).lower():
            text.append(message)
        cause = cause.__cause__  # type: ignore[assignment]  # the loop ends with it
    return {"message": ": ".join(text), "place": place}


def main() -> None:
    """Answer on the descriptor that stdout was, which gets nothing else."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    asked = json.loads(sys.argv[1])
    try:
        answer = read(asked)
    except AnsibleError as error:
        answer = {"error": _told(error, asked["source"])}
    with out:
        json.dump(answer, out)


if __name__ == "__main__":
    main()
