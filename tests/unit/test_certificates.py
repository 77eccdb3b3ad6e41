"""What is said of certificates, and that a role runs in time to renew its own."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.plugin_utils.authority import Authority
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from provisioner.observe.certificates import CONTROLLER, judged
from provisioner.probe import applied, certificates, notes
from provisioner.state.authority import make_authority

KEY, CERTIFICATE = make_authority("demo")


def signed(days: int, key: str = KEY, certificate: str = CERTIFICATE) -> str:
    """A service's certificate (PEM) that ends in so many days."""
    own = ec.generate_private_key(ec.SECP256R1())
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(own, hashes.SHA256())
    return Authority(certificate, key).sign(asked.public_bytes(serialization.Encoding.PEM).decode(), "m1", ["m1"], days)


def der(text: str) -> str:
    return base64.b64encode(x509.load_pem_x509_certificate(text.encode()).public_bytes(serialization.Encoding.DER)).decode()


def test_what_ends_first_is_first_and_what_is_wrong_is_said() -> None:
    found = {"m1": {"/etc/a/certificate.pem": der(signed(300)), "/etc/b/certificate.pem": der(signed(20))},
             "m2": {"/etc/a/certificate.pem": der(signed(300, *make_authority("other"))), "/etc/c/certificate.pem": ""}}
    rows = judged(found, [x509.load_pem_x509_certificate(CERTIFICATE.encode())])
    assert [(r.host, r.path, r.problem, r.due) for r in rows] == [
        ("m2", "/etc/c/certificate.pem", "this is no certificate", False),
        ("m1", "/etc/b/certificate.pem", "'provision up' renews it", True),
        ("m1", "/etc/a/certificate.pem", "", False),
        ("m2", "/etc/a/certificate.pem", "the cluster's authority did not sign it", False),
        (CONTROLLER, "", "", False)]
    assert {r.name for r in rows if r.path == "/etc/b/certificate.pem"} == {"m1"}
    assert rows[1].days in (19, 20)


def test_one_that_has_ended_is_no_longer_due() -> None:
    now = datetime.datetime.now(datetime.UTC)
    key = serialization.load_pem_private_key(KEY.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    name = x509.load_pem_x509_certificate(CERTIFICATE.encode()).subject
    ended = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
             .public_key(key.public_key()).serial_number(1)
             .not_valid_before(now - datetime.timedelta(days=9)).not_valid_after(now - datetime.timedelta(days=1))
             .sign(key, hashes.SHA256()))
    rows = judged({"m1": {"/etc/a/certificate.pem": der(ended.public_bytes(serialization.Encoding.PEM).decode())}},
                  [x509.load_pem_x509_certificate(CERTIFICATE.encode())])
    assert (rows[0].problem, rows[0].due) == ("it has ended", False)


def test_a_host_tells_the_first_certificate_of_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = signed(300)
    for name, text in (("a", own + CERTIFICATE), ("b/c", "nonsense")):
        (tmp_path / "etc" / name).mkdir(parents=True)
        (tmp_path / "etc" / name / "certificate.pem").write_text(text)
    monkeypatch.setattr(certificates, "ROOT", str(tmp_path))
    assert certificates.certificates({}) == {f"{tmp_path}/etc/a/certificate.pem": der(own), f"{tmp_path}/etc/b/c/certificate.pem": ""}


@pytest.mark.parametrize(("days", "why"), [(31, ""), (29, "{} ends soon")])
def test_a_role_runs_again_when_a_certificate_of_its_witness_ends_soon(
        days: int, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applied, "NOTES", str(tmp_path / "notes"))
    path = tmp_path / "certificate.pem"
    path.write_text(signed(days) + CERTIFICATE)
    witness: dict[str, Any] = {"files": [str(path)], "units": {}, "packages": [], "listeners": []}
    notes.record({"common": {"witness": witness, "digest": "x"}})
    assert applied.unsettled({"common": {"witness": witness, "digest": "x"}}) == {"common": why.format(path)}


def test_a_certificate_that_is_none_has_its_role_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applied, "NOTES", str(tmp_path / "notes"))
    path = tmp_path / "certificate.pem"
    path.write_text("")
    witness: dict[str, Any] = {"files": [str(path)], "units": {}, "packages": [], "listeners": []}
    notes.record({"common": {"witness": witness, "digest": "x"}})
    assert applied.unsettled({"common": {"witness": witness, "digest": "x"}})["common"] != ""
