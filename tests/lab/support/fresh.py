"""A cluster whose beginning is part of the test: on new hosts in the place of this run's lab, so that there is one lab at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner_lab.provisioned import provisioned
from tests.lab.support.checkout import HOME, ClusterUnderTest, provision


@contextmanager
def fresh(name: str, *arguments: str, prepare: Callable[[Path], None] | None = None) -> Iterator[ClusterUnderTest]:
    """The cluster of a lab made with these arguments of `lab up`, on which a second run found nothing to change.

    `prepare` gets the path of its inventory before the first run. The lab is left to whoever comes next, but not one that was prepared:
    it is another one than others expect.
    """
    provision("lab", "down", "--name", name, "--ignore-missing")
    provision("lab", "up", "--name", name, *arguments)
    if prepare:
        prepare(ClusterUnderTest(name, HOME).inventory)
    with provisioned(name, HOME, (), keep=True, say=print) as cluster:
        assert cluster.up()["changed"] == 0
        yield cluster
    if prepare:
        provision("lab", "down", "--name", name)
