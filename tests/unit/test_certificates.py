"""What is said of certificates, and that a role runs in time to renew its own."""

from __future__ import annotations

import base64
import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.plugin_utils.authority import Authority
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import UnreachableError
from provisioner.observe.certificates import CONTROLLER, judged
from provisioner.plan.scope import Scope
from provisioner.probe import applied, certificates, notes
from provisioner.run.prepare import prepared, warn
from provisioner.state import ledger, secrets
from provisioner.state.authority import DAYS, SOON_DAYS, make_authority
from provisioner.verbs import certificates as verb_certificates
from provisioner.verbs import status
from provisioner_lab.testing import FakeTransport

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


TODAY = datetime.datetime.now(datetime.UTC).date()


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A new cluster with its secrets."""
    (tmp_path / "inventory.yml").write_text(
        "masters: {hosts: {m1: {ansible_host: 192.0.2.11}}}\nagents: {hosts: {a1: {ansible_host: 192.0.2.101}}}\n")
    found = Context(tmp_path / "inventory.yml", transport=FakeTransport({"m1": UnreachableError("no route")}))
    secrets.ensure(found.cluster)
    return found


def own(days: int) -> str:
    """Lines of an inventory with an authority that ends in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "company")]), datetime.datetime.now(datetime.UTC)
    # The end of that day: at any hour of today it is so many days away.
    end = datetime.datetime.combine(now.date() + datetime.timedelta(days=days), datetime.time(23, 59), datetime.UTC)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256()))
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    variables = {"cluster_ca_key": private.decode(), "cluster_ca_certificate": made.public_bytes(pem).decode()}
    return json.dumps({"all": {"vars": variables}})[1:-1] + "\n"


@pytest.mark.parametrize(("later", "said"), [
    (0, ""), (DAYS - 91, ""), (DAYS - 90 + 1, f"in {SOON_DAYS - 1} days, and with it every certificate"), (DAYS - 1, "in 1 day, "),
    (DAYS + 9, "the cluster's authority ended on"),
])
def test_an_authority_that_ends_soon_is_said_with_what_to_do(context: Context, later: int, said: str) -> None:
    told = secrets.authority_doubt(context.cluster, TODAY + datetime.timedelta(days=later))
    assert said in told and ("'provision secrets rotate authority' makes another" in told) is bool(said)


def test_that_of_the_company_is_replaced_in_the_inventory(context: Context) -> None:
    context.path.write_text(context.path.read_text() + own(20))
    given = Context(context.path)
    assert given.authority_doubt == "", "it is not in its place yet"
    (context.cluster.state_dir / "secrets.yml").unlink()
    secrets.ensure(given.cluster)
    assert "in 20 days" in given.authority_doubt and "write another cluster_ca_certificate and cluster_ca_key" in given.authority_doubt


@pytest.mark.parametrize("access", ["closed", "open"])
def test_status_plan_and_certificates_say_that_the_authority_ends_where_there_is_use_for_it(
        context: Context, capsys: pytest.CaptureFixture[str], access: str) -> None:
    (context.cluster.state_dir / secrets.ENDS).write_text((TODAY + datetime.timedelta(days=20)).isoformat())
    ledger.save(context.cluster, replace(context.ledger, access=access))
    found = Context(context.path, transport=context.transport)
    with prepared(found, Console(), Scope(), (warn,)):
        assert ("ends on" in capsys.readouterr().err) is (access == "closed")
    for verb, options in ((status, status.Options()), (verb_certificates, verb_certificates.Options())):
        verb.run(found, Console(), options)
        assert ("the cluster's authority ends on" in capsys.readouterr().err) is (access == "closed"), verb


def test_an_authority_that_ends_soon_is_due_and_one_that_has_ended_is_wrong() -> None:
    for days, due in ((SOON_DAYS - 1, True), (SOON_DAYS + 1, False)):
        (row,) = judged({}, [x509.load_pem_x509_certificate(signed(days).encode())])
        assert (row.host, row.due) == (CONTROLLER, due)


def test_the_authority_is_printed_for_those_who_have_to_trust_it_and_no_host_is_asked(
        context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    assert verb_certificates.run(context, Console(), verb_certificates.Options(authority=True)) == 0
    out = capsys.readouterr().out
    assert out == secrets.load(context.cluster)[secrets.AUTHORITY_CERTIFICATE] and x509.load_pem_x509_certificate(out.encode())
    verb_certificates.run(context, Console(), verb_certificates.Options(authority=True, json=True))
    assert json.loads(capsys.readouterr().out)["authority"] == out
    assert context.transport.calls == []  # type: ignore[attr-defined]
