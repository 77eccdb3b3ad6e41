"""Whether what an inventory says of our variables is right; what belongs to others passes."""

from __future__ import annotations

import re

from provisioner.inventory.described import Described, Setting, Template
from provisioner.inventory.schema import INI_CURES, Schema, Variable
from provisioner.state.problems import Problems, nearest, show

#: As Ansible reads them (ansible.module_utils.parsing.convert_bool).
_BOOLEANS = {**dict.fromkeys(("y", "yes", "on", "1", "true", "t"), True), **dict.fromkeys(("n", "no", "off", "0", "false", "f"), False)}
#: From this similarity on one of our variables was meant: by a name that begins like ours, and by any other.
_OURS, _ALIKE = 0.75, 0.9
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")


def check(described: Described, schema: Schema, problems: Problems) -> list[str]:
    """Notes every wrong value, each once; text that Ansible would take for a number or a truth value becomes that. Gives warnings."""
    known: dict[str, str] = {}
    foreign: dict[str, str] = {}
    for name, setting in described.written:
        variable = schema.variables.get(name)
        if variable is not None:
            _check(variable, setting, problems)
        elif not problems.full:
            if name not in known:
                known[name] = nearest(name, schema.settable(), _OURS if name.startswith(schema.prefixes) else _ALIKE)
            if known[name]:
                problems.unknown(setting.line, "variable", name, schema.settable(), schema.settable(f"{name.partition('_')[0]}_"))
            elif name.startswith(schema.prefixes):
                foreign.setdefault(name, problems.at(setting.line))
        elif name.startswith(schema.prefixes):  # only counted any more: what was meant is not looked for
            problems.add(setting.line, f"unknown variable {show(name)}")
    return [f"{name} ({where}) is no variable here, though it begins like ours: it is passed on, and no role reads it"
            for name, where in sorted(foreign.items())]


def cluster_settings(described: Described, schema: Schema, problems: Problems) -> dict[str, object]:
    """What holds for the cluster as a whole: the same for every host, wherever it is written. Notes what differs."""
    names = [v.name for v in schema.variables.values() if v.scope == "cluster"]
    found: dict[str, object] = {name: schema.variables[name].default for name in names}
    for name in names:
        first: tuple[str, Setting | None] | None = None
        for host, settings in described.settings.items():
            setting = settings.get(name)
            if first is None:
                first = (host, setting)
                if setting is not None:
                    found[name] = setting.value
            elif setting is not first[1] and _value(setting) != _value(first[1]):
                where = setting or first[1]
                message = f"{name} holds for the whole cluster, but is not the same on {first[0]} and {host}"
                problems.add(where.line if where else 0, message, "write it once, in 'vars' below 'all'",
                             ini="write it once, below [all:vars]")
                break
    return found


def _value(setting: Setting | None) -> tuple[object, ...]:
    return () if setting is None else (setting.value,)


def _check(variable: Variable, setting: Setting, problems: Problems) -> None:
    name = variable.name
    if variable.rendered and variable.scope != "host":
        hint = f"set {variable.instead} instead" if variable.instead else "remove this line"
        problems.add(setting.line, f"{name} can't be set: the driver computes it", hint)
        return
    if isinstance(setting.value, str) and setting.value.startswith("$ANSIBLE_VAULT;"):
        hint = "write !vault | before it, and the text on lines below"
        problems.add(setting.line, f"{name} is a vault's text, but not marked as one", hint,
                     ini=f"only YAML can hold it: move {name} to group_vars/all.yml, with !vault | before it")
        return
    if variable.connection and setting.value == "":
        return  # as good as none
    setting.value = converted(variable, setting.value)
    wrong, cure = variable.problem(setting.value)
    if wrong:
        problems.add(setting.line, f"{name} {wrong}", cure, ini=INI_CURES.get(cure, "").replace("NAME", name))


def converted(variable: Variable, value: object) -> object:
    """The value as Ansible's argument specs convert text: INI files and --extra-vars know nothing else."""
    if not isinstance(value, str) or isinstance(value, Template):
        return value
    text = value.strip().lower()
    match variable.type:
        case "bool" if text in _BOOLEANS:
            return _BOOLEANS[text]
        case "int" if _INTEGER.fullmatch(text):
            return int(text)
        case "float" if _NUMBER.fullmatch(text):
            return float(text)
    return value
