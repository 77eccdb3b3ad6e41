"""A framework made with pymesos: runs one command on Mesos and prints what happens, one line of JSON for each event.

Standard input: a line of JSON (master, login for ZooKeeper, addresses, principal, secret, command), then the lines `reconcile` and
`kill`, each for its task. At the end of the input the framework is torn down. Exit code 1 when the master refuses it.
"""

from __future__ import annotations

import functools
import json
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from pymesos import MesosSchedulerDriver, Scheduler, detector

NEEDED = {"cpus": 0.1, "mem": 32.0}
NEEDS = [{"name": name, "type": "SCALAR", "scalar": {"value": value}} for name, value in NEEDED.items()]
TASK = "pymesos-task"
PAUSE_SECONDS = 0.2


def tell(event: str, **more: Any) -> None:
    print(json.dumps({"event": event, **more}), flush=True)


class OneTask(Scheduler):  # type: ignore[misc]
    """Takes the first offer that is large enough and declines all others; the methods' names are pymesos'."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.agent = ""

    def registered(self, driver: Any, framework_id: dict[str, str], master: dict[str, Any]) -> None:
        tell("registered", framework=framework_id["value"], master=master["hostname"])

    def reregistered(self, driver: Any, master: dict[str, Any]) -> None:
        tell("reregistered", framework=driver.framework_id, master=master["hostname"])

    def disconnected(self, driver: Any) -> None:
        tell("disconnected")

    def error(self, driver: Any, message: str) -> None:
        tell("error", message=message)

    def statusUpdate(self, driver: Any, update: dict[str, Any]) -> None:  # noqa: N802
        tell("update", state=update["state"], agent=update["agent_id"]["value"], reason=update.get("reason", ""))

    def resourceOffers(self, driver: Any, offers: list[dict[str, Any]]) -> None:  # noqa: N802
        for offer in offers:
            if self.agent or not _fits(offer):
                driver.declineOffer(offer["id"])
                continue
            self.agent = offer["agent_id"]["value"]
            driver.launchTasks(offer["id"], [{"name": TASK, "task_id": {"value": TASK}, "agent_id": offer["agent_id"],
                                              "command": {"value": self.command}, "resources": NEEDS}])


class Driver(MesosSchedulerDriver):  # type: ignore[misc]
    """Knows where the hosts are that a master names when it sends a client to the leader: their names mean nothing outside the lab.

    It pauses before it asks again; pymesos itself would ask a master without a leader a thousand times a second.
    """

    addresses: Mapping[str, str] = {}

    def on_close(self) -> None:
        super().on_close()
        time.sleep(PAUSE_SECONDS)

    def change_master(self, master: str | None) -> None:
        name, colon, port = (master or "").partition(":")
        super().change_master(f"{self.addresses.get(name, name)}{colon}{port}" or None)


def _fits(offer: dict[str, Any]) -> bool:
    offered = {row["name"]: float(row["scalar"]["value"]) for row in offer["resources"] if row["type"] == "SCALAR"}
    return all(offered.get(name, 0.0) >= value for name, value in NEEDED.items())


def _obey(driver: Any) -> None:
    for line in sys.stdin:
        if line.strip() == "kill":
            driver.killTask({"value": TASK})
        elif line.strip() == "reconcile":
            driver.reconcileTasks([{"task_id": {"value": TASK}}])
    driver.stop()


def main() -> int:
    settings = json.loads(sys.stdin.readline())
    # In a closed cluster who may not read Mesos' nodes finds no leader; pymesos has no setting for it.
    detector.ZKClient = functools.partial(detector.ZKClient, auth_data=[("digest", settings["login"])])
    framework = {"user": "nobody", "name": "pymesos", "principal": settings["principal"], "failover_timeout": 120}
    driver = Driver(OneTask(settings["command"]), framework, settings["master"], principal=settings["principal"], secret=settings["secret"])
    driver.addresses = settings["addresses"]
    threading.Thread(target=_obey, args=(driver,), daemon=True).start()
    try:
        driver.run()
    except RuntimeError as error:  # pymesos raises it here, out of its own thread
        tell("refused", message=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
