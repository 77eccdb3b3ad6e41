"""The cluster's authority and what it signs, judged by openssl."""

from __future__ import annotations

import datetime
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.provisioner.core.plugins.action.certificate import ActionModule
from ansible_collections.provisioner.core.plugins.module_utils import key_store
from ansible_collections.provisioner.core.plugins.modules import certificate
from ansible_collections.provisioner.core.plugins.plugin_utils.authority import Authority, end_of

from provisioner.state.authority import called_alike, make_authority, problem
from tests.unit.fake_action import fake_action

NAMES = ["10.0.0.1", "m1"]


def openssl(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *arguments], input=text, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def request_(tmp_path: Path) -> str:
    """A signing request, as a host makes it."""
    key = tmp_path / "key.pem"
    key.write_text(openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256").stdout)
    return openssl("req", "-new", "-key", str(key), "-subj", "/CN=request").stdout


def verified(tmp_path: Path, authority: str, certificate: str, *how: str) -> bool:
    (tmp_path / "ca.pem").write_text(authority)
    (tmp_path / "leaf.pem").write_text(certificate)
    where = ["-CAfile", str(tmp_path / "ca.pem"), "-untrusted", str(tmp_path / "leaf.pem"), *how, str(tmp_path / "leaf.pem")]
    return openssl("verify", "-x509_strict", *where).returncode == 0


def test_what_it_signs_is_valid_for_its_names_as_server_and_client(tmp_path: Path, request_: str) -> None:
    key, certificate = make_authority("demo")
    authority = Authority(certificate, key)
    made = authority.sign(request_, "m1", NAMES, 397)
    assert verified(tmp_path, authority.trusted, made, "-verify_ip", "10.0.0.1", "-purpose", "sslserver")
    assert verified(tmp_path, authority.trusted, made, "-verify_hostname", "m1", "-purpose", "sslclient")
    assert not verified(tmp_path, authority.trusted, made, "-verify_hostname", "m2")
    assert not verified(tmp_path, make_authority("demo")[1], made), "another authority of the same name vouches for nothing"


def test_it_is_renewed_in_time_and_for_other_names_keys_and_authorities(tmp_path: Path, request_: str) -> None:
    key, certificate = make_authority("demo")
    authority = Authority(certificate, key)
    made = authority.sign(request_, "m1", NAMES, 61)
    assert authority.why_not(made, request_, NAMES, 60) == ""
    assert authority.why_not(made, "", NAMES[::-1], 60) == ""
    assert authority.why_not(made, request_, NAMES, 61) == "it ends in 60 days"
    assert authority.why_not(made, request_, ["m1"], 60) == "it is for other names"
    other = openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", str(tmp_path / "other.pem"), "-subj", "/CN=request").stdout
    assert authority.why_not(made, other, NAMES, 60) == "it is for another key"
    assert Authority(*make_authority("demo")[::-1]).why_not(made, request_, NAMES, 60) == "there is none of this authority"
    assert authority.why_not("", request_, NAMES, 60) == "there is none of this authority"
    assert end_of(made) > "20"


def test_a_company_s_authority_below_its_root_signs_and_its_chain_goes_along(tmp_path: Path, request_: str) -> None:
    def made(*arguments: str) -> None:
        done = openssl(*arguments)
        assert done.returncode == 0, done.stderr

    root, below = tmp_path / "root", tmp_path / "below"
    made("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{root}.key", "-out", f"{root}.pem", "-subj", "/CN=Root",
         "-days", "90", "-addext", "keyUsage=critical,keyCertSign")
    made("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{below}.key", "-out", f"{below}.csr", "-subj", "/CN=Clusters")
    (tmp_path / "extensions").write_text("basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign\n"
                                         "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    made("x509", "-req", "-in", f"{below}.csr", "-CA", f"{root}.pem", "-CAkey", f"{root}.key", "-CAcreateserial", "-out", f"{below}.pem",
         "-days", "60", "-extfile", str(tmp_path / "extensions"))
    authority = Authority(Path(f"{below}.pem").read_text() + Path(f"{root}.pem").read_text(), Path(f"{below}.key").read_text())
    signed = authority.sign(request_, "m1", NAMES, 397)
    assert verified(tmp_path, Path(f"{root}.pem").read_text(), signed, "-verify_ip", "10.0.0.1")
    assert end_of(signed) == end_of(Path(f"{below}.pem").read_text()), "nothing it signs lasts longer than itself"


def test_what_cannot_sign_is_refused() -> None:
    key, certificate = make_authority("demo")
    with pytest.raises(ValueError, match="does not belong"):
        Authority(certificate, make_authority("demo")[0])
    with pytest.raises(ValueError, match="PEM"):
        Authority("none", key)


def test_an_authority_that_has_expired_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.state.authority.DAYS", -0.5)
    key, certificate = make_authority("demo")
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=0.5)
    assert problem(certificate, key) == ("cluster_ca_certificate", f"cluster_ca_certificate expired on {yesterday:%Y-%m-%d}")


def test_a_companys_authority_is_refused_before_anything_is_done() -> None:
    key, certificate = make_authority("demo")
    assert problem(certificate, key) == ("", "")
    assert problem(certificate, "") == ("cluster_ca_certificate", "cluster_ca_certificate needs cluster_ca_key")
    assert problem("", key)[0] == "cluster_ca_key"
    name, said = problem("ca.pem", key)
    assert name == "cluster_ca_certificate" and "is no certificate (PEM); of a file: \"{{ lookup('file', 'ca.pem') }}\"" in said
    assert problem(certificate, "rubbish")[1] == "cluster_ca_key is no private key (PEM) without a password"
    assert problem(certificate, make_authority("demo")[0])[1].startswith("cluster_ca_key does not belong")


def test_an_authority_that_ends_soon_does_not_make_every_run_sign_anew(request_: str) -> None:
    key, certificate = make_authority("demo")
    authority = Authority(certificate, key)
    made = authority.sign(request_, "m1", NAMES, 4000)
    assert authority.why_not(made, request_, NAMES, 4000) == "", "another one would end as soon"


def test_while_one_authority_follows_the_other_both_are_trusted_whoever_signs(tmp_path: Path, request_: str) -> None:
    old, new = make_authority("demo"), make_authority("demo")
    introduced, used = Authority(old[1], old[0], also=new[1]), Authority(new[1], new[0], also=old[1])
    assert introduced.trusted == used.trusted, "a change of who signs changes nothing here"
    before, after = introduced.sign(request_, "m1", NAMES, 397), used.sign(request_, "m1", NAMES, 397)
    for made in (before, after):
        assert verified(tmp_path, introduced.trusted, made, "-verify_ip", "10.0.0.1")
    assert introduced.why_not(before, request_, NAMES, 60) == used.why_not(after, request_, NAMES, 60) == ""
    assert used.why_not(before, request_, NAMES, 60) == "there is none of this authority"
    alone = Authority(new[1], new[0], also="")
    assert verified(tmp_path, alone.trusted, after) and not verified(tmp_path, alone.trusted, before)


def test_no_two_authorities_are_called_alike() -> None:
    one, other = make_authority("demo"), make_authority("demo")
    assert not called_alike(one[1], other[1]) and not called_alike(one[1], one[1])


def test_a_certificate_is_made_anew_for_another_who_signs_and_not_for_others_who_are_trusted(
        request_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = make_authority("demo"), make_authority("demo")
    host = {"request": request_, "certificate": "", "ca": ""}
    written: list[str] = []

    def on_host(_: Any, arguments: dict[str, Any], __: Any) -> dict[str, Any]:
        if "certificate" not in arguments:
            return {**host, "changed": False}
        written.append(str(arguments["certificate"]))
        host.update(certificate=written[-1], ca=arguments["ca"])
        return {"changed": True}

    monkeypatch.setattr(ActionModule, "_on_host", on_host)

    def run(pair: tuple[str, str], also: str = "") -> str:
        asked = {"path": "/etc/a/tls", "name": "m1", "names": NAMES, "authority": {"certificate": pair[1], "key": pair[0], "also": also}}
        done = fake_action(ActionModule, asked, []).run(None, {})
        assert done["changed"] is bool(done["why"])
        return str(done["why"])

    assert run(old) == "there is none of this authority" and run(old) == ""
    assert run(old, new[1]) == "others are trusted" and written[1] == written[0]
    assert host["ca"] == Authority(new[1], new[0], also=old[1]).trusted
    assert run(new, old[1]) == "there is none of this authority" and written[2] != written[1]
    assert run(new) == "others are trusted" and (written[3], host["ca"]) == (written[2], new[1])


def test_a_host_keeps_key_certificate_and_key_store_in_two_exchanges_and_looks_in_one(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    signs, exchanges = make_authority("demo"), []

    def on_host(_: Any, arguments: dict[str, Any], __: Any) -> dict[str, Any]:
        exchanges.append(sorted(arguments))
        with patch_module_args({**arguments, "_ansible_check_mode": preview}), pytest.raises(SystemExit):
            certificate.main()
        return dict(json.loads(capsys.readouterr().out))

    monkeypatch.setattr(ActionModule, "_on_host", on_host)
    folder, preview = tmp_path / "tls", False

    def run(password: str = "one", *, closed: bool = True) -> tuple[bool, int]:  # noqa: S107 - of a test
        exchanges.clear()
        asked = {"path": str(folder), "name": "m1", "names": NAMES, "key_store_password": password,
                 "authority": {"certificate": signs[1], "key": signs[0]} if closed else {}}
        return fake_action(ActionModule, asked, [], check_mode=preview).run(None, {})["changed"], len(exchanges)

    def kept() -> dict[str, tuple[int, bytes]]:
        return {path.name: (path.stat().st_mode & 0o777, path.read_bytes()) for path in folder.glob("*")}

    assert run() == (True, 2)
    first = kept()
    modes = {name: mode for name, (mode, _) in first.items()}
    assert modes == {"key.pem": 0o600, "certificate.pem": 0o644, "ca.pem": 0o644, "key_store.jks": 0o600}
    (key,) = key_store.blocks(folder / "key.pem")
    wanted = key_store.store(key, key_store.blocks(folder / "certificate.pem"), key_store.blocks(folder / "ca.pem"), "one")
    assert first["key_store.jks"][1] == wanted
    assert (run(), kept()) == ((False, 1), first)
    preview = True
    assert (run("two"), kept()) == ((True, 1), first), "a preview says it and does nothing"
    preview = False
    assert run("two") == (True, 1) and kept() == {**first, "key_store.jks": kept()["key_store.jks"]} != first
    (folder / "key_store.jks").chmod(0o644)
    assert run("two") == (True, 1) and kept()["key_store.jks"][0] == 0o600
    (folder / "certificate.pem").unlink()
    before = kept()["key_store.jks"]
    assert run("two") == (True, 2) and kept()["key_store.jks"] != before, "the new certificate is in it"
    assert run("") == (True, 1) and "key_store.jks" not in kept()
    assert run("two") == (True, 1)
    assert run(closed=False) == (True, 1) and kept() == {}
    assert run(closed=False) == (False, 1)
