"""The command: checks like Logstash does and in its order, then runs until it is told to stop."""

from __future__ import annotations

import datetime
import fcntl
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from . import VERSION
from .api import Api
from .language import ConfigurationError
from .pipeline import Pipeline
from .settings import UsageError, command_line, load, pipelines

_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


def main(arguments: list[str]) -> int:
    """Run `logstash` with these arguments; returns its exit code."""
    if arguments and arguments[0] in ("-V", "--version"):
        print(f"logstash {VERSION}")
        return 0
    try:
        _load_native_libraries()
        settings = load(command_line(arguments))
        log = _Log(settings)
        if os.geteuid() == 0 and not settings["allow_superuser"]:
            raise ConfigurationError("Logstash cannot be run as superuser.")
        made = [Pipeline(one, log) for one in pipelines(settings)]
    except (UsageError, NativeLibraryError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    except ConfigurationError as error:
        log("FATAL", "logstash.runner", f"The given configuration is invalid. Reason: {error}")
        return 1
    if settings["config.test_and_exit"]:
        print("Configuration OK")
        return 0
    return _run(settings, made, log)


class NativeLibraryError(Exception):
    """What Java says of a library that it may not map."""


def _load_native_libraries() -> None:
    """JRuby unpacks them into java.io.tmpdir and maps them from there, which a filesystem mounted noexec forbids."""
    options = os.environ.get("LS_JAVA_OPTS", "").split()
    folder = next((one.partition("=")[2] for one in options if one.startswith("-Djava.io.tmpdir=")), tempfile.gettempdir())
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        raise NativeLibraryError(f"java.lang.UnsatisfiedLinkError: {folder}/jffi.so: failed to map segment from shared object")


def _run(settings: dict[str, Any], made: list[Pipeline], log: _Log) -> int:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        data = Path(settings["path.data"])
        data.mkdir(parents=True, exist_ok=True)
        with (data / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for pipeline in made:
                pipeline.start()
                log("INFO", "logstash.javapipeline", f'Pipeline started {{"pipeline.id"=>"{pipeline.name}"}}')
            if settings["api.enabled"]:
                Api(settings, made)
            stop.wait()
            log("WARN", "logstash.runner", "SIGTERM received. Shutting down.")
            for pipeline in made:
                pipeline.stop()
    except BlockingIOError:
        log("FATAL", "logstash.runner", "There is already another instance using the configured data directory.")
        return 1
    except (OSError, ConfigurationError) as error:
        log("FATAL", "logstash.agent", f"Failed to start: {error}")
        return 1
    log("INFO", "logstash.runner", "Logstash shut down.")
    return 0


class _Log:
    """To standard output and, when the settings folder has a log4j2.properties, to logstash-plain.log too."""

    def __init__(self, settings: dict[str, Any]) -> None:
        configured = (Path(settings["path.settings"]) / "log4j2.properties").exists()
        self._file = Path(settings["path.logs"]) / "logstash-plain.log" if configured else None
        self._least = _LEVELS.index(settings["log.level"].upper() if configured else "ERROR")

    def __call__(self, level: str, logger: str, message: str) -> None:
        if _LEVELS.index(level) < self._least:
            return
        stamp = datetime.datetime.now().isoformat(timespec="milliseconds").replace(".", ",")
        line = f"[{stamp}][{level:<5}][{logger:<25}] {message}"
        print(line, flush=True)
        if self._file and os.access(self._file.parent, os.W_OK):
            with self._file.open("a") as stream:
                stream.write(line + "\n")
