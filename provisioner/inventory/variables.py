"""Whether what an inventory says of our variables is right; what belongs to others passes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from provisioner.inventory.described import Described, Setting, Template
from provisioner.inventory.schema import Schema, Variable
from provisioner.state.problems import Problems, nearest, show

#: As Ansible reads them (ansible.module_utils.parsing.convert_bool).
_BOOLEANS = {**dict.fromkeys(("y", "yes", "on", "1", "true", "t"), True), **dict.fromkeys(("n", "no", "off", "0", "false", "f"), False)}
#: From this similarity on one of our variables was meant.
_ALIKE = 0.9
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")


def check(described: Described, schema: Schema, problems: Problems) -> None:
    """Notes every wrong value, each once. Text that Ansible would take for a number or a truth value becomes that."""
    prefixes, others = schema.prefixes, set[str]()
    for name, setting in described.written:
        variable = schema.variables.get(name)
        if variable is not None:
            _check(variable, setting, problems)
        elif name.startswith(prefixes):
            # Looking for what was meant is worth it only for what will be shown.
            valid, advice = ((), "") if problems.full else (schema.settable(), _advice(schema, name))
            problems.unknown(setting.line, "variable", name, valid, advice)
        elif name not in others and not problems.full:
            others.add(name)
            if meant := nearest(name, schema.settable(), _ALIKE):
                problems.add(setting.line, f"unknown variable {show(name)}",
                             f"did you mean {meant}? A variable of your own needs a name that can't be taken for it")


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
                problems.add(where.line if where else 0, message, "write it once, in 'vars' below 'all'")
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
        problems.add(setting.line, f"{name} is a vault's text, but not marked as one", hint)
        return
    setting.value = converted(variable, setting.value)
    wrong, cure = variable.problem(setting.value)
    if wrong:
        problems.add(setting.line, f"{name} {wrong}", cure)


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


def _advice(schema: Schema, name: str) -> str:
    names = schema.settable(f"{name.partition('_')[0]}_")
    return f"valid: {', '.join(names)}" if names else ""


def foreign(settings: Mapping[str, Setting], schema: Schema) -> dict[str, object]:
    """One host's values of variables that are not ours."""
    return {name: setting.value for name, setting in settings.items() if name not in schema.variables}
