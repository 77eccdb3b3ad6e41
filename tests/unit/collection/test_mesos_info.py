"""What role mesos sees of the masters before it touches anything: a real HTTP server in the place of a master."""

from __future__ import annotations

import http.server
import json
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
        threading.Thread(target=master.serve_forever, daemon=True).start()
        own = f"127.0.0.1:{master.server_address[1]}"
        asked = {"component": "agent", "address": "127.0.0.1", "port": 1, "authentication": authentication, "work": "/nowhere/agent"}
        # Nobody listens on port 1: a master that does not answer says nothing about credentials.
        assert mesos_info.look({**asked, "masters": [own, "127.0.0.1:1"]})["open"] == ([own] if named else [])
        master.shutdown()


def test_executors_without_a_token_are_named_until_the_agent_has_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = {name: tmp_path / f"meta/slaves/latest/frameworks/F/executors/{name}/runs/latest" for name in ("pod", "ended", "docker")}
    for run in runs.values():
        run.mkdir(parents=True)
    for name, file in (("pod", "http.marker"), ("ended", "http.marker"), ("ended", "executor.sentinel"), ("docker", "libprocess.pid")):
        (runs[name] / file).touch()
    monkeypatch.setattr(mesos_info, "KEY", str(tmp_path / "jwt.key"))
    assert mesos_info.strangers(tmp_path) == ["pod"]
    (tmp_path / "jwt.key").touch()
    assert mesos_info.strangers(tmp_path) == []
