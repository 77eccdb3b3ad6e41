"""Answers one question about RPMs with dnf's own Python library: run by the Python that dnf is installed for, which may be 3.6.

Reads the question as JSON from its standard input, writes the answer as JSON; what dnf refuses goes to the standard error (exit 1).
"""

import json
import os
import sys
from pathlib import Path

#: Exit code where there is no such library: provisioner.mirror.dnf knows it, too.
NO_LIBRARY = 3

try:
    import dnf  # type: ignore[import-not-found]
    import hawkey  # type: ignore[import-not-found]
except ImportError as missing:
    sys.stderr.write(f"{missing}\n")
    sys.exit(NO_LIBRARY)


def sack(question: "dict[str, object]") -> "dnf.Base":
    """All that the repositories have for this system, as if nothing were installed; in folders of its own."""
    base = dnf.Base()
    folder, conf = str(question["folder"]), base.conf
    conf.installroot, conf.cachedir, conf.persistdir, conf.logdir = (folder + each for each in ("/root", "/cache", "/persist", "/log"))
    Path(conf.logdir).mkdir(exist_ok=True)
    conf.pluginpath, conf.reposdir, conf.varsdir = [], [], []
    conf.config_file_path = ""
    conf.substitutions["releasever"] = str(question["release"])
    conf.arch = str(question["machine"])
    conf.ignorearch, conf.install_weak_deps, conf.best, conf.retries = True, False, True, 2
    conf.sslcacert = os.environ.get("SSL_CERT_FILE", "")  # dnf reads settings only, what else downloads here this variable
    conf.skip_if_unavailable, conf.zchunk = False, False
    conf.module_platform_id = "platform:el" + str(question["release"])
    # A file of keys has only such as are trusted, and dnf's library takes all of them over.
    for each in question["repositories"]:  # type: ignore[attr-defined]
        base.repos.add_new_repo(each["name"], conf, baseurl=[each["url"]], repo_gpgcheck=each["signed"], gpgcheck=False,
                                gpgkey=["file://" + each["key"]] if each["key"] else [])
    base.fill_sack(load_system_repo=False)
    # Other architectures' libraries are in the same repositories.
    base.sack.add_excludes(base.sack.query().filter(arch__neq=[conf.arch, "noarch"]))
    return base


def versions(base: "dnf.Base", names: "list[str]") -> "dict[str, list[str]]":
    """Those that there are of each package, the newest first."""
    found = {}
    for name in names:
        packages = sorted(base.sack.query().available().filter(name=name).run(), reverse=True)
        found[name] = list(dict.fromkeys(package.evr for package in packages))
    return found


def closure(base: "dnf.Base", wanted: "list[list[str]]", pinned: "dict[str, str]") -> "list[dict[str, object]]":
    """What would be installed for these, each name and version ('' for any); of `pinned` names that version alone, if there is one."""
    for name, version in pinned.items():
        every = base.sack.query().available().filter(name=name)
        if every.filter(evr=version).run():
            base.sack.add_excludes(every.difference(every.filter(evr=version)))
    base.install_specs([name + "-" + version if version else name for name, version in wanted])
    base.resolve()
    return [described(package) for package in base.transaction.install_set]


def described(package: "hawkey.Package") -> "dict[str, object]":
    """A package file; `sha256` is '' where its repository gives another checksum."""
    kind, value = package.chksum
    return {"name": package.name, "version": package.evr, "url": package.remote_location(), "size": package.downloadsize,
            "sha256": value.hex() if hawkey.chksum_name(kind) == "sha256" else "", "repository": package.reponame}


def main() -> None:
    """Answers."""
    question = json.load(sys.stdin)
    try:
        base = sack(question)
        answer = versions(base, question["names"]) if "names" in question else closure(base, question["wanted"], question["pinned"])
    except dnf.exceptions.Error as error:
        sys.exit(str(error).strip())
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
