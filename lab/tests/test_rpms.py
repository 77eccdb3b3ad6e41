"""RPMs are planned and described from what Debian packages declare."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.cluster import catalogue as driver
from provisioner.errors import UsageError
from provisioner.mirror.debs import Control, Deb, relations
from provisioner_lab.mirror.catalogue import Archive, Published, entries
from provisioner_lab.mirror.repackaged import jars_needed
from provisioner_lab.packages.lists import list_path, read_packages
from provisioner_lab.packages.rpms import Recipe, file_list, named, plan, prepare, read_recipes, recipes_path, rpm_version, spec
from provisioner_lab.systems import system


def package(name: str, *depends: tuple[str, ...], version: str = "1-1", provides: tuple[str, ...] = ()) -> Control:
    """A Debian package."""
    return Control(Path(f"{name}.deb"), name, version, depends, provides, f"100% {name}")


ENGINE = (
    Recipe("docker-ce", ("docker.io",), without=("usr/bin/docker",), requires=("docker-ce-cli",), before="groupadd docker"),
    Recipe("docker-ce-cli", ("docker.io",), only=("usr/bin/docker",)),
    Recipe("containerd.io", ("containerd", "runc")),
)
PACKAGES = [
    package("docker.io", ("containerd",), ("libc6",), ("awk", "mawk"), version="20.10.24+dfsg1-1+deb12u1"),
    package("containerd", ("runc",)), package("runc"), package("gawk", provides=("awk",)),
]


@pytest.mark.parametrize(
    ("debian", "expected"),
    [
        ("20.10.24+dfsg1-1+deb12u1+b6", ("", "20.10.24", "1+deb12u1+b6")),
        ("1:9.5.6+standin", ("1", "9.5.6+standin", "1")),
        ("1.6.20~ds1-1+deb12u3", ("", "1.6.20", "1+deb12u3")),
        ("2.90-4~deb12u2", ("", "2.90", "4~deb12u2")),
        ("1.0-rc1-2", ("", "1.0.rc1", "2")),
    ],
)
def test_versions_keep_their_parts(debian: str, expected: tuple[str, str, str]) -> None:
    assert rpm_version(debian) == expected


def test_relations_are_names_with_their_alternatives() -> None:
    assert relations("a (>= 1) | b:any, c [amd64], , d(= 2)") == (("a", "b"), ("c",), ("d",))
    assert relations("") == ()


def test_an_rpm_needs_the_rpms_that_hold_what_its_packages_need() -> None:
    found = {one.recipe.name: one for one in plan(PACKAGES, ENGINE)}
    assert set(found) == {"docker-ce", "docker-ce-cli", "containerd.io", "gawk"}
    assert found["docker-ce"].requires == ("containerd.io", "docker-ce-cli", "gawk")
    assert found["docker-ce-cli"].requires == ()
    assert found["containerd.io"].requires == ()


def test_a_recipe_without_all_its_packages_is_left_out_and_an_own_package_keeps_its_name() -> None:
    assert [one.recipe.name for one in plan([package("runc")], ENGINE)] == ["runc"]
    names = [one.recipe.name for one in plan([package("mesos")], [Recipe("other", ("mesos",))], ["mesos"])]
    assert "mesos" in names


def test_files_are_taken_by_pattern_and_documentation_never() -> None:
    engine, client, _ = ENGINE
    assert [engine.takes(p) for p in ("usr/sbin/dockerd", "usr/bin/docker", "usr/share/doc/x/y")] == [True, False, False]
    assert [client.takes(p) for p in ("usr/sbin/dockerd", "usr/bin/docker")] == [False, True]


def test_the_list_of_files_has_settings_closed_folders_and_odd_names(tmp_path: Path) -> None:
    for folder in ("etc/x.d", "usr/bin", "var/empty", "var/closed"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder).chmod(0o755)
    (tmp_path / "var" / "closed").chmod(0o700)
    for path in ("etc/x.d/one", "usr/bin/[", "var/closed/100%"):
        (tmp_path / path).touch()
    (tmp_path / "etc" / "link").symlink_to("x.d")
    assert file_list(tmp_path) == [
        '"/etc/link"', '%config(noreplace) "/etc/x.d/one"', '"/usr/bin/\\["', '%dir "/var/closed"', '"/var/closed/100%%"',
        '%dir "/var/empty"',
    ]


def test_a_tree_has_the_recipes_files_under_usr_and_nothing_it_does_not_want(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def extract(package: Path, folder: Path) -> None:
        for path in ("lib/systemd/system/x.service", "usr/bin/x", "usr/share/doc/x/readme", "etc/init.d/x", "etc/x.conf"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text("Debian's")

    monkeypatch.setattr("provisioner.mirror.debs.extract", extract)
    recipe = Recipe("x-ng", ("x",), links={"usr/sbin/y": "x"}, files={"etc/x.conf": "RedHat's"})
    prepare(plan([package("x")], [recipe])[0], tmp_path, scripts=False)
    tree = tmp_path / "trees" / "x-ng"
    assert sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir() or path.is_symlink()) == [
        "etc/x.conf", "usr/bin/x", "usr/lib/systemd/system/x.service", "usr/sbin/y",
    ]
    assert not (tree / "usr" / "share").exists()
    assert (tree / "etc" / "x.conf").read_text() == "RedHat's"
    assert "systemctl daemon-reload" in (tmp_path / "specs" / "x-ng.spec").read_text()


def test_the_spec_names_its_origin_and_does_what_systemd_would(tmp_path: Path) -> None:
    wanted = plan(PACKAGES, ENGINE)[0]
    text = spec(wanted, ['"/usr/lib/systemd/system/docker.service"'], {})
    for line in ("Name: docker-ce", "Version: 20.10.24", "Release: 1+deb12u1", "Requires: containerd.io", "Summary: 100%% docker.io"):
        assert f"{line}\n" in text
    assert "docker.io 20.10.24+dfsg1-1+deb12u1" in text
    assert "%pre\ngroupadd docker\n" in text
    assert "systemctl daemon-reload" in text
    assert "systemd-sysusers" not in text


def test_own_scripts_get_the_argument_that_dpkg_would_give_them() -> None:
    wanted = plan([package("logstash", version="1:9.5.6+standin")], [])[0]
    text = spec(wanted, [], {"preinst": "getent group x", "prerm": "stop", "postrm": "never"})
    assert "Epoch: 1\n" in text
    assert "%pre\nset -- install\ngetent group x\n" in text
    assert '%preun\n[ "$1" = 0 ] || exit 0\nset -- remove\nstop\n' in text
    assert "never" not in text


def test_the_recipes_of_the_lab_make_what_the_roles_install(tmp_path: Path) -> None:
    recipes = read_recipes(recipes_path())
    listed = {name for line in read_packages(list_path(system("rocky9"))) for name in line}
    made = {named(name, recipes) for name in listed} | {recipe.name for recipe in recipes}
    assert {"docker-ce", "docker-ce-cli", "containerd.io", "python3-dnf-plugin-versionlock", "dnsmasq", "rsyslog", "git", "lrzsz", "wget",
            "elinks", "nmap-ncat", "procps-ng", "openssl", "firewalld", "chrony", "cyrus-sasl-md5", "java-17-openjdk-headless"} <= made
    assert named("openjdk-17-jre-headless", recipes) == "java-17-openjdk-headless"
    assert "{" not in str([dict(recipe.links) for recipe in recipes]).replace("{'", "").replace("{}", "")


def test_a_recipe_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rpms.yml"
    path.write_text("docker-ce: 7\n")
    with pytest.raises(UsageError, match="docker-ce"):
        read_recipes(path)


def test_jars_are_followed_through_their_manifests(tmp_path: Path) -> None:
    for name, path in {"one-1.0.jar": "/usr/share/java/two.jar /x/gone.jar", "two.jar": "one.jar"}.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\r\nClass-Path: {path[:8]}\r\n {path[8:]}\r\n")
    (tmp_path / "one.jar").symlink_to("one-1.0.jar")
    assert [jar.name for jar in jars_needed(tmp_path, ["one.jar"])] == ["one-1.0.jar", "two.jar"]


def test_the_catalogue_of_red_hat_hosts_names_the_yum_repository_and_the_archive(tmp_path: Path) -> None:
    published = Published(
        system=system("rocky9"), key_fingerprint="A" * 40, own=(), images=(),
        distribution=(Deb(Path("d"), "docker.io", "20.10.24+dfsg1-1"),),
        archives=(Archive("zookeeper", "3.8.0", "zk.tar.gz", "b" * 64, {"RedHat": ["java-17-openjdk-headless"]}),), stand_ins=frozenset(),
    )
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps(entries(published)))
    found = driver.load(path)
    own = found.repository()
    assert own is not None
    assert (own.get("yum"), own.get("uri")) == ("yum", "apt")
    assert found.pick("docker").get("packages")["RedHat"] == ["docker-ce", "docker-ce-cli", "containerd.io"]
    zookeeper = found.pick("zookeeper")
    assert (zookeeper.kind, zookeeper.get("file"), zookeeper.get("packages")["RedHat"]) == (
        "archive", "archives/zk.tar.gz", ["java-17-openjdk-headless"])
    path.write_text(json.dumps(entries(replace(published, system=system("debian12"), archives=()))))
    debian = driver.load(path).repository()
    assert debian is not None
    assert not debian.get("yum")
