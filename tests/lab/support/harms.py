"""What can go wrong with what a role's witnesses name, each as a shell script for a host of the Debian family."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

NOTES = "/var/lib/provisioner/applied"
#: After these a service is away for a moment, or until the next run.
ELSEWHERE = "listens elsewhere"
STOPPING = ("unit stopped", ELSEWHERE, "settings newer than the process", "package removed", "package of another version")
#: These leave the processes alone, and the look names each file.
ON_FILES = frozenset(("content edited", "content edited, with its old time", "mode changed", "owner changed", "file missing",
                      "kernel setting changed"))
KINDS = ON_FILES | {*STOPPING, "unit disabled", "unit masked", "note removed", "note cut short", "note with an old digest",
                    "note from the future"}
#: What is lost with this file nobody else knows: the name server that a host had before there was a cluster.
_UNKNOWN_ELSEWHERE = ("/etc/resolv.conf.upstream",)
#: Packages that are to be there in the version of the catalogue; of the others any version will do.
_PINNED = ("libzookeeper-java", "mesos", "docker.io")
#: Only part of it is the tool's: a strange line beside it is the operator's own.
_SHARED = {"/etc/hosts": r"sed 's/^[0-9].*[[:space:]]m1\b.*//'"}


@dataclass(frozen=True, order=True)
class Harm:
    """One thing that goes wrong: what kind, to what, on which host, and under which component's eyes."""

    host: str
    component: str
    kind: str
    thing: str
    script: str = field(compare=False)

    def __str__(self) -> str:
        return f"{self.kind}: {self.thing} ({self.component} on {self.host})"


def inventory_script(witnesses: list[Mapping[str, Any]]) -> str:
    """Prints what there is of all these, a line each: `file`, `mount`, `folder`, `unit` or `package` and its name; `names PORT FILE`."""
    paths, units, packages, ports = _all(witnesses)
    return f"""
    for path in {paths}; do
      if [ -f $path ] && [ ! -L $path ]; then echo file $path; elif [ -d $path ]; then echo folder $path; fi
      if grep -q " $path " /proc/mounts; then echo mount $path; fi
      for port in {ports}; do if [ -f $path ] && grep -qE "[= ]$port$" $path; then echo names $port $path; fi; done
    done
    for unit in {units}; do if systemctl is-active --quiet $unit; then echo unit $unit; fi; done
    for package in {packages}; do if dpkg -s $package 2>/dev/null | grep -q '^Status:.* installed'; then echo package $package; fi; done
    """


def look_script(witnesses: list[Mapping[str, Any]]) -> str:
    """Prints what a host is like, a line for each thing that the witnesses name, without a word about processes or times.

    Certificates and a host's own keys are made anew where they were damaged, so what is in them, and the line that names one, says nothing.
    """
    paths, units, packages, ports = _all(witnesses)
    return f"""
    content() {{
      case $1 in
        */tls/*.pem) head -c 20 $1 ;;
        *.jks | */jwt.key) ;;
        *) sed '/^# certificate [0-9a-f]*$/d' $1 ;;
      esac 2>/dev/null | sha256sum
    }}
    for path in {paths}; do
      [ ! -e $path ] || echo "$path $(stat -c '%F %a %u:%g' $path) $(content $path)"
    done
    for unit in {units}; do echo "$unit $(systemctl is-active $unit) $(systemctl is-enabled $unit 2>/dev/null)"; done
    for package in {packages}; do
      dpkg-query --show --showformat='${{Package}} ${{Version}} ${{db:Status-Abbrev}}\\n' $package 2>/dev/null
    done
    for port in {ports}; do if ss -Hlntu "sport = :$port" | grep -q .; then echo "port $port"; fi; done
    ls {NOTES}
    """


def harms(host: str, component: str, witness: Mapping[str, Any], there: Set[str]) -> Iterator[Harm]:
    """Everything that can go wrong with one component on one host. `there` holds the lines of `inventory_script`."""
    def harm(kind: str, thing: str, script: str) -> Harm:
        return Harm(host, component, kind, thing, script)

    globs = [re.compile(re.escape(path).replace(r"\*", "[^/]*")) for path in _paths(witness)]
    for kind, _, path in (line.partition(" ") for line in sorted(there)):
        if path in _UNKNOWN_ELSEWHERE or not any(glob.fullmatch(path) for glob in globs):
            continue
        if kind == "file" and path.startswith("/proc/"):
            if path.startswith("/proc/sys/net/"):  # the others belong to this whole machine, not to one host of a lab
                yield harm("kernel setting changed", path, f"echo $(( 1 - ($(cat {path}) == 1) )) >{path}")
        elif kind == "file":
            yield from (harm(what, path, script) for what, script in _file(path, mounted=f"mount {path}" in there))
        elif kind == "folder":
            yield from (harm(what, path, script) for what, script in _access(path))
    for unit, files in witness["units"].items():
        if f"unit {unit}" in there:
            yield from (harm(what, unit, script) for what, script in _unit(unit))
            settings = [path for path in files if f"file {path}" in there]
            yield from (harm("settings newer than the process", path, _newer(unit, path)) for path in settings)
            for port in _ports(witness):
                if naming := [path for path in settings if f"names {port} {path}" in there]:
                    yield harm(ELSEWHERE, f"{unit} on {port}", _elsewhere(unit, naming, port))
    for package in witness["packages"]:
        if f"package {package}" in there:
            yield harm("package removed", package, f"apt-get remove --yes --allow-change-held-packages {package} >/dev/null 2>&1")
            if package in _PINNED:
                yield harm("package of another version", package, _repackaged(package))
    yield from (harm(what, f"the note about {component}", script) for what, script in _note(f"{NOTES}/{component}.json"))


def _all(witnesses: list[Mapping[str, Any]]) -> tuple[str, str, str, str]:
    """Paths, units, packages and ports of all, as words of a shell."""
    paths = {path for witness in witnesses for path in _paths(witness)}
    units = {unit for witness in witnesses for unit in witness["units"]}
    packages = {package for witness in witnesses for package in witness["packages"]}
    ports = {port for witness in witnesses for port in _ports(witness)}
    return " ".join(sorted(paths)), " ".join(sorted(units)), " ".join(sorted(packages)), " ".join(sorted(ports))


def _paths(witness: Mapping[str, Any]) -> list[str]:
    return [*witness["files"], *(path for files in witness["units"].values() for path in files)]


def _ports(witness: Mapping[str, Any]) -> list[str]:
    return sorted({one.partition("/")[0].rpartition(":")[2] for one in witness["listeners"]})


def _file(path: str, *, mounted: bool) -> Iterator[tuple[str, str]]:
    # By way of another file: a program that runs can't be written to, and a mount can't be replaced.
    edit = _SHARED.get(path, "{ cat; echo '# drift'; }")
    place = f"cat /tmp/drift >{path}" if mounted else f"cp -p {path} {path}.drift; cat /tmp/drift >{path}.drift; mv {path}.drift {path}"
    into = f"{edit} <{path} >/tmp/drift; {place}; rm /tmp/drift"
    yield "content edited", into
    yield "content edited, with its old time", f"touch -r {path} /tmp/then; {into}; touch -r /tmp/then {path}; rm /tmp/then"
    yield from _access(path)
    # Of a shared file the operator's own lines would be gone for good.
    if not mounted and path not in _SHARED:
        yield "file missing", f"rm {path}"


def _access(path: str) -> Iterator[tuple[str, str]]:
    yield "mode changed", f"chmod 0707 {path}"
    yield "owner changed", f"chown 12345:12345 {path}"


def _newer(unit: str, path: str) -> str:
    """Nobody knows what the process has read, although the file says the right thing and has its old time."""
    return (f"touch -r {path} /tmp/then; systemctl restart {unit}; sleep 0.2; cp -p {path} {path}.drift; mv {path}.drift {path}; "
            f"touch -r /tmp/then {path}; rm /tmp/then")


def _unit(unit: str) -> Iterator[tuple[str, str]]:
    # With what would start it again at the first knock.
    yield "unit stopped", f"systemctl stop {unit}.service $(systemctl show --property TriggeredBy --value {unit})"
    yield "unit disabled", f"systemctl disable --quiet {unit}"
    own = f"/etc/systemd/system/{unit}.service"
    yield "unit masked", f"if [ -f {own} ]; then ln -sf /dev/null {own}; systemctl daemon-reload; else systemctl mask --quiet {unit}; fi"


def _elsewhere(unit: str, files: list[str], port: str) -> str:
    """The process listens on another port, although every file says the right one."""
    kept = " ".join(files)
    return f"""
    for file in {kept}; do cp -p $file $file.drift; sed -i 's/\\([= ]\\){port}$/\\11{port}/' $file; done
    systemctl daemon-reload; systemctl restart {unit} || true
    there=; for look in $(seq 200); do if ss -Hlntu "sport = :1{port}" | grep -q .; then there=yes; break; fi; sleep 0.1; done
    for file in {kept}; do cp -p $file.drift $file; rm $file.drift; done
    systemctl daemon-reload
    [ "$there" ] || {{ echo "{unit} does not listen on 1{port}" >&2; exit 1; }}
    """


def _repackaged(package: str) -> str:
    """The same package under an older version: what an upgrade by hand or a restored snapshot leaves."""
    return f"""
    cd /tmp && rm -rf drift && mkdir drift && cd drift
    apt-get download {package} >/dev/null 2>&1
    dpkg-deb --raw-extract {package}_*.deb tree
    sed -i '/^Version:/s/$/~drift/' tree/DEBIAN/control
    dpkg-deb --build tree old.deb >/dev/null
    dpkg --install --force-downgrade --force-confold old.deb >/dev/null 2>&1
    cd / && rm -rf /tmp/drift
    """


def _note(note: str) -> Iterator[tuple[str, str]]:
    yield "note removed", f"rm {note}"
    yield "note cut short", f"head -c 40 {note} >{note}.new; mv {note}.new {note}"
    yield "note with an old digest", f"""sed -i 's/"digest": "[0-9a-f]*"/"digest": "{'0' * 64}"/' {note}"""
    yield "note from the future", f"""sed -i -E 's/"time": [0-9.]+/"time": 4102444800.0/' {note}"""
