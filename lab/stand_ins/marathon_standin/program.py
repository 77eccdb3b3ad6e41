"""Puts the parts together and runs them."""

from __future__ import annotations

import logging
import os
import sys

from marathon_standin import VERSION
from marathon_standin.api import MarathonApi
from marathon_standin.config import configure
from marathon_standin.log import set_levels
from marathon_standin.member import MarathonMember
from marathon_standin.scheduler import Scheduler
from mesos_framework.flags import FlagError
from mesos_framework.member import FLAG_ERROR, log_to_stdout


def main() -> int:
    """Runs the member; returns the exit code of a start with wrong flags."""
    log_to_stdout()
    set_levels(os.environ)
    try:
        config = configure(os.environ, sys.argv[1:])
    except FlagError as error:
        print(f"[scallop] Error: {error}", file=sys.stderr)
        return FLAG_ERROR
    log = logging.getLogger("mesosphere.marathon.MarathonApp")
    log.info("Starting Marathon %s/standin", VERSION)
    log.info(config.lines())
    member = MarathonMember(config)
    scheduler = Scheduler(member.store, member.emit, config.settings())
    member.run(scheduler, MarathonApi(scheduler, config.info(), member.leader, member.framework_id).routes())
    return 0
