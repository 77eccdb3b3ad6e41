"""pytest's side of a lab: `pytest --provision-lab` and the fixture `cluster`.

Every run of pytest loads this module wherever the tool is installed, so it loads nothing else until a cluster is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from provisioner_lab.under_test import ClusterUnderTest

SCOPES = ("session", "module")
SIZES = ("masters", "agents")


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


def pytest_configure(config: pytest.Config) -> None:
    """Finds what is wrong with the options before any test runs."""
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
        check_name(_lab(config))
        check_snapshot(_snapshot(config) or _lab(config))
        _size(config)
    except ProvisionError as error:
        raise pytest.UsageError(f"--provision-lab: {error}") from None


def _scope(fixture_name: str, config: pytest.Config) -> Literal["session", "module"]:
    chosen: Literal["session", "module"] = config.getoption("provision_scope") or config.getini("provision_scope")
    return chosen


@pytest.fixture(scope=_scope)
def cluster(pytestconfig: pytest.Config) -> Iterator[ClusterUnderTest]:
    """A provisioned and verified cluster; whatever a test breaks in it is mended when the test ends."""
    if pytestconfig.getoption("provision_lab") is None:
        pytest.skip("needs a cluster: run pytest with --provision-lab")
    from provisioner_lab.provisioned import provisioned

    name, keep = _lab(pytestconfig), pytestconfig.getoption("provision_keep")
    settings = {"keep": keep, "snapshot": _snapshot(pytestconfig), "say": _say(pytestconfig)}
    with _plain_errors(), provisioned(name, pytestconfig.rootpath, _size(pytestconfig), **settings) as found:
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


def _lab(config: pytest.Config) -> str:
    from provisioner_lab.model import own_name

    return str(config.getoption("provision_lab")) or own_name("pytest", config.rootpath)


def _snapshot(config: pytest.Config) -> str:
    """The name of the snapshot to start from; '' for none."""
    chosen = config.getoption("provision_snapshot")
    return "" if chosen is None else str(chosen) or _lab(config)


def _size(config: pytest.Config) -> list[str]:
    """Arguments of `provision lab up`. Raises UsageError for numbers that can't be."""
    from provisioner.errors import UsageError
    from provisioner_lab.model import node_names

    given = {what: config.getini(f"provision_{what}") for what in SIZES}
    given |= {what: number for what in SIZES if (number := config.getoption(f"provision_{what}")) is not None}
    try:
        numbers = {what: int(number) for what, number in given.items() if number != ""}
    except ValueError as error:
        raise UsageError(f"provision_masters and provision_agents are numbers: {error}") from None
    node_names(numbers.get("masters", 1), numbers.get("agents", 0))
    return [word for what, number in numbers.items() for word in (f"--{what}", str(number))]


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
