"""Ansible action: a service's key and certificate. The module of the same name documents it and does the host's half."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.provisioner.core.plugins.plugin_utils.authority import Authority, end_of

MODULE = "provisioner.core.certificate"
ARGUMENTS = {
    "path": {"type": "path", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "name": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
    "authority": {"type": "dict", "required": True, "no_log": True},
    "days": {"type": "int", "default": 397},
    "renew_days": {"type": "int", "default": 60},
    "key_store_password": {"type": "str", "default": "", "no_log": True},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible ships no types
    """See the module's DOCUMENTATION."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Result keys: changed, ends, and why a new certificate was made."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, asked = self.validate_argument_spec(argument_spec=ARGUMENTS)
        there = {name: asked[name] for name in ("path", "owner", "group", "name")}
        if not asked["authority"]:
            return {**result, **self._on_host({**there, "absent": True}, task_vars), "ends": ""}
        try:
            authority = Authority(str(asked["authority"]["certificate"]), str(asked["authority"]["key"]),
                                  str(asked["authority"].get("also") or ""))
        except (KeyError, ValueError) as error:
            raise AnsibleActionFail(f"the authority can't sign: {error}; see cluster_ca_certificate and cluster_ca_key") from error
        there["key_store_password"] = asked["key_store_password"]
        names = sorted(set(asked["names"]))
        found = self._on_host(there, task_vars)
        if found.get("failed"):
            return {**result, **found}
        request, certificate = str(found.get("request", "")), str(found.get("certificate", ""))
        why = authority.why_not(certificate, request, names, int(asked["renew_days"]))
        made = authority.sign(request, str(asked["name"]), names, int(asked["days"])) if why and not self._task.check_mode else certificate
        if not why and found.get("ca") != authority.trusted:
            why = "others are trusted"
        if not why or self._task.check_mode:
            return {**result, "changed": bool(why) or bool(found.get("changed")), "ends": end_of(certificate), "why": why}
        written = self._on_host({**there, "certificate": made, "ca": authority.trusted}, task_vars)
        return {**result, **written, "ends": end_of(made), "why": why}

    def _on_host(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        done: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        done.pop("invocation", None)
        return done
