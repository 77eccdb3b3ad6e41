"""Puts the parts together and runs them."""

from __future__ import annotations

import logging
import sys

from mesos_framework.flags import FlagError
from mesos_framework.member import FLAG_ERROR, Member, MemberSpec, log_to_stdout

from chronos_standin import VERSION
from chronos_standin.api import ChronosApi
from chronos_standin.config import Config, configure
from chronos_standin.scheduler import Scheduler


def spec_of(config: Config) -> MemberSpec:
    """The member that a configuration describes.

    The znodes are the real program's: <zk_path>/state and <zk_path>/candidate. As with the real one the candidates are
    open to everybody even with zk_auth; only the state is protected.
    """
    return MemberSpec(
        product=f"Chronos/{VERSION}", own=config.own, address=str(config.values.get("http_address", "")),
        port=int(config.values["http_port"]), zk=config.zk, state="state", latch="candidate", private_latch=False,
        master=str(config.values["master"]), credential=config.credential, framework_info=config.framework_info,
    )


def main() -> int:
    """Runs the member; returns the exit code of a start with wrong flags."""
    log_to_stdout()
    try:
        config = configure(sys.argv[1:])
    except FlagError as error:
        print(f"[scallop] Error: {error}", file=sys.stderr)
        return FLAG_ERROR
    logging.getLogger("chronos").info("Initializing chronos %s", VERSION)
    member = Member(spec_of(config))
    scheduler = Scheduler(member.store, member.emit, config.settings())
    api = ChronosApi(scheduler, config.job_defaults(), member.leader)
    member.run(scheduler, api.routes(), ("", ""))
    return 0
