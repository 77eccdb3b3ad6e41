"""What a mirror serves, made once on this machine and shared by every lab that needs the same: packages, archives, images."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.mirror import debs, http_files, listing, repository
from provisioner.mirror.brought import Artifacts, unpack
from provisioner.mirror.debs import Deb
from provisioner.mirror.files import file_sha256, link_or_copy
from provisioner.mirror.images import Image, Layer, Settings, configuration, layer_of_folder, store
from provisioner.mirror.programs import Say, run, working
from provisioner_lab.cache import cache_dir, digest, forget_older, made
from provisioner_lab.mirror import mesos
from provisioner_lab.mirror.catalogue import Archive, Published, entries
from provisioner_lab.mirror.repackaged import busybox_image, consul_archive, zookeeper_archive
from provisioner_lab.mirror.stand_ins import DebStandIn, ImageStandIn, read_stand_ins
from provisioner_lab.model import LABEL_CONTENT
from provisioner_lab.packages import download, lists, rpms
from provisioner_lab.paths import lab_dir
from provisioner_lab.systems import SERVICE_SYSTEM, System, architecture

# The last Debian release that carries Consul; the program runs on all of them.
_CONSUL_CODENAME = "bullseye"
# Changes when this module makes something else of the same ingredients.
_FORMAT = "11"
_LABEL = "provisioner lab"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Ingredients:
    """What goes into a mirror, before anything is built. Stand-ins that a real artefact replaces are not in it."""

    system: System
    node_image: str
    base: Layer
    debs: tuple[DebStandIn, ...]
    images: tuple[ImageStandIn, ...]
    artifacts: Artifacts
    mesos: mesos.Release | None  # None where another package was brought

    @property
    def stamp(self) -> str:
        """Changes when the content would."""
        fixed = [_FORMAT, self.system.name, self.node_image, self.base.digest]
        stand_ins = [deb.stamp for deb in self.debs] + [image.stamp for image in self.images]
        listed = [lists.list_path(self.system).read_text(), *self.system.further]
        return digest(*fixed, *listed, self.artifacts.stamp, *stand_ins, *self.rpms, *self.official)

    @property
    def official(self) -> tuple[str, ...]:
        """How packages of Apache's own code are made."""
        return (mesos.stamp(self.mesos, self.system, self.node_image),) if self.mesos else ()

    @property
    def rpms(self) -> tuple[str, ...]:
        """How RPMs are made, for hosts that install them."""
        if not self.system.red_hat:
            return ()
        return rpms.FORMAT, rpms.recipes_path().read_text(), rpms.script_path().read_text()


@dataclass(frozen=True)
class Downloads:
    """What was fetched or built for it: the folder of the nodes' packages, Mesos, and the packages that are taken apart."""

    pool: Path
    mesos: Deb | None  # built, where no other was brought
    consul: Path | None  # where no other was brought
    busybox: Path
    zookeeper: Path | None  # with its closure, where no package of the system carries it


def ingredients(which: System, node_image: str, base: Layer, artifacts: Artifacts) -> Ingredients:
    """Everything for this system: a stand-in is left out when a real artefact of the same name is there."""
    stand_in_debs, stand_in_images = read_stand_ins(lab_dir() / "stand_ins")
    chosen_debs = tuple(item for item in stand_in_debs if item.name not in artifacts.names)
    chosen_images = tuple(item for item in stand_in_images if item.name not in artifacts.names)
    release = None if mesos.NAME in artifacts.names else mesos.current()
    return Ingredients(which, node_image, base, chosen_debs, chosen_images, artifacts, release)


def any_made(which: System) -> bool:
    """Is there content for this system, whatever it was made of?"""
    return any(cache_dir().glob(f"content-{which.name}-*"))


def build(wanted: Ingredients, say: Say) -> Path:
    """The folder with `www` and `registry` for these ingredients, built if need be. Older ones that no lab uses are removed."""
    target = cache_dir() / f"content-{wanted.system.name}-{wanted.stamp}"
    if not target.is_dir():
        ours = mesos.package(wanted.mesos, wanted.system, wanted.node_image, say) if wanted.mesos else None
        pool = download.node_pool(wanted.system, wanted.node_image, say)
        package = None if wanted.artifacts.consul else download.single(_CONSUL_CODENAME, "consul", say)
        busybox = download.single(SERVICE_SYSTEM.codename, "busybox-static", say)
        with working(say, "content of the mirror"), tempfile.TemporaryDirectory(dir=cache_dir(), prefix="making-") as scratch:
            place, work = Path(scratch) / "content", Path(scratch) / "work"
            work.mkdir()
            (place / "www").mkdir(parents=True)
            downloads = Downloads(pool, ours, package, busybox, _zookeeper(wanted, say))
            published = _fill(wanted, place, work, downloads, say)
            (place / "www" / "catalogue.json").write_text(listing.text(entries(published)))
            place.rename(target)
    forget_unused(target)
    return target


def programs(say: Say) -> Path:
    """The folder of the mirror's own programs: the web and name server, the image registry and its settings."""
    package = download.single(SERVICE_SYSTEM.codename, "docker-registry", say)
    ours = [lab_dir() / "mirror" / name for name in ("serve.py", "registry.yml")]
    shared = Path(http_files.__file__)
    target = cache_dir() / f"mirror-{digest(package.name, *(path.read_bytes() for path in (*ours, shared)))}"
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="making-") as scratch:
            place, tree = Path(scratch) / "programs", Path(scratch) / "tree"
            place.mkdir()
            debs.extract(package, tree)
            for path in (tree / "usr" / "bin" / "docker-registry", *ours):
                shutil.copy(path, place)
            module = place / Path(*http_files.__name__.split(".")).with_suffix(".py")
            module.parent.mkdir(parents=True)
            shutil.copy(shared, module)
            place.rename(target)
    forget_unused(target)
    return target


def _fill(wanted: Ingredients, place: Path, work: Path, got: Downloads, say: Say) -> Published:
    own = (*(_stand_in_deb(item, work) for item in wanted.debs), *filter(None, [got.mesos]), *wanted.artifacts.debs)
    needed = download.needed_by(wanted.system, wanted.node_image, [deb.path for deb in own], say)
    replaced = {deb.package for deb in own}
    found = {path.name: path for folder in (needed, got.pool) for path in folder.glob("*.deb")}
    distribution = [path for name, path in sorted(found.items()) if name.partition("_")[0] not in replaced]
    if wanted.system.red_hat:
        _yum(wanted, [*distribution, *_in_image(wanted, distribution, say)], own, place, work)
    images = [busybox_image(got.busybox, work), *(_stand_in_image(item, wanted.base, work) for item in wanted.images)]
    images += [unpack(item, work) for item in wanted.artifacts.images]
    store(images, place / "registry")
    key, apt = _key(), place / "www" / "apt"
    repository.add(apt, wanted.system.codename, repository.DISTRIBUTION, distribution)
    repository.add(apt, wanted.system.codename, repository.OWN, [deb.path for deb in own])
    repository.publish(apt, wanted.system.codename, architecture(), key, cache_dir() / "distribution.db", label=_LABEL)
    return Published(
        system=wanted.system,
        key_fingerprint=key.fingerprint,
        distribution=tuple(debs.read(path) for path in distribution if path.name.startswith(("docker.io_", "libzookeeper-java_"))),
        own=own,
        images=tuple((image.name, image.tag, image.digest) for image in images),
        archives=tuple(_archives(wanted, got, place / "www" / "archives")),
        stand_ins=frozenset(deb.name for deb in wanted.debs) | frozenset(image.name for image in wanted.images),
        notes={mesos.NAME: mesos.NOTE} if got.mesos else {},
    )


def _zookeeper(wanted: Ingredients, say: Say) -> Path | None:
    """Rocky Linux has no package of ZooKeeper, so such hosts unpack Apache's archive."""
    if not wanted.system.red_hat:
        return None
    return download.closure(wanted.system, wanted.node_image, ["libzookeeper-java"], say)


def _archives(wanted: Ingredients, got: Downloads, folder: Path) -> Iterator[Archive]:
    if got.consul:
        yield consul_archive(got.consul, folder)
    if brought := wanted.artifacts.consul:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(brought.path, folder)
        yield Archive("consul", brought.version, brought.path.name, file_sha256(brought.path))
    if got.zookeeper:
        java = rpms.named(wanted.system.java, rpms.read_recipes(rpms.recipes_path()))
        yield zookeeper_archive(got.zookeeper, java, folder)


def _in_image(wanted: Ingredients, pool: Sequence[Path], say: Say) -> list[Path]:
    """The packages that the roles install although the image has their files: no RPM tells the host so."""
    have = {path.name.partition("_")[0] for path in pool}
    names = [name for line in lists.listed(wanted.system) for name in line if name not in have]
    return [download.single(wanted.system.codename, name, say) for name in names]


def _yum(wanted: Ingredients, distribution: Sequence[Path], own: Sequence[Deb], place: Path, work: Path) -> None:
    """The same packages as RPMs. Those of the distribution are kept: stand-ins change often, and building all takes a minute."""
    key, recipes = _key(), rpms.read_recipes(rpms.recipes_path())
    ours = {deb.package for deb in own}
    plans = rpms.plan([debs.control(path) for path in (*distribution, *(deb.path for deb in own))], recipes, ours)
    theirs = [plan for plan in plans if plan.recipe.name not in ours]
    stamp = digest(wanted.node_image, key.fingerprint, *wanted.rpms, *(repr(plan) for plan in theirs))
    kept = cache_dir() / f"rpms-{wanted.system.name}-{stamp}"
    if not made(kept):
        rpms.build(theirs, wanted.node_image, key, kept, scripts=False)
        forget_older(kept)
    rpms.build([plan for plan in plans if plan.recipe.name in ours], wanted.node_image, key, work / "rpms", scripts=True)
    yum = place / "www" / "yum"
    yum.mkdir(parents=True)
    for package in (*kept.glob("*.rpm"), *(work / "rpms").glob("*.rpm")):
        link_or_copy(package, yum / package.name)
    # The program that indexes them is in the node image.
    repository.publish_yum(yum, key, lambda arguments: rpms.run_in_image(
        wanted.node_image, [f"{yum}:/yum"], ["createrepo_c", *arguments, "/yum"], what="index of the RPMs", timeout=600))


def _key() -> repository.Key:
    """That of this machine's labs: a mirror that is made again is still trusted by the hosts that know it."""
    return repository.signing_key(cache_dir() / "signing-key", "provisioner lab mirror")


def _stand_in_deb(item: DebStandIn, work: Path) -> Deb:
    item.lay_out(work / item.name)
    return debs.build(work / item.name, work)


def _stand_in_image(item: ImageStandIn, base: Layer, work: Path) -> Image:
    item.layout.lay_out(work / item.name)
    layers = (base, layer_of_folder(work / item.name, work / f"{item.name}.tar.gz"))
    environment = {"PATH": _PATH, **item.settings.environment}
    settings = Settings(item.settings.entrypoint, item.settings.command, environment, item.settings.workdir)
    return Image(item.name, item.tag, configuration(architecture(), settings, layers), layers)


def forget_unused(current: Path) -> None:
    """Removes what was made before under the same name and no container serves any more."""
    listing = run(["docker", "ps", "--all", "--filter", f"label={LABEL_CONTENT}", "--format", f'{{{{.Label "{LABEL_CONTENT}"}}}}'],
                  what="mirrors on this machine")
    used = {*listing.split(), current.name}
    for folder in current.parent.glob(f"{current.name.rpartition('-')[0]}-*"):
        if folder.name not in used:
            shutil.rmtree(folder)
