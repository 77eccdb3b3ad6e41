"""The cluster's own certificate authority: made once, kept with the secrets."""

from __future__ import annotations

import datetime

#: How long it lasts. Certificates of services end earlier and are renewed by `up`; an authority is rotated.
DAYS = 3650


#: From so many days before its end on there is a warning: services' certificates end with it, whenever they are renewed.
SOON_DAYS = 90


def ends(certificate: str) -> str:
    """The day (ISO 8601) on which an authority (PEM) is no longer believed: it ends, or one of those above it."""
    from cryptography import x509

    return min(each.not_valid_after_utc for each in x509.load_pem_x509_certificates(certificate.encode())).date().isoformat()


def problem(certificate: str, key: str) -> tuple[str, str]:
    """The name of the variable that is wrong, and what is, of an authority (PEM) that an inventory gives; two empty texts where none is."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    if not (certificate and key):
        missing, other = ("cluster_ca_key", "cluster_ca_certificate") if certificate else ("cluster_ca_certificate", "cluster_ca_key")
        return other, f"{other} needs {missing}"
    try:
        chain = x509.load_pem_x509_certificates(certificate.encode())
    except ValueError:
        return "cluster_ca_certificate", "cluster_ca_certificate is no certificate (PEM); of a file: \"{{ lookup('file', 'ca.pem') }}\""
    try:
        own = serialization.load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError):
        return "cluster_ca_key", "cluster_ca_key is no private key (PEM) without a password"
    if own.public_key() != chain[0].public_key():
        return "cluster_ca_key", "cluster_ca_key does not belong to the first certificate of cluster_ca_certificate"
    if chain[0].not_valid_after_utc < datetime.datetime.now(datetime.UTC):
        return "cluster_ca_certificate", f"cluster_ca_certificate expired on {chain[0].not_valid_after_utc:%Y-%m-%d}"
    try:
        may_sign = chain[0].extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        may_sign = False
    return ("", "") if may_sign else ("cluster_ca_certificate", "cluster_ca_certificate is not that of an authority: it may sign no others")


def called_alike(one: str, other: str) -> bool:
    """Whether two authorities (PEM) have one name and different keys, so that not everybody could tell them apart."""
    from cryptography import x509

    first, second = (x509.load_pem_x509_certificates(each.encode())[0] for each in (one, other))
    return first.subject == second.subject and first.public_key() != second.public_key()


def make_authority(cluster: str) -> tuple[str, str]:
    """Key and certificate (PEM) of a new authority that may sign for services and for no other authority."""
    # Imported where it is used: a tenth of a second, for something that is done once.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    # A name of its own: ZooKeeper keeps those whom it trusts by their names, also while one follows the other.
    serial = x509.random_serial_number()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{cluster[:40]} authority {serial:040x}"[:-32])])
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False, key_encipherment=False,
                          data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(serial)
        # A clock may be a little behind ours.
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()
