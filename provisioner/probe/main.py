"""Dispatch of one probe request on the host: its sections one after another, then one JSON answer."""

import json
import os
import time
from importlib import import_module
from threading import Thread  # concurrent.futures would take a seventh of the probe's time to import
from typing import Any

VERSION = 1
MAX_ANSWER = 256 * 1024
MAX_TEXT = 4096
#: Between two looks at what is waited for: short, as a member of a quorum is away until it is seen to be back.
POLL_SECONDS = 0.2
#: Section → the module that answers it, where it has another name; its part of the request has the name of the module.
MODULES = {"unsettled": "applied", "begin": "notes", "forget": "notes", "stale": "notes", "record": "notes"}


def main(request: "dict[str, Any]", out: int) -> None:
    """Answer the request on file descriptor `out`, which gets the answer and nothing else."""
    answer = answer_to(request)
    text = json.dumps(answer).encode("ascii")
    if len(text) > MAX_ANSWER:
        errors = {"answer": f"the answer would take {len(text)} bytes, {MAX_ANSWER} are allowed"}
        text = json.dumps({"version": VERSION, "errors": errors, "seconds": answer["seconds"]}).encode("ascii")
    with os.fdopen(out, "wb") as stream:
        stream.write(text)


def answer_to(request: "dict[str, Any]") -> "dict[str, Any]":
    """Run the asked sections. A section that breaks is named in `errors`; the others still answer.

    `time` is this host's clock (seconds since the epoch) when it began, `seconds` how long it took.
    """
    started = time.monotonic()
    answer: dict[str, Any] = {"version": VERSION, "time": time.time(), "errors": {}}
    for section in request.get("sections", []):
        try:
            answer[section] = _section(section, request if section != "record" else of_what_works(request, answer))
        except Exception as error:
            answer["errors"][section] = _text(error)
    answer["seconds"] = round(time.monotonic() - started, 3)
    return answer


def of_what_works(request: "dict[str, Any]", answer: "dict[str, Any]") -> "dict[str, Any]":
    """The request without the notes of components whose health, which was asked before, is in none of the states that are to `accept`."""
    notes = {component: one for component, one in request["notes"].items() if answer["health"][component]["state"] in one["accept"]}
    return {**request, "notes": notes}


def _section(section: str, request: "dict[str, Any]") -> "dict[str, Any]":
    if section == "health":
        return health(request.get("health", {}), float(request.get("wait", 0)))
    # Imported when asked for: the program is compiled anew on every run, and what is not asked for was not sent.
    name = MODULES.get(section, section)
    module = import_module("." + name, __package__)
    answer: dict[str, Any] = getattr(module, section)(*(() if section in ("facts", "packages") else (request.get(name, {}),)))
    return answer


def health(asked: "dict[str, Any]", wait: float) -> "dict[str, Any]":
    """Ask every component at the same time; with `wait` seconds ask again until all are ok at once or time is up.

    All are asked again, not only those that were not ok: a component that fell while another one came up must show.
    """
    from .health import prepare

    prepare(asked)
    deadline = time.monotonic() + wait
    while True:
        answers: dict[str, Any] = {}
        asking = [Thread(target=_ask, args=(component, request, answers)) for component, request in asked.items()]
        for one in asking:
            one.start()
        for one in asking:
            one.join()
        if all(answer["state"] == "ok" for answer in answers.values()) or time.monotonic() >= deadline:
            return answers
        time.sleep(POLL_SECONDS)


def _ask(component: str, request: "dict[str, Any]", answers: "dict[str, Any]") -> None:
    from .health import ask

    try:
        answers[component] = ask(component, request)
    except Exception as error:
        answers[component] = {"state": "down", "detail": f"the probe of {component} failed: {_text(error)}"}


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:MAX_TEXT]
