"""Which loggers are silent: what a configuration file of Logback says of them, where JAVA_OPTS names one."""

from __future__ import annotations

import logging
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping

_OPTION = re.compile(r"(?:^|\s)-Dlogback\.configurationFile=(\S+)")
_LEVELS = {"ALL": 1, "TRACE": 5, "OFF": logging.CRITICAL + 1}


def set_levels(environ: Mapping[str, str]) -> None:
    """Sets the level of every logger that the file names. Without a file that can be read all stays as it is in the program."""
    named = _OPTION.search(environ.get("JAVA_OPTS", ""))
    if not named:
        return
    try:
        root = ET.parse(named[1]).getroot()  # noqa: S314 - of whoever starts the program
    except (OSError, ET.ParseError) as error:
        logging.getLogger("logback").error("Could not read %s: %s", named[1], error)
        return
    for each in root.iter("logger"):
        level = each.get("level", "").upper()
        if each.get("name") and level:
            logging.getLogger(each.get("name")).setLevel(_LEVELS.get(level, level))
