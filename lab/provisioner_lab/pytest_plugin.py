"""pytest's side of a lab: `pytest --provision-lab` and the fixture `cluster`.

Every run of pytest loads this module wherever the tool is installed, so it loads nothing else until a cluster is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from provisioner_lab.under_test import ClusterUnderTest

SCOPES = ("session", "module")
SIZES = ("masters", "agents")
MARK = "provision"


@dataclass(frozen=True)
class Need:
    """What lab tests need. None is what `provision lab up` makes by itself."""

    masters: int | None = None
    agents: int | None = None
    system: str | None = None

    def checked(self) -> Need:
        """Itself. Raises UsageError (of the driver) for a lab that can't be."""
        from provisioner_lab.model import node_names
        from provisioner_lab.systems import system

        node_names(1 if self.masters is None else self.masters, self.agents or 0)
        if self.system is not None:
            system(self.system)
        return self

    @property
    def arguments(self) -> list[str]:
        """Of `provision lab up`."""
        given = {"--masters": self.masters, "--agents": self.agents, "--os": self.system}
        return [word for option, value in given.items() if value is not None for word in (option, str(value))]

    @property
    def written(self) -> str:
        """In few letters, as part of a lab's name: 3m2adebian12. The same for all that mean the same lab."""
        from provisioner_lab.systems import DEFAULT_SYSTEM
        from provisioner_lab.work import DEFAULT_AGENTS, DEFAULT_MASTERS

        masters = DEFAULT_MASTERS if self.masters is None else self.masters
        agents = DEFAULT_AGENTS if self.agents is None else self.agents
        return f"{masters}m{agents}a{self.system or DEFAULT_SYSTEM}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--provision-…`, and the same as ini options where a project has one right answer."""
    group = parser.getgroup("provision", "a cluster to test against, in a lab on this machine (provisioner)")
    group.addoption("--provision-lab", nargs="?", const="", metavar="NAME",
                    help="run the tests that use the fixture `cluster`: in the lab of this name, which is left as it was if it is there, "
                         "otherwise in one that is made and thrown away (default: a name of this project's own)")
    group.addoption("--provision-keep", action="store_true", help="do not throw away a lab that was made: the next run goes on with it")
    group.addoption("--provision-snapshot", nargs="?", const="", metavar="NAME",
                    help="start a lab that is made from this snapshot, which takes seconds; where there is none yet, or it is not up to "
                         "date, it is made anew (default: the name of the lab)")
    group.addoption("--provision-scope", choices=SCOPES, help="one cluster for all tests, or one for each module (default: session)")
    parser.addini("provision_scope", "as --provision-scope", default=SCOPES[0])
    for what in SIZES:
        group.addoption(f"--provision-{what}", type=int, metavar="N", help=f"hosts of the lab that are {what} (a new one has 3 and 2)")
        parser.addini(f"provision_{what}", f"as --provision-{what}", default="")
    group.addoption("--provision-system", metavar="OS", help="operating system of the lab's hosts (a new one has debian12)")
    parser.addini("provision_system", "as --provision-system", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Finds what is wrong with the options before any test runs."""
    config.addinivalue_line("markers", f"{MARK}(masters=N, agents=N, system=OS): the lab that these tests need, where it is not the one of "
                                       "the options; all that need the same share it")
    if _scope("cluster", config) not in SCOPES:
        raise pytest.UsageError(f"provision_scope is {_scope('cluster', config)!r}: {' or '.join(SCOPES)}")
    name = config.getoption("provision_lab")
    if name is None:
        return
    if config.getoption("numprocesses", None):
        raise pytest.UsageError("--provision-lab: all tests share one cluster, so they run one after the other: leave -n out")
    here = config.invocation_params
    for option, given in (("--provision-lab", name), ("--provision-snapshot", config.getoption("provision_snapshot"))):
        if given and (here.dir / given).exists() and f"{option}={given}" not in here.args:
            raise pytest.UsageError(f"{option} {given}: that is a path; give a name with {option}=NAME, or put the option last")
    from provisioner.errors import ProvisionError
    from provisioner_lab.model import check_name
    from provisioner_lab.snapshots.store import check_name as check_snapshot

    try:
        check_name(lab_name(config))
        check_snapshot(_snapshot(config) or lab_name(config))
        _usual(config)
    except ProvisionError as error:
        raise pytest.UsageError(f"--provision-lab: {error}") from None


def _scope(fixture_name: str, config: pytest.Config) -> Literal["session", "module"]:
    chosen: Literal["session", "module"] = config.getoption("provision_scope") or config.getini("provision_scope")
    return chosen


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that needs another lab than the usual one gets it as the hidden parameter of `cluster`."""
    mark = metafunc.definition.get_closest_marker(MARK)
    if mark is None or "cluster" not in metafunc.fixturenames or metafunc.config.getoption("provision_lab") is None:
        return
    usual = _usual(metafunc.config)
    need = _needed(metafunc.definition, mark, usual)
    if need.written != usual.written:
        metafunc.parametrize("cluster", [need], ids=[pytest.HIDDEN_PARAM], indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need the same lab come one after the other, so that each lab is made once."""
    needs: dict[Need | None, int] = {}
    for item in items:
        needs.setdefault(_own(item), len(needs))
    if len(needs) > 1:
        items.sort(key=lambda item: needs[_own(item)])


@pytest.fixture(scope=_scope)
def cluster(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Iterator[ClusterUnderTest]:
    """A provisioned and verified cluster; whatever a test breaks in it is mended when the test ends."""
    if pytestconfig.getoption("provision_lab") is None:
        pytest.skip("needs a cluster: run pytest with --provision-lab")
    from provisioner_lab.provisioned import provisioned

    own: Need | None = getattr(request, "param", None)
    name, need = (lab_name(pytestconfig, own.written), own) if own else (lab_name(pytestconfig), _usual(pytestconfig))
    snapshot = _snapshot(pytestconfig)
    settings = {"keep": pytestconfig.getoption("provision_keep"), "snapshot": name if own and snapshot else snapshot,
                "say": _say(pytestconfig)}
    with _plain_errors(), provisioned(name, pytestconfig.rootpath, need.arguments, **settings) as found:
        yield found


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Mends what the test broke before its fixtures are torn down: they may need the cluster."""
    try:
        found = getattr(item, "funcargs", {}).get("cluster")
        if found is not None:
            from provisioner_lab.under_test import ClusterUnderTest

            with _plain_errors():
                if isinstance(found, ClusterUnderTest):
                    found.heal()
    finally:
        yield


@contextmanager
def _plain_errors() -> Iterator[None]:
    """What the driver says is written for people; a traceback of ours would hide it."""
    from provisioner.errors import ProvisionError

    try:
        yield
    except (ProvisionError, AssertionError) as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def lab_name(config: pytest.Config, what: str = "") -> str:
    """The name of the run's lab; `what` tells several of one run apart."""
    from provisioner_lab.model import own_name

    given = str(config.getoption("provision_lab"))
    head, dash, tail = (given or own_name("pytest", config.rootpath)).partition("-")
    return f"{head}{what}{dash}{tail}"


def _snapshot(config: pytest.Config) -> str:
    """The name of the snapshot to start from; '' for none."""
    chosen = config.getoption("provision_snapshot")
    return "" if chosen is None else str(chosen) or lab_name(config)


def _usual(config: pytest.Config) -> Need:
    """The lab of tests that say nothing. Raises UsageError (of the driver) for one that can't be."""
    from provisioner.errors import UsageError

    given = {field.name: config.getini(f"provision_{field.name}") for field in fields(Need)}
    given |= {name: value for name in given if (value := config.getoption(f"provision_{name}")) is not None}
    try:
        sizes = {what: int(given[what]) if given[what] != "" else None for what in SIZES}
    except ValueError as error:
        raise UsageError(f"provision_masters and provision_agents are numbers: {error}") from None
    return Need(**sizes, system=str(given["system"]) or None).checked()


def _needed(item: pytest.Item, mark: pytest.Mark, usual: Need) -> Need:
    """What a mark asks for; the rest is as usual. A lab that can't be ends the collection with the test's name."""
    from provisioner.errors import ProvisionError

    try:
        return replace(usual, *mark.args, **mark.kwargs).checked()
    except (ProvisionError, TypeError) as error:
        known = ", ".join(f"{field.name}=" for field in fields(Need))
        raise pytest.fail.Exception(f"{item.nodeid}: mark {MARK!r} ({known}): {error}", pytrace=False) from None


def _own(item: pytest.Item) -> Need | None:
    """The lab that a test needs when it is not the usual one."""
    found = getattr(item, "callspec", None)
    need = found.params.get("cluster") if found else None
    return need if isinstance(need, Need) else None


def _say(config: pytest.Config) -> Callable[[str], None]:
    """Shows progress while it is made, although pytest holds back what tests print."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")

    def say(line: str) -> None:
        if reporter:
            with capture.global_and_fixture_disabled() if capture else nullcontext():
                reporter.ensure_newline()
                reporter.write_line(line)

    return say
