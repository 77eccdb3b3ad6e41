"""Whether each host reaches what it will install, before anything is changed: repositories, files, images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from provisioner.cluster.names import counted
from provisioner.cluster.version_range import same_version
from provisioner.components import COMPONENTS
from provisioner.components.model import Component
from provisioner.observe.preflight.report import Finding, Seen

Question = dict[str, Any]
#: Where an image without a registry in its name comes from.
DOCKER_HUB = "https://registry-1.docker.io"
#: What manages packages, by the family of systems as roles name it.
MANAGERS = {"Debian": "apt", "RedHat": "yum"}
#: It stands for a package that has another name on every system.
ALIASES = ("netcat",)
HINT_REACH = "look at cluster_mirror, cluster_registry and cluster_http_proxy, and from the host at DNS, routes, firewalls and proxies"
HINT_VERSION = "add that version to the repository, or choose another with cluster_versions"
HINT_LOCKED = "'provision lock' takes another, or install from a mirror that keeps it ('provision mirror pull')"
HINT_PACKAGE = "set cluster_mirror and cluster_catalogue to a mirror that has it, or add a repository with it to the host"


@dataclass(frozen=True)
class Package:
    """A package that a role installs, for one family of systems. `certain`: no distribution has it, so it must be seen somewhere.
    `locked`: just this version is to be there, as a lock names it.
    """

    name: str
    manager: str
    version: str = ""
    certain: bool = False
    locked: bool = False


@dataclass
class Sources:
    """What one host is asked to try, and per question what to think of the answer."""

    questions: list[Question] = field(default_factory=list)
    hashed: set[str] = field(default_factory=set)
    packages: tuple[Package, ...] = ()
    unasked: tuple[str, ...] = ()
    _judges: list[Callable[[Seen, Mapping[str, Any]], Iterator[Finding]]] = field(default_factory=list)

    @classmethod
    def of(cls, components: frozenset[str], variables: Mapping[str, Any], mirror: str = "", hashed: set[str] | None = None,
           unasked: tuple[str, ...] = ()) -> Sources:
        """The questions for what a host is to run. Files of the site's mirror are hashed, unless another host does it already.

        Addresses that begin with one of `unasked` are those of a mirror that this cluster runs, or will: packages are its own affair then.
        """
        found = cls(unasked=unasked)
        every = (each for c in COMPONENTS if c.name in components
                 for each in _as_locked(packages_of(c, variables), variables.get(f"{c.role}_locked") or {}))
        found.packages = () if unasked else tuple(dict.fromkeys(every))
        found._repositories(variables)
        for role in _roles("archive", components):
            url = str(variables.get(f"{role}_archive_url", "") or "")
            if url and variables.get(f"{role}_source") != "package":
                sha256 = str(variables.get(f"{role}_archive_sha256", "") or "")
                proves = bool(mirror) and url.startswith(mirror) and url not in (hashed or ()) and "/" not in sha256
                found._file(url, sha256, proves, [str(other) for other in variables.get(f"{role}_archive_others") or ()])
        for role in _roles("image", components):
            found._image(str(variables[f"{role}_image"]), variables)
        return found

    def judge(self, seen: Seen, answer: Mapping[str, Any]) -> Iterator[Finding]:
        """What an answer means; hosts leave questions out that are not for their system."""
        yield from self._judges[answer["question"]](seen, answer)

    def _ask(self, question: Question, judge: Callable[[Seen, Mapping[str, Any]], Iterator[Finding]]) -> None:
        if str(question["url"]).startswith(self.unasked):
            return
        self.questions.append({**question, "question": len(self.questions)})
        self._judges.append(judge)

    def _repositories(self, variables: Mapping[str, Any]) -> None:
        names = {manager: list(dict.fromkeys(p.name for p in self.packages if p.manager == manager)) for manager in MANAGERS.values()}
        for repository in variables.get("repos_apt", []):
            self._ask({"kind": "apt", "url": repository["uri"], "suite": repository["suite"], "components": repository["components"],
                       "packages": names["apt"]}, _repository_judge)
        for repository in variables.get("repos_yum", []):
            self._ask({"kind": "yum", "url": repository["baseurl"], "packages": names["yum"]}, _plain_judge)
        keys = {manager: [r["key_url"] for r in variables.get(f"repos_{manager}", []) if r.get("key_url")] for manager in MANAGERS.values()}
        for url in dict.fromkeys(url for urls in keys.values() for url in urls):
            first, *others = [manager for manager, urls in keys.items() if url in urls]
            # Vendors may sign RPMs with another key than debs, and a host needs its own.
            self._ask({"kind": "file", "url": url, "by": first, **({} if others else {"manager": first})}, _plain_judge)
        for manager, asked in names.items():
            if asked:
                self._ask({"kind": "own", "manager": manager, "url": "", "packages": asked}, _nothing)

    def _file(self, url: str, sha256: str, proves: bool, others: list[str]) -> None:
        if proves:
            self.hashed.add(url)
        self._ask({"kind": "file", "url": url, "hash": proves, **({"others": others} if others else {})}, _file_judge(sha256))

    def _image(self, image: str, variables: Mapping[str, Any]) -> None:
        registry, name, tag = split_image(image)
        own = registry and registry == variables.get("docker_registry")
        scheme = "http" if own and variables.get("docker_registry_insecure") else "https"
        self._ask({"kind": "image", "url": f"{scheme}://{registry}" if registry else DOCKER_HUB, "image": image, "name": name, "tag": tag,
                   "ca": str(variables.get("docker_registry_ca", "") or "") if own else ""}, _image_judge(image, tag))


def _roles(artefact: str, components: frozenset[str]) -> list[str]:
    """The roles of these components that install such an artefact."""
    return list(dict.fromkeys(c.role for c in COMPONENTS if c.artefact == artefact and c.name in components))


def packages_of(component: Component, variables: Mapping[str, Any]) -> Iterator[Package]:
    """By the variables `<role>_package`, `<role>_packages` (a list, or one by family) and `<role>_version`."""
    role, version = component.role, str(variables.get(f"{component.role}_version", "") or "")
    several = variables.get(f"{role}_packages") or []
    by_family = several if isinstance(several, Mapping) else dict.fromkeys(MANAGERS, several)
    pinned = version if component.artefact != "archive" or variables.get(f"{role}_source") == "package" else ""
    for family, manager in MANAGERS.items():
        if component.artefact == "package":
            yield Package(str(variables.get(f"{role}_package", "") or ""), manager, version, certain=True)
        for place, name in enumerate(by_family.get(family, [])):
            if name in ALIASES:
                continue
            yield Package(str(name), manager, "" if place else pinned)


def _as_locked(packages: Iterator[Package], locked: Mapping[str, str]) -> Iterator[Package]:
    """The same, with the versions that a lock names."""
    for each in packages:
        yield replace(each, version=locked[each.name], locked=True) if each.manager == "apt" and each.name in locked else each


def split_image(image: str) -> tuple[str, str, str]:
    """Registry ('' for Docker Hub), name and tag (or digest) of an image, by the rules of `docker pull`."""
    first, _, rest = image.partition("/")
    has_registry = bool(rest) and (first == "localhost" or "." in first or ":" in first)
    registry, name = (first, rest) if has_registry else ("", image)
    name, _, digest = name.partition("@")
    head, colon, tag = name.rpartition(":")
    name, tag = (head, tag) if colon and "/" not in tag else (name, "latest")
    if not registry and "/" not in name:
        name = f"library/{name}"
    return registry, name, digest or tag


def reached(seen: Seen) -> Iterator[Finding]:
    """Judge all answers: one finding for a server that does not answer at all, and one word when all is there."""
    if seen.sources is None:
        return
    answers = [a for a in seen.found["sources"] if 0 <= a["question"] < len(seen.sources.questions)]
    tried = [a for a in answers if a["url"]]
    silent: dict[tuple[str, str], int] = Counter((urlsplit(a["url"]).netloc, a["error"]) for a in answers if a["error"] and not a["status"])
    found = [seen.fail("sources", f"{server}: {error} ({count} of {counted(len(tried), 'source is', 'sources are')} on it)", HINT_REACH)
             for (server, error), count in silent.items()]
    found += [finding for a in answers if a["status"] or not a["error"] for finding in seen.sources.judge(seen, a)]
    found += _missing(seen, seen.sources, answers)
    yield from found
    if tried and not found:
        yield seen.ok("sources", f"all {len(tried)} package sources, files and images are there")


def _missing(seen: Seen, sources: Sources, answers: list[Mapping[str, Any]]) -> Iterator[Finding]:
    """A package must be in one of the repositories that role repos adds, or in those that the host has already."""
    manager = "apt" if seen.facts["package_manager"] == "apt" else "yum"
    asked = [a for a in answers if isinstance(a.get("packages"), Mapping)]
    if not asked or any(a["error"] for a in answers if sources.questions[a["question"]]["kind"] == manager):
        return  # told already; what it has is not known
    sure = all(a.get("known", True) for a in asked)
    for package in sources.packages:
        served = [str(version) for a in asked for version in a["packages"].get(package.name, [])]
        if package.manager != manager or not package.name or (not served and not (sure or package.certain)):
            continue
        if not served:
            yield seen.fail("sources", f"no package source of this host has {package.name}", HINT_PACKAGE)
        elif package.version and not any(_is_wanted(v, package, manager) for v in served):
            yield seen.fail("sources", f"its package sources have {package.name} {', '.join(dict.fromkeys(served))}, not {package.version}"
                            + (", which provision.lock names" if package.locked else ""), HINT_LOCKED if package.locked else HINT_VERSION)
        elif package.locked and (newer := _newer(package, asked)):
            yield seen.fail("sources", f"{package.name} {newer} is installed, newer than {package.version}, which provision.lock names",
                            "nothing is brought back to an older package: 'provision lock --upgrade' lets the lock move")


def _is_wanted(served: str, package: Package, manager: str) -> bool:
    return served == package.version if package.locked else same_version(served, package.version, manager)


def _newer(package: Package, answers: Iterable[Mapping[str, Any]]) -> str:
    """The installed version, if a host that lists the newest first has it before the wanted one; else ''."""
    for answer in answers:
        installed, versions = str(answer.get("installed", {}).get(package.name, "")), answer["packages"].get(package.name, [])
        if installed in versions and package.version in versions and versions.index(installed) < versions.index(package.version):
            return installed
    return ""


def _nothing(seen: Seen, answer: Mapping[str, Any]) -> Iterator[Finding]:
    yield from ()


def _plain_judge(seen: Seen, answer: Mapping[str, Any]) -> Iterator[Finding]:
    if answer["error"]:
        yield seen.fail("sources", f"{answer['url']}: {answer['error']}", HINT_REACH)


def _file_judge(sha256: str) -> Callable[[Seen, Mapping[str, Any]], Iterator[Finding]]:
    def judge(seen: Seen, answer: Mapping[str, Any]) -> Iterator[Finding]:
        yield from _plain_judge(seen, answer)
        served = answer.get("sha256", "")
        if served and sha256 and served != sha256:
            yield seen.fail("sources", f"{answer['url']} has the checksum {served}, the catalogue says {sha256}",
                            "the file is damaged or another one: put the right one on the mirror, or correct its catalogue")

    return judge


def _repository_judge(seen: Seen, answer: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _plain_judge(seen, answer)
    if not answer["error"] and answer.get("expired"):
        yield seen.fail("sources", f"{answer['url']} is no longer valid (Valid-Until)", "refresh the mirror; is the host's clock right?")


def _image_judge(image: str, tag: str) -> Callable[[Seen, Mapping[str, Any]], Iterator[Finding]]:
    def judge(seen: Seen, answer: Mapping[str, Any]) -> Iterator[Finding]:
        hub, login = answer["url"].startswith(DOCKER_HUB), answer.get("login", "")
        if answer["status"] == 401 and login == "helper":
            yield seen.warn("sources", f"the registry of {image} asks for a login, which root on the host keeps in a program",
                            "try it on the host: docker pull " + image)
        elif answer["status"] == 401 and hub and not login:
            yield seen.fail("sources", f"Docker Hub has no image {image} for everybody",
                            "set cluster_registry to a registry that has it, or log root in on the host (docker login) if it is private")
        elif answer["status"] == 401:
            yield seen.fail("sources", f"the registry of {image} refuses {'the login of root' if login else 'to answer without a login'}",
                            "log root in on the host: docker login")
        elif answer["status"] == 404:
            yield seen.fail("sources", f"the registry has no image {image}", "push it, or choose another with cluster_versions")
        elif answer["error"]:
            yield seen.fail("sources", f"{image}: {answer['error']}", HINT_REACH)
        elif tag.startswith("sha256:") and answer.get("digest") not in ("", None, tag):
            yield seen.fail("sources", f"{image} is {answer['digest']} there", "push the image that the catalogue names")

    return judge


RULES = (reached,)
