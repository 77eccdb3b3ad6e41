"""Puts the parts together and runs them."""

from __future__ import annotations

import logging
import os
import sys

from mesos_framework.flags import FlagError
from mesos_framework.member import FLAG_ERROR, ExitCodes, Member, MemberSpec, log_to_stdout

from marathon_standin import VERSION
from marathon_standin.api import MarathonApi
from marathon_standin.config import Config, configure
from marathon_standin.health import HealthChecks
from marathon_standin.scheduler import Scheduler

#: The real program's (its CrashStrategy).
EXITS = ExitCodes(
    zookeeper_failure=100, zookeeper_loss=101, abdicated=105, refused=106, uncaught=107, removed=110, bind=111,
)


def spec_of(config: Config) -> MemberSpec:
    """The member that a configuration describes, with the znodes of the real program."""
    return MemberSpec(
        product=f"Marathon/{VERSION}", own=config.own, address=str(config.values.get("http_address", "")),
        port=int(config.values["http_port"]), zk=config.zk, state="state", latch="leader-curator",
        private_latch=bool(config.zk.auth), master=str(config.values["master"]), credential=config.credential,
        framework_info=config.framework_info, exits=EXITS,
    )


def main() -> int:
    """Runs the member; returns the exit code of a start with wrong flags."""
    log_to_stdout()
    try:
        config = configure(os.environ, sys.argv[1:])
    except FlagError as error:
        print(f"[scallop] Error: {error}", file=sys.stderr)
        return FLAG_ERROR
    logging.getLogger("marathon").info("Starting Marathon %s/standin", VERSION)
    member = Member(spec_of(config))
    scheduler = Scheduler(member.store, member.emit, config.settings())
    api = MarathonApi(scheduler, config.info(), member.leader, member.framework_id, member.abdicate)
    health = HealthChecks(scheduler, int(config.values["max_concurrent_marathon_health_checks"]))
    member.run(scheduler, api.routes(), ("X-Marathon-Leader", "X-Marathon-Via"), health.run)
    return 0
