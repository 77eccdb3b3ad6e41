"""Units in one exchange, told by a systemctl that keeps a little state."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.provisioner.core.plugins.modules import units

#: Keeps each unit in a file, says its properties and does what it is told; every call is in `calls`. A daemon-reload puts what is in
#: `known` into the place of what is known.
SYSTEMCTL = r"""#!/bin/sh
cd {folder}; echo "$@" >>calls
last() {{ for word; do :; done; echo $word; }}
unit=$(last "$@")
set_to() {{ sed -i "s/^$1=.*/$1=$2/" $unit; }}
case $1 in
  daemon-reload) for new in new/*; do [ ! -e $new ] || mv $new .; done
    [ ! -e a.service ] || sed -i s/^NeedDaemonReload=.*/NeedDaemonReload=no/ *.service ;;
  show) [ ! -e $unit ] || exec cat $unit
    echo LoadState=not-found; echo ActiveState=inactive; echo UnitFileState=; echo NeedDaemonReload=no ;;
  enable) set_to UnitFileState enabled ;;
  disable) set_to UnitFileState disabled ;;
  unmask) set_to LoadState loaded; set_to UnitFileState disabled ;;
  mask) set_to LoadState masked; set_to UnitFileState masked ;;
  stop) set_to ActiveState inactive ;;
  start|restart) [ ! -e refuses ] || {{ echo "Job for $unit failed." >&2; exit 1; }}
    set_to ActiveState active; set_to MainPID $$
    set_to ActiveEnterTimestampMonotonic $(awk '{{ printf "%.0f", $1 * 1000000 }}' /proc/uptime) ;;
esac
"""
STATE = {"LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead", "Result": "success", "UnitFileState": "disabled",
         "MainPID": "0", "NeedDaemonReload": "no", "ActiveEnterTimestampMonotonic": "0"}


class Host:
    """A host with units."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        for name, text in (("systemctl", SYSTEMCTL.format(folder=folder)), ("journalctl", "#!/bin/sh\necho it said why\n")):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        (folder / "new").mkdir()

    def unit(self, name: str, /, *, new: bool = False, **state: str) -> None:
        self.folder.joinpath(*(["new"] if new else []), name).write_text("".join(f"{k}={v}\n" for k, v in {**STATE, **state}.items()))

    def run(self, *wanted: dict[str, Any], stays: float = 0, check: bool = False) -> tuple[dict[str, Any], list[str]]:
        """What the module says, and the calls that ask for more than what there is."""
        with patch_module_args({"units": wanted, "stays": stays, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            units.main()
        calls = self.folder / "calls"
        made = [line.replace(" --", "") for line in calls.read_text().splitlines() if not line.startswith("show")]
        calls.unlink()
        return json.loads(self._capsys.readouterr().out), made


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Host(tmp_path, capsys)


START = {"name": "a", "state": "started", "enabled": True}


def test_a_new_unit_is_enabled_and_started_once(host: Host) -> None:
    host.unit("a.service", new=True)
    host.unit("b.timer")
    preview, made = host.run(START, {"name": "b.timer", "enabled": True}, check=True)
    assert (preview["done"], made) == (["enable a.service", "start a.service", "enable b.timer"], [])
    said, made = host.run(START, {"name": "b.timer", "enabled": True})
    assert (said["changed"], said["done"]) == (True, preview["done"]) and made == ["daemon-reload", *preview["done"]]
    said, made = host.run(START, {"name": "b.timer", "enabled": True}, stays=0.1)
    assert (said["changed"], said["done"], made) == (False, [], [])


def test_units_are_read_again_once_where_a_file_is_newer(host: Host) -> None:
    for name in ("a.service", "b.service"):
        host.unit(name, ActiveState="active", UnitFileState="enabled", NeedDaemonReload="yes")
    said, made = host.run(START, {**START, "name": "b"})
    assert (said["changed"], made) == (False, ["daemon-reload"])


def test_what_goes_on_is_stopped_and_what_is_not_there_is_no_matter(host: Host) -> None:
    host.unit("a.service", ActiveState="activating", UnitFileState="enabled")
    gone = {"state": "stopped", "enabled": False}
    said, made = host.run({"name": "a", **gone}, {"name": "never", **gone})
    assert said["done"] == made == ["stop a.service", "disable a.service"]
    assert host.run({"name": "a", **gone}, {"name": "never", **gone})[0]["changed"] is False


def test_a_mask_is_taken_away_before_the_start(host: Host) -> None:
    host.unit("a.service", LoadState="masked", UnitFileState="masked")
    assert host.run({**START, "masked": False})[0]["done"] == ["unmask a.service", "enable a.service", "start a.service"]
    assert host.run({**START, "masked": False})[0]["changed"] is False
    assert host.run({"name": "a", "state": "stopped", "masked": True})[0]["done"] == ["mask a.service", "stop a.service"]


def test_a_restart_is_one_in_any_case_and_a_reload_of_what_does_not_run_a_start(host: Host) -> None:
    host.unit("a.service", ActiveState="active", UnitFileState="enabled")
    host.unit("b.service")
    said, _ = host.run({"name": "a", "state": "restarted"}, {"name": "b", "state": "reloaded"})
    assert said["done"] == ["restart a.service", "start b.service"]
    assert host.run({"name": "b", "state": "reloaded"})[0]["done"] == ["reload b.service"]


def test_a_unit_that_nobody_knows_or_that_does_not_start_is_named_with_its_journal(host: Host) -> None:
    said, _ = host.run(START)
    assert said["failed"] and said["msg"] == "a.service: systemd knows no such unit"
    host.unit("a.service")
    (host.folder / "refuses").touch()
    said, _ = host.run(START)
    assert said["msg"] == "a.service: systemctl start failed: Job for a.service failed.\nlast lines of a.service:\nit said why"


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """What happens while this thread sleeps. Threads that other tests left behind sleep as ever."""
    sleep, mine = time.sleep, threading.get_ident()
    monkeypatch.setattr(time, "sleep", lambda seconds: happens() if threading.get_ident() == mine else sleep(seconds))


def test_a_unit_has_to_stay_up_with_one_process(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.unit("a.service")
    begin = time.monotonic()
    assert host.run(START, stays=0.5)[0]["changed"] and time.monotonic() - begin >= 0.5

    dead: dict[str, Any] = {"ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code", "MainPID": "0"}
    meanwhile(monkeypatch, lambda: host.unit("a.service", **dead))
    said, _ = host.run({**START, "state": "restarted"}, stays=30)
    assert said["msg"].startswith("a.service: it was started and does not stay up: activating (auto-restart, exit-code), process 0 instead")
    assert said["msg"].endswith("last lines of a.service:\nit said why")


def test_who_comes_up_again_and_again_does_not_stay_up(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.unit("a.service")
    again: dict[str, Any] = {"ActiveState": "active", "UnitFileState": "enabled", "MainPID": "99999999",
                             "ActiveEnterTimestampMonotonic": "1"}
    meanwhile(monkeypatch, lambda: host.unit("a.service", **again))
    assert "process 99999999 instead of" in host.run(START, stays=30)[0]["msg"]


def test_a_unit_that_is_to_start_is_read_again_although_systemd_sees_no_change(host: Host) -> None:
    """It does not notice a file in /etc that takes the place of its package's, nor the first drop-in."""
    host.unit("a.service", UnitFileState="enabled")
    assert host.run(START)[1] == ["daemon-reload", "start a.service"]
    assert host.run(START)[1] == []
