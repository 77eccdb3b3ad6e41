#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.key_store import NAME, blocks, store

DOCUMENTATION = r"""
module: certificate
short_description: A service's key and certificate, signed by the cluster's authority
description:
  - The key is made on the host and never leaves it. What is asked to be signed goes to the controller, where the action plugin of
    this name signs it with the authority's key, which no host ever sees.
  - Files F(key.pem), F(certificate.pem) and F(ca.pem) in one folder, that belongs to the service; F(key_store.jks) with them for Java.
  - One exchange with the host, and a second one where something has to be signed.
options:
  path: {description: The folder., type: path, required: true}
  owner: {description: Whom folder and files belong to., type: str, default: root}
  group: {description: Their group., type: str, default: root}
  name: {description: What the certificate is made out to., type: str, required: true}
  names: {description: Names and addresses that it is valid for., type: list, elements: str, default: []}
  authority:
    description:
      - Certificate and key of the authority, as C(certificate) and C(key). The files are removed where it is empty.
      - While another authority takes its place, C(also) is that one's certificate; both are trusted, and the first one signs.
    type: dict
    default: {}
  days: {description: How long a new certificate lasts., type: int, default: 397}
  renew_days: {description: It is renewed when it ends within so many days., type: int, default: 60}
  key_store_password: {description: "Of the key store and its key. Without one there is none.", type: str, default: "", no_log: true}
  certificate: {description: Internal. What the controller signed., type: str, default: ""}
  ca: {description: Internal. Whom others trust., type: str, default: ""}
  absent: {description: Internal. Remove the files., type: bool, default: false}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Have a certificate for the server
  provisioner.core.certificate:
    path: /etc/consul.d/tls
    owner: consul
    name: "{{ consul_node_name }}"
    names: [server.dc1.consul, localhost, 127.0.0.1, "{{ consul_address }}"]
    authority: "{{ consul_authority }}"
  notify: Restart Consul
"""
RETURN = r"""
ends: {description: When the certificate ends, ISO 8601., returned: success, type: str}
"""
ARGUMENTS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "name": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
    "authority": {"type": "dict", "default": {}},
    "days": {"type": "int", "default": 397},
    "renew_days": {"type": "int", "default": 60},
    "key_store_password": {"type": "str", "default": "", "no_log": True},
    "certificate": {"type": "str", "default": ""},
    "ca": {"type": "str", "default": ""},
    "absent": {"type": "bool", "default": False},
}
KEY, CERTIFICATE, CA, STORE = "key.pem", "certificate.pem", "ca.pem", NAME


def text_of(path: Path) -> str:
    """Its content; nothing where there is none."""
    return path.read_text(encoding="ascii") if path.exists() else ""


def replace(module: AnsibleModule, path: Path, content: bytes, mode: int) -> None:
    """Write a file under another name, with its final mode and owner, and rename it."""
    handle, temporary = tempfile.mkstemp(dir=str(path.parent))
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    Path(temporary).chmod(mode)
    module.set_owner_if_different(temporary, module.params["owner"], False)
    module.set_group_if_different(temporary, module.params["group"], False)
    Path(temporary).rename(path)


def request(module: AnsibleModule, folder: Path) -> str:
    """A signing request (PEM) for the key of the folder, which is made where there is none."""
    openssl = module.get_bin_path("openssl", required=True)
    key = folder / KEY
    if not key.exists():
        # Through its output: openssl writes files for whom the umask says.
        _, made, _ = module.run_command([openssl, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], check_rc=True)
        replace(module, key, made.encode("ascii"), 0o600)
    _, text, _ = module.run_command([openssl, "req", "-new", "-key", str(key), "-subj", "/CN=request"], check_rc=True)
    return str(text)


def rights(module: AnsibleModule, folder: Path) -> bool:
    """Give folder and files the owner and modes they are to have; whether one had others."""
    changed = False
    modes = {KEY: 0o600, CERTIFICATE: 0o644, CA: 0o644, STORE: 0o600}
    for path, mode in ((folder, 0o755), *((folder / name, mode) for name, mode in modes.items())):
        if path.exists():
            changed |= module.set_mode_if_different(str(path), mode, False)
            changed |= module.set_owner_if_different(str(path), module.params["owner"], False)
            changed |= module.set_group_if_different(str(path), module.params["group"], False)
    return changed


def stored(module: AnsibleModule, folder: Path) -> bool:
    """Let the key store be that of the files, and be gone without a password; whether it was another one."""
    path, password = folder / STORE, module.params["key_store_password"]
    if not password:
        there = path.exists()
        if there and not module.check_mode:
            path.unlink()
        return there
    if not (folder / CERTIFICATE).exists():
        return False  # what is signed for it comes next
    if not (folder / KEY).exists():
        return True  # in a preview: it is made before
    (key,) = blocks(folder / KEY)
    wanted = store(key, blocks(folder / CERTIFICATE), blocks(folder / CA), password)
    if path.exists() and path.read_bytes() == wanted:
        return False
    if not module.check_mode:
        replace(module, path, wanted, 0o600)
    return True


def main() -> None:
    """Run as a module: without `certificate` it tells what there is and what is to be signed, with it the files are written."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    folder = Path(module.params["path"])
    files = {name: folder / name for name in (KEY, CERTIFICATE, CA)}
    if module.params["absent"]:
        there = [path for path in files.values() if path.exists()]
        if not module.check_mode:
            for path in there:
                path.unlink()
        module.exit_json(changed=stored(module, folder) or bool(there))
    if module.params["certificate"]:
        replace(module, files[CERTIFICATE], module.params["certificate"].encode("ascii"), 0o644)
        replace(module, files[CA], module.params["ca"].encode("ascii"), 0o644)
        stored(module, folder)
        module.exit_json(changed=True)
    there_is = {"certificate": text_of(files[CERTIFICATE]), "ca": text_of(files[CA])}
    if module.check_mode:
        module.exit_json(changed=stored(module, folder), request="", **there_is)
    folder.mkdir(parents=True, exist_ok=True)
    asked = request(module, folder)
    changed = stored(module, folder)
    module.exit_json(changed=rights(module, folder) or changed, request=asked, **there_is)


if __name__ == "__main__":
    main()
