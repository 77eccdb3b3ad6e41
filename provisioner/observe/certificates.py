"""The certificates of a cluster: what each host has, and what there is to say of it."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.cluster.model import Cluster
from provisioner.components.rotation import NEXT, OLD
from provisioner.context import Context
from provisioner.errors import UnreachableError
from provisioner.hosts.openssh import Transport, fan_out
from provisioner.observe.probe_client import ask
from provisioner.probe.applied import RENEWED_SECONDS
from provisioner.state import secrets
from provisioner.state.authority import SOON_DAYS

if TYPE_CHECKING:
    from cryptography import x509

#: Where the authority is, which is on no host.
CONTROLLER = "(authority)"


@dataclass(frozen=True)
class Certificate:
    """One of them. `problem` says what is wrong; when it is only `due`, `up` will renew it, or the authority is to be replaced soon."""

    host: str
    path: str
    name: str
    ends: str
    days: int
    problem: str = ""
    due: bool = False


def authority(context: Context) -> list[x509.Certificate]:
    """Its certificate; that of the other one, too, while one follows the other. Raises UsageError where there is none yet."""
    from cryptography import x509

    known = secrets.load(context.cluster)
    texts = (known.get(f"{secrets.AUTHORITY_CERTIFICATE}{suffix}") for suffix in ("", NEXT, OLD))
    # Of each the first signs; those above it come after.
    return [x509.load_pem_x509_certificates(text.encode())[0] for text in texts if text]


def ask_hosts(cluster: Cluster, transport: Transport, hosts: Sequence[str]) -> tuple[dict[str, Mapping[str, str]], dict[str, str]]:
    """What each host has (DER as base64, by path), and why others did not answer."""
    asked = [h for h in cluster.hosts if not hosts or h.name in hosts]
    answers = fan_out(asked, lambda host: ask(transport, host, {"sections": ["certificates"]}).more.get("certificates", {}))
    found = {name: said for name, said in answers.items() if not isinstance(said, UnreachableError)}
    return found, {name: said.message for name, said in answers.items() if isinstance(said, UnreachableError)}


def judged(found: Mapping[str, Mapping[str, str]], trusted: Sequence[x509.Certificate] | None) -> list[Certificate]:
    """What there is to say of each, and of the authority where there is one; what ends first is first."""
    rows = [] if not trusted else [_row(CONTROLLER, "", trusted[0], None)]
    rows += [_read(host, path, text, trusted) for host, files in found.items() for path, text in files.items()]
    return sorted(rows, key=lambda row: (row.ends, row.host, row.path))


def _read(host: str, path: str, text: str, trusted: Sequence[x509.Certificate] | None) -> Certificate:
    from cryptography import x509

    try:
        return _row(host, path, x509.load_der_x509_certificate(base64.b64decode(text)), trusted)
    except ValueError:
        return Certificate(host, path, "", "", 0, "this is no certificate")


def _row(host: str, path: str, one: x509.Certificate, trusted: Sequence[x509.Certificate] | None) -> Certificate:
    now = datetime.datetime.now(datetime.UTC)
    left = (one.not_valid_after_utc - now).total_seconds()
    own = host == CONTROLLER
    due = 0 < left < (SOON_DAYS * 86400 if own else RENEWED_SECONDS)
    problem = "it has ended" if left <= 0 else ("it ends soon" if own else "'provision up' renews it") if due else ""
    if trusted and not any(_signed(one, each) for each in trusted):
        problem, due = "the cluster's authority did not sign it", False
    names = [str(each.value) for each in one.subject]
    return Certificate(host, path, ", ".join(names), one.not_valid_after_utc.date().isoformat(), int(left // 86400), problem, due)


def _signed(one: x509.Certificate, by: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        one.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
