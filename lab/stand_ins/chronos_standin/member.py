"""How a Chronos takes its cluster over.

Read from the sources of 3.0.2 (JobScheduler, MesosDriverFactory, ZookeeperModule, RedirectFilter):

- A new leader answers at once, and lists no job before it has read them.
- The framework's id is kept in <zk path>/state/frameworkId. It is read at the election, within 2 s; when that fails, Curator's listener
  swallows the exception: the process keeps the latch, says that it leads, takes jobs and queues them, and has no driver until it is
  started again. Seen once with the real one, where the read took too long; an ACL on that node which forbids the read leads there too.
- A removed framework: the leader does not learn of it and goes on without Mesos. When it is started again, or Mesos' leader changes,
  it is refused, ends with 1 and keeps the id, as does the next one.
- Nodes of the election are open to all, also with credentials, and what is stored can be read by all: members with and without
  credentials can form one group, as long as one without does not follow one with them as the leader.
- A follower answers 500 when it can't pass a request on. One whose own name is still in the election from its last life answers itself.
"""

from __future__ import annotations

import logging
import time

from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE

from chronos_standin import VERSION
from chronos_standin.config import Config
from mesos_framework.http_api import Manners
from mesos_framework.member import LOAD_SECONDS, Brain, Member, MemberSpec, Rules, tick

LOG = logging.getLogger("member")
RULES = Rules(state=[*CREATOR_ALL_ACL, *READ_ACL_UNSAFE], election=OPEN_ACL_UNSAFE, member=OPEN_ACL_UNSAFE)


def spec_of(config: Config) -> MemberSpec:
    """The member that a configuration describes, with the znodes of the real program."""
    return MemberSpec(
        product=f"Chronos/{VERSION}", own=config.own, doors=config.doors,
        zk=config.zk, latch="candidate", framework_id="frameworkId", rules=RULES,
        master=str(config.values["master"]), credential=config.credential, framework_info=config.framework_info, manners=Manners(),
    )


class ChronosMember(Member):
    """A member that says it leads whatever becomes of its driver."""

    def leads(self) -> bool:
        """See Member."""
        return super().leads() or self.leader() == self.spec.own

    def lead(self, brain: Brain) -> None:
        """See Member."""
        self.answer_requests()
        try:
            known: str | None = self.stored_id()
        except (KazooException, KazooTimeoutError) as error:
            LOG.error("Listener threw an exception: the framework's id could not be read: %r", error)
            known = None
        time.sleep(LOAD_SECONDS)
        brain.load()
        self.start(lambda: tick(brain))
        if known is not None:
            self.drive(brain, known)

    def disconnected(self) -> None:
        """See Member: the driver finds the next master by itself."""
