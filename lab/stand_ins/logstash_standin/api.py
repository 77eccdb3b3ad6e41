"""The HTTP API on port 9600, in the shapes of the real one."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import uuid
from typing import Any

from . import VERSION
from .event import now
from .pipeline import Pipeline, every

_ID, _EPHEMERAL_ID = str(uuid.uuid4()), str(uuid.uuid4())


class Api:
    """Answers while the program runs. Raises OSError when the port is taken."""

    def __init__(self, settings: dict[str, Any], pipelines: list[Pipeline]) -> None:
        self.settings, self.pipelines = settings, pipelines
        self.address = (str(settings["api.http.host"]), int(settings["api.http.port"] or 9600))
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = api.answer(self.path.split("?")[0].rstrip("/"))
                missing = {"path": self.path, "status": 404, "error": {"message": "Not Found"}}
                body = json.dumps(answer or missing).encode()
                self.send_response(200 if answer else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Requests are not logged."""

        server = http.server.ThreadingHTTPServer(self.address, Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def answer(self, path: str) -> dict[str, Any] | None:
        """The body for a path, None for 404."""
        info = {
            "host": socket.gethostname(),
            "version": VERSION,
            "http_address": f"{self.address[0]}:{self.address[1]}",
            "id": _ID,
            "name": self.settings["node.name"],
            "ephemeral_id": _EPHEMERAL_ID,
            "snapshot": False,
        }
        health = _indicators({p.name: p.state for p in self.pipelines})
        base = {**info, "status": health["status"], "pipeline": _sizes(self.settings)}
        statistics = {
            "events": _events(self.pipelines),
            "pipelines": {p.name: _statistics(p) for p in self.pipelines},
            "queue": {"events_count": sum(p.queue.events for p in self.pipelines)},
        }
        if path == "/_health_report":
            whole = {**health, "symptom": "1 indicator is healthy (`pipelines`)", "indicators": {"pipelines": health}}
            return {**info, **whole, "timestamp": now()}
        answers: dict[str, dict[str, Any]] = {"": {}, "/_node/stats": statistics}
        answers["/_node"] = {"pipelines": {p.name: {**_sizes(p.settings), **_identity(p)} for p in self.pipelines}}
        answers.update({f"/_node/stats/{name}": {name: part} for name, part in statistics.items()})
        return {**base, **answers[path]} if path in answers else None


def _indicators(states: dict[str, str]) -> dict[str, Any]:
    each = {
        name: {
            "status": "green" if state == "RUNNING" else "yellow",
            "symptom": "The pipeline is healthy" if state == "RUNNING" else "The pipeline is concerning",
            "details": {"status": {"state": state}},
        }
        for name, state in states.items()
    }
    well = all(state == "RUNNING" for state in states.values())
    symptom = f"{len(each)} indicator{' is' if len(each) == 1 else 's are'} {'healthy' if well else 'concerning'}"
    return {"status": "green" if well else "yellow", "symptom": f"{symptom} (`{'`, `'.join(each)}`)", "indicators": each}


def _sizes(settings: dict[str, Any]) -> dict[str, Any]:
    names = {"workers": "workers", "batch_size": "batch.size", "batch_delay": "batch.delay"}
    return {name: settings[f"pipeline.{key}"] for name, key in names.items()}


def _identity(pipeline: Pipeline) -> dict[str, str]:
    return {"hash": pipeline.hash, "ephemeral_id": pipeline.ephemeral_id}


def _statistics(pipeline: Pipeline) -> dict[str, Any]:
    queue = pipeline.queue
    sizes = {"queue_size_in_bytes": queue.bytes, "max_queue_size_in_bytes": queue.max_bytes}
    named = {
        f"{kind}s": [{"id": p.settings.get("id", p.name), "name": p.name} for p in every(nodes)]
        for kind, nodes in pipeline.sections.items()
    }
    waiting = {"events": queue.events, "events_count": queue.events}
    return {
        "events": _events([pipeline]),
        "plugins": named,
        "reloads": {"successes": 0, "failures": 0, "last_error": None},
        "queue": {"type": pipeline.settings["queue.type"], **waiting, **sizes, "capacity": sizes},
        "pipeline": _sizes(pipeline.settings),
        **_identity(pipeline),
    }


def _events(pipelines: list[Pipeline]) -> dict[str, int]:
    written = sum(p.written for p in pipelines)
    return {"in": sum(p.received for p in pipelines), "filtered": written, "out": written, "duration_in_millis": 0}
