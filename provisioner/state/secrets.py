"""The cluster's secrets: each made once, for one purpose, and kept encrypted beside the inventory.

The file is a whole-file Ansible vault: `ansible-playbook -e @secrets.yml --vault-password-file ...` reads it too.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import os
import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from provisioner.cluster.model import Cluster
from provisioner.cluster.names import counted
from provisioner.components import COMPONENTS
from provisioner.components.model import SecretKind
from provisioner.components.rotation import NEXT, OLD, Rotation, rotations
from provisioner.errors import UsageError
from provisioner.state import rotation
from provisioner.state.authority import SOON_DAYS, called_alike, ends, make_authority
from provisioner.state.files import private_dir, read_private, write_private
from provisioner.state.yaml_document import parse

ENVIRONMENT = "PROVISION_VAULT_PASSWORD_FILE"
#: Who logs in to ZooKeeper with a password of its own; `super` may do everything.
ZOOKEEPER_USERS = tuple(c.zookeeper_user for c in COMPONENTS if c.zookeeper_user)


def _key() -> str:
    """32 bytes in base64, which is what Consul's gossip encryption takes (`consul keygen`)."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _password() -> str:
    """192 bits of letters and digits: safe in a zk:// URL, an environment file and JSON."""
    return secrets.token_hex(24)


_MAKERS: Mapping[SecretKind, Callable[[], str]] = {"key": _key, "password": _password, "token": lambda: str(uuid.uuid4())}
#: Secret → how it is made. Beside those of the components there is the one of the Mesos principal `verify`.
PURPOSES: Mapping[str, Callable[[], str]] = {
    **{f"vault_{name}": _MAKERS[kind] for c in COMPONENTS for name, kind in c.secrets.items()},
    "vault_verify_secret": _password,
    **{f"vault_zookeeper_{user}_password": _password for user in ZOOKEEPER_USERS},
}


#: The authority that signs the certificates of the cluster's services.
AUTHORITY_KEY, AUTHORITY_CERTIFICATE = "vault_cluster_ca_key", "vault_cluster_ca_certificate"


#: When each was made, beside the secrets.
SINCE = "secrets_since.json"
#: When the authority ends, where it can be read without a password.
ENDS = "secrets_authority_end"
#: What stands for each where its value must not be.
MARKS = "secrets_marks.json"


def secrets_path(cluster: Cluster) -> Path:
    """Where the encrypted secrets are kept."""
    return cluster.state_dir / "secrets.yml"


def password_file(cluster: Cluster) -> Path:
    """The file with the vault's password: the one named by the environment, else our own beside the secrets."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named).expanduser().absolute() if named else cluster.state_dir / "vault_password"


def ensure(cluster: Cluster, *, authority: bool = True) -> Path:
    """Make what is missing and give the path of the secrets; what is there is never changed, but for what the inventory gives.

    Without `authority` one that the inventory gives does not begin to take the place of another yet. Raises UsageError.
    """
    path = secrets_path(cluster)
    private_dir(path.parent)
    if not path.exists():
        password = _vault_password(cluster, create=True)
        made = _complete(_given(cluster), cluster.name)
        if write_private(path, _encrypt(made, password), replace=False):
            _mark(cluster, dict.fromkeys(made, ""))
            _remember(cluster, made)
            _note_end(cluster, made)
            return path
    known = load(cluster)
    complete = _complete(_with_given(known, _given(cluster), begin=authority), cluster.name)
    if complete != known:
        _change(cluster, known, complete)
    elif "" in marks(cluster):
        _mark(cluster, dict.fromkeys(known, ""))
    _note_end(cluster, complete)  # also where somebody else wrote the file, as when it was put back
    return path


def begin(cluster: Cluster, chosen: Iterable[Rotation]) -> None:
    """Make new values, of which the next `up` tells the hosts. Raises UsageError where there are no secrets yet."""
    known = found = load(cluster)
    for each in chosen:
        found = rotation.begun(found, each, _new(each, cluster.name))
    _change(cluster, known, _complete(found, cluster.name))


def advance(cluster: Cluster) -> None:
    """Go to the next stage of what is being rotated: every host has taken the one before."""
    known = load(cluster)
    _change(cluster, known, _complete(rotation.advanced(known), cluster.name))
    ensure(cluster)


def stages(cluster: Cluster) -> dict[str, str]:
    """What is being rotated and how far it is; see `rotation.stages`. The names alone tell it, so that nothing need be decrypted."""
    names: Iterable[str] = marks(cluster)
    try:
        return rotation.stages(load(cluster) if "" in names else names)
    except UsageError:
        # Who only looks needs no password; whoever changes something is told that it is missing.
        return {}


def counting(known: Mapping[str, str], name: str) -> list[str]:
    """The values of a secret that somebody may count on, the current one first."""
    return [known[each] for each in (name, f"{name}{NEXT}", f"{name}{OLD}") if each in known]


def trusted(known: Mapping[str, str]) -> str:
    """The certificates (PEM) of those whom the hosts believe: of two authorities while one follows the other."""
    return "".join(counting(known, AUTHORITY_CERTIFICATE))


def _given(cluster: Cluster) -> dict[str, str]:
    """The inventory's own authority. Here it is encrypted, as nothing else that is written for Ansible would be."""
    key, certificate = (str(cluster.variables.get(name) or "") for name in ("cluster_ca_key", "cluster_ca_certificate"))
    return {AUTHORITY_KEY: key, AUTHORITY_CERTIFICATE: certificate} if key and certificate else {}


def given_another(cluster: Cluster) -> bool:
    """Does the inventory give another authority than the one that signs now? Raises as `load`."""
    given = _given(cluster)
    return bool(given) and secrets_path(cluster).exists() and load(cluster).get(AUTHORITY_CERTIFICATE) != given[AUTHORITY_CERTIFICATE]


def _with_given(known: dict[str, str], given: Mapping[str, str], *, begin: bool) -> dict[str, str]:
    """What is known, with what the inventory gives: in a cluster that has an authority another one takes its place by stages."""
    _, authority = rotations()["authority"]
    if not given or AUTHORITY_CERTIFICATE not in known:
        return {**known, **given}
    if known[AUTHORITY_CERTIFICATE] == given[AUTHORITY_CERTIFICATE]:
        return rotation.without({**known, **given}, authority, NEXT)
    if called_alike(known[AUTHORITY_CERTIFICATE], given[AUTHORITY_CERTIFICATE]):
        raise UsageError("the new authority has the name of the one before, and ZooKeeper can't tell them apart while both are trusted",
                         where="cluster_ca_certificate", hint="make it with another name (subject)")
    # A rotation that is under way is ended first.
    return known if f"{AUTHORITY_CERTIFICATE}{OLD}" in known or not begin else rotation.begun(known, authority, given)


def _new(each: Rotation, cluster: str) -> dict[str, str]:
    if AUTHORITY_KEY in each.variables:
        return dict(zip((AUTHORITY_KEY, AUTHORITY_CERTIFICATE), make_authority(cluster), strict=True))
    return {name: PURPOSES[name]() for name in each.variables}


def _change(cluster: Cluster, known: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Write them. What stands for them is written first, beside what stands for those before: one of both is always true."""
    changed = {name: value for name, value in wanted.items() if known.get(name) != value}
    encrypted = _encrypt(wanted, _vault_password(cluster))
    before = marks(cluster)
    own = {name: "" if name in changed else before.get(name, "") for name in wanted}
    _mark(cluster, own, encrypted)
    write_private(secrets_path(cluster), encrypted)
    _remember(cluster, changed)
    _note_end(cluster, wanted)


def _note_end(cluster: Cluster, known: Mapping[str, str]) -> None:
    write_private(cluster.state_dir / ENDS, ends(known[AUTHORITY_CERTIFICATE]).encode())


def authority_doubt(cluster: Cluster, today: datetime.date) -> str:
    """A sentence, with what to do, where the authority ends soon or has ended; else ''. It needs no password and opens nothing."""
    try:
        end = datetime.date.fromisoformat((cluster.state_dir / ENDS).read_text().strip())
    except (OSError, ValueError):
        return ""
    left = (end - today).days
    if left >= SOON_DAYS:
        return ""
    when = f"ends on {end}, in {counted(left, 'day')}" if left > 0 else f"ended on {end}"
    cure = ("write another cluster_ca_certificate and cluster_ca_key into the inventory, then 'provision up'" if _given(cluster) else
            "'provision secrets rotate authority' makes another")
    return f"the cluster's authority {when}, and with it every certificate that it signed: {cure}"


def marks(cluster: Cluster) -> dict[str, str]:
    """By name what changes whenever the secret does, and tells nothing of it; the whole file's under '' where somebody else wrote that."""
    path = secrets_path(cluster)
    if not path.is_file():
        return {}
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return _kept(cluster).get(content) or {"": content}


def _kept(cluster: Cluster) -> dict[str, dict[str, str]]:
    try:
        found: dict[str, dict[str, str]] = json.loads((cluster.state_dir / MARKS).read_text())
    except (OSError, ValueError):
        return {}
    return found


def _mark(cluster: Cluster, own: Mapping[str, str], encrypted: bytes = b"") -> None:
    """Keep the marks of the file as it is and as it will be; a new one for each that is empty."""
    now = secrets_path(cluster).read_bytes()
    before = {} if "" in marks(cluster) else {hashlib.sha256(now).hexdigest(): marks(cluster)}
    made = {name: mark or secrets.token_hex(8) for name, mark in own.items()}
    kept = {**before, hashlib.sha256(encrypted or now).hexdigest(): made}
    write_private(cluster.state_dir / MARKS, json.dumps(kept, indent=1).encode())


def since(cluster: Cluster) -> dict[str, str]:
    """The day on which each secret was made, by name; those from before such days were written down are left out."""
    try:
        found: dict[str, str] = json.loads((cluster.state_dir / SINCE).read_text())
    except (OSError, ValueError):
        return {}
    return found


def _remember(cluster: Cluster, made: Mapping[str, str]) -> None:
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    write_private(cluster.state_dir / SINCE, json.dumps({**since(cluster), **dict.fromkeys(made, day)}, indent=1).encode())


def load(cluster: Cluster) -> dict[str, str]:
    """All secrets by name. Raises UsageError when they are missing, readable by others, or the password is not theirs."""
    path = secrets_path(cluster)
    try:
        encrypted = read_private(path)
    except FileNotFoundError:
        raise UsageError("there are no secrets yet", where=str(path), hint="'provision up' makes them") from None
    text = _decrypt(encrypted, path, _vault_password(cluster), password_file(cluster))
    root = parse(text, str(path))
    values = root.plain() if root else {}
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise UsageError("this is not a list of secrets", where=str(path), hint="restore it from a backup")
    return values


def write_encrypted(path: Path, cluster: Cluster, values: Mapping[str, str]) -> None:
    """Write variables for Ansible under the password of this cluster's secrets; each is a text, whatever braces are in it."""
    write_private(path, _encrypt(values, _vault_password(cluster), tag="!unsafe "))


def zookeeper_digest(user: str, password: str) -> str:
    """`user:digest` as ZooKeeper's DigestAuthenticationProvider makes it: base64 of the SHA-1 of `user:password`."""
    digest = hashlib.sha1(f"{user}:{password}".encode(), usedforsecurity=False).digest()
    return f"{user}:{base64.b64encode(digest).decode()}"


def _complete(known: Mapping[str, str], cluster: str) -> dict[str, str]:
    """What is known, what is missing, and the digests that follow from the passwords."""
    values = {**{name: make() for name, make in PURPOSES.items() if name not in known}, **known}
    if not {AUTHORITY_KEY, AUTHORITY_CERTIFICATE} <= values.keys():
        values[AUTHORITY_KEY], values[AUTHORITY_CERTIFICATE] = make_authority(cluster)
    for user in ZOOKEEPER_USERS:
        for suffix in ("", NEXT, OLD):
            values.pop(f"vault_zookeeper_{user}_digest{suffix}", None)
            if password := values.get(f"vault_zookeeper_{user}_password{suffix}"):
                values[f"vault_zookeeper_{user}_digest{suffix}"] = zookeeper_digest(user, password)
    return dict(sorted(values.items()))


def _vault_password(cluster: Cluster, *, create: bool = False) -> bytes:
    path = password_file(cluster)
    named = ENVIRONMENT in os.environ
    if create and not named and not path.exists():
        write_private(path, f"{secrets.token_urlsafe(32)}\n".encode(), replace=False)
    try:
        password = read_private(path).strip()
    except FileNotFoundError:
        hint = f"make it, or unset {ENVIRONMENT}" if named else f"restore it, or name the right file in {ENVIRONMENT}"
        raise UsageError("the file with the vault's password is missing", where=str(path), hint=hint) from None
    if not password:
        raise UsageError("the file with the vault's password is empty", where=str(path), hint="write the password into it")
    return password


# Ansible's vault is imported where it is used: that alone takes a third of a second.
def _encrypt(values: Mapping[str, str], password: bytes, tag: str = "") -> bytes:
    from ansible.parsing.vault import VaultLib, VaultSecret

    text = "---\n" + "".join(f"{name}: {tag}{json.dumps(value)}\n" for name, value in values.items())
    encrypted: bytes = VaultLib([("default", VaultSecret(password))]).encrypt(text)
    return encrypted


def _decrypt(encrypted: bytes, path: Path, password: bytes, password_path: Path) -> str:
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib, VaultSecret, is_encrypted

    if not is_encrypted(encrypted):
        raise UsageError("the secrets are not encrypted", where=str(path), hint=f"ansible-vault encrypt '{path}'")
    try:
        text: bytes = VaultLib([("default", VaultSecret(password))]).decrypt(encrypted)
    except AnsibleError as error:
        raise UsageError(
            f"the password in {password_path} does not open the secrets",
            where=str(path),
            hint=f"name the right password file in {ENVIRONMENT}; a damaged file comes back from a backup",
        ) from error
    return text.decode()
