"""The authority that the hosts of labs with played vendors trust, and the certificate for all the vendors' names."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path

from provisioner.state.authority import make_authority
from provisioner.state.files import private_dir, write_private

#: As long as what is served with it may lie in the cache.
_DAYS = 3650


def authority(folder: Path) -> tuple[str, str]:
    """Key and certificate (PEM) of this machine's labs, made when there is none: hosts still trust what is made again."""
    paths = [private_dir(folder) / name for name in ("key.pem", "certificate.pem")]
    if not paths[-1].exists():
        for path, text in zip(paths, make_authority("provisioner lab, played vendors"), strict=True):
            write_private(path, text.encode())
    key, certificate = (path.read_text() for path in paths)
    return key, certificate


def certify(names: Iterable[str], key: str, certificate: str, folder: Path) -> None:
    """Fills a folder with certificate.pem and key.pem of a server of these names."""
    # Imported where it is used: a tenth of a second, for something that is done once.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    own, issuer = ec.generate_private_key(ec.SECP256R1()), x509.load_pem_x509_certificate(certificate.encode())
    signer = serialization.load_pem_private_key(key.encode(), password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)  # noqa: S101 - narrows the type only
    now, alternatives = datetime.datetime.now(datetime.UTC), x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    made = (
        x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "played vendors")]))
        .issuer_name(issuer.subject).public_key(own.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=_DAYS - 1))
        .add_extension(alternatives, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    folder.mkdir(parents=True)
    private = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(folder / "key.pem", private)
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
