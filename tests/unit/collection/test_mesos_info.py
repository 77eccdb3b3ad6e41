"""What role mesos sees of the masters before it touches anything: a real HTTP server in the place of a master."""

from __future__ import annotations

import http.server
import json
import os
import threading
from pathlib import Path

import pytest
from ansible_collections.provisioner.core.plugins.modules import mesos_info


@pytest.mark.parametrize(("flags", "authentication", "named"), [
    ({"quorum": "2"}, "required", True), ({"quorum": "2", "credentials": "/etc/mesos/credentials.json"}, "required", False),
    ({"quorum": "2"}, "known", False), ({"quorum": "2"}, "none", False),
])
def test_a_master_that_knows_no_credentials_is_named_where_some_are_wanted(flags: dict[str, str], authentication: str, named: bool) -> None:
    class Master(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"flags": flags}).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test's output is for failures."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Master) as master:
        threading.Thread(target=master.serve_forever, args=(0.01,), daemon=True).start()
        own = f"127.0.0.1:{master.server_address[1]}"
        asked = {"component": "agent", "address": "127.0.0.1", "port": 1, "authentication": authentication, "work": "/nowhere/agent"}
        # Nobody listens on port 1: a master that does not answer says nothing about credentials.
        assert mesos_info.look({**asked, "masters": [own, "127.0.0.1:1"]})["open"] == ([own] if named else [])
        master.shutdown()


def test_executors_without_a_token_are_those_from_before_the_agent_gave_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"pod": ["http.marker"], "ended": ["http.marker", "executor.sentinel"], "docker": ["libprocess.pid"], "new": ["http.marker"]}
    for name, there in files.items():
        executor = tmp_path / "meta/slaves/latest/frameworks/F/executors" / name
        (executor / "runs/latest/pids").mkdir(parents=True)
        (executor / "executor.info").write_bytes(b"\x08mesos-default-executor\x00" if name == "pod" else b"\x08sh")
        for file in ("pids/forked.pid", *there):
            (executor / "runs/latest" / file).touch()
            os.utime(executor / "runs/latest" / file, (100, 300 if name == "new" else 100))
    since = tmp_path / "executors.since"
    monkeypatch.setattr(mesos_info, "SINCE", str(since))
    assert [run.parts[-3] for run in mesos_info.strangers(tmp_path)] == ["new", "pod"], "none has ever been given"
    since.touch()
    os.utime(since, (200, 200))
    found = mesos_info.strangers(tmp_path)
    assert ([run.parts[-3] for run in found], [mesos_info.of_pod(run) for run in found]) == (["pod"], [True])
