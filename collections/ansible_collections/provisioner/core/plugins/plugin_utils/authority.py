"""Signing for services, on the controller: the authority's key is never on a host."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class Authority:
    """An authority by its certificate and key (PEM), and whom others trust `also`. Raises ValueError where they are none, or do not belong
    together."""

    def __init__(self, certificate: str, key: str, also: str = "") -> None:
        # A company's may bring the chain up to its root along.
        self.chain = x509.load_pem_x509_certificates(certificate.encode())
        self.certificate = self.chain[0]
        self.also = x509.load_pem_x509_certificates(also.encode()) if also.strip() else []
        found = serialization.load_pem_private_key(key.encode(), password=None)
        if not isinstance(found, SigningKey):
            raise ValueError("the authority's key is of a kind that does not sign certificates")
        if found.public_key() != self.certificate.public_key():
            raise ValueError("the authority's key does not belong to its certificate")
        self.key: SigningKey = found

    def sign(self, request: str, name: str, names: Sequence[str], days: int) -> str:
        """A certificate (PEM, with those above it but the root) for who holds the key of the request (PEM)."""
        asked = x509.load_pem_x509_csr(request.encode())
        if not asked.is_signature_valid:
            raise ValueError("the host does not hold the key that it wants a certificate for")
        now = datetime.datetime.now(datetime.UTC)
        ends = min(now + datetime.timedelta(days=days), self.certificate.not_valid_after_utc)
        hashed = None if isinstance(self.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])]))
            .issuer_name(self.certificate.subject).public_key(asked.public_key()).serial_number(x509.random_serial_number())
            # The clock of a host may be a little behind.
            .not_valid_before(now - datetime.timedelta(hours=12)).not_valid_after(ends)
            .add_extension(x509.SubjectAlternativeName([_general(each) for each in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashed)
        )
        between = [each for each in self.chain if each.subject != each.issuer]
        return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in (made, *between))

    @property
    def trusted(self) -> str:
        """What others trust: all that the authority's certificate came with (PEM), and those of the other one. Two of them in the same
        order whoever signs, so that a change of who signs changes nothing here."""
        every = {each.public_bytes(serialization.Encoding.PEM).decode() for each in self.also}
        own = [each.public_bytes(serialization.Encoding.PEM).decode() for each in self.chain]
        return "".join(sorted(every | set(own)) if every else own)

    def why_not(self, certificate: str, request: str, names: Sequence[str], renew_days: int) -> str:
        """Why a certificate has to be made new, or ''; without a request (a preview) its key is not compared."""
        try:
            found = x509.load_pem_x509_certificate(certificate.encode())
            found.verify_directly_issued_by(self.certificate)
            own = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return "there is none of this authority"
        if set(own) != {_general(each) for each in names}:
            return "it is for other names"
        if request and x509.load_pem_x509_csr(request.encode()).public_key() != found.public_key():
            return "it is for another key"
        # Nothing lasts longer than what signs it: another one would end as soon.
        if found.not_valid_after_utc >= self.certificate.not_valid_after_utc:
            return ""
        left = found.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
        return "" if left > datetime.timedelta(days=renew_days) else f"it ends in {left.days} days"


def end_of(certificate: str) -> str:
    """When it ends, as ISO 8601; '' where there is none."""
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc.isoformat() if certificate else ""


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
