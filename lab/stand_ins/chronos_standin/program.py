"""Puts the parts together and runs them."""

from __future__ import annotations

import logging
import sys

from chronos_standin import VERSION
from chronos_standin.api import ChronosApi
from chronos_standin.config import configure
from chronos_standin.member import ChronosMember, spec_of
from chronos_standin.scheduler import Scheduler
from mesos_framework.flags import FlagError
from mesos_framework.member import FLAG_ERROR, log_to_stdout


def main() -> int:
    """Runs the member; returns the exit code of a start with wrong flags."""
    log_to_stdout()
    try:
        config = configure(sys.argv[1:])
    except FlagError as error:
        print(f"[scallop] Error: {error}", file=sys.stderr)
        return FLAG_ERROR
    logging.getLogger("chronos").info("Initializing chronos %s", VERSION)
    member = ChronosMember(spec_of(config))
    scheduler = Scheduler(member.store, member.emit, config.settings())
    member.run(scheduler, ChronosApi(scheduler, config.job_defaults(), member.leader).routes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
