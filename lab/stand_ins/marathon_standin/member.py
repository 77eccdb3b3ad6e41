"""How a Marathon takes its cluster over, and what ends it: it ends itself rather than go on in doubt, and its unit starts it again.

Read from the sources of 1.11 (MarathonSchedulerService, SchedulerDriverFactory, MarathonScheduler, MesosHeartbeatMonitor,
CuratorElectionStream, RichCuratorFramework, CrashStrategy):

- While a new leader reads its state every request waits, 2.5 s at most, and is then answered with 502.
- The framework's id is kept in <zk path>/state/framework-id/b/id, instances below <zk path>/state/instance. Without an id it
  takes a new one only if no instance is stored; else it ends with 108.
- A removed framework: the leader learns of it only from missing heartbeats (15 s, five times), takes them for a disconnection and ends
  with 103. Whoever takes over is refused by Mesos and ends with 110, again and again, as the id stays where it is.
- It also ends with 103 when Mesos' leader changes, and when it can't read the nodes of the election: with credentials a member's
  node is its creator's alone, so members with and without them can't form one group.
- It ends with 101 as soon as its ZooKeeper server is away.
"""

from __future__ import annotations

import time

from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import CREATOR_ALL_ACL, READ_ACL_UNSAFE

from marathon_standin import VERSION
from marathon_standin.config import Config
from marathon_standin.health import HealthChecks
from marathon_standin.scheduler import Scheduler
from mesos_framework.http_api import Manners
from mesos_framework.member import LOAD_SECONDS, ExitCodes, Member, MemberSpec, Rules, tick

FAULTY, ID_MISSING = 104, 108
EXITS = ExitCodes(zookeeper_failure=100, zookeeper_loss=101, leadership_loss=103, refused=106, uncaught=107, removed=110, bind=111)
RULES = Rules(state=CREATOR_ALL_ACL, election=[*CREATOR_ALL_ACL, *READ_ACL_UNSAFE], member=CREATOR_ALL_ACL)


def spec_of(config: Config) -> MemberSpec:
    """The member that a configuration describes, with the znodes of the real program."""
    values = config.values
    return MemberSpec(
        product=f"Marathon/{VERSION}", own=config.own, doors=config.doors,
        zk=config.zk, latch="leader-curator", framework_id="framework-id/b/id", rules=RULES, master=str(values["master"]),
        credential=config.credential, framework_info=config.framework_info, exits=EXITS, patient=False,
        manners=Manners("X-Marathon-Leader", "X-Marathon-Via", wait_seconds=2.5, failure=502, trust=config.trust),
        heartbeat_seconds=float(values["mesos_heartbeat_interval"]) / 1000 * float(values["mesos_heartbeat_failure_threshold"]),
    )


class MarathonMember(Member):
    """A member whose brain is a `Scheduler`."""

    def __init__(self, config: Config) -> None:
        super().__init__(spec_of(config))
        self._concurrent_checks = int(config.values["max_concurrent_marathon_health_checks"])

    def lead(self, brain: Scheduler) -> None:  # type: ignore[override]
        """See Member: nothing is answered before everything is read."""
        time.sleep(LOAD_SECONDS)
        try:
            brain.load()
            known = self.stored_id()
        except (KazooException, KazooTimeoutError) as error:
            self.leave(FAULTY, f"Leadership ended with failure; exiting: {error!r}")
            return
        if not known and brain.instances:
            self.leave(ID_MISSING, "Refusing to create a new Framework ID while there are existing instances.")
            return
        self.drive(brain, known)
        self.start(lambda: tick(brain))
        self.start(HealthChecks(brain, self._concurrent_checks).run)
        self.answer_requests()

    def disconnected(self) -> None:
        """See Member."""
        self.leave(self.spec.exits.leadership_loss, "Lost leadership; crashing")
