"""ISO 8601 schedules: R<times>/<start>/<period>."""

from __future__ import annotations

import calendar
import datetime
import re
import zoneinfo
from dataclasses import dataclass

_SCHEDULE = re.compile(r"R(\d*)/(.*)/(P.*)$")
_PERIOD = re.compile(
    r"P(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?$"
)
EPOCH = datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.UTC)


class ScheduleError(Exception):
    """A schedule that the API refuses."""


@dataclass(frozen=True)
class Schedule:
    """`times` runs (-1 for ever) from `start` on, `months` plus `rest` apart."""

    times: int
    start: datetime.datetime
    period: str
    months: int
    rest: datetime.timedelta

    def shown(self) -> str:
        """The text form, with a full start."""
        start = self.start.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.start.microsecond // 1000:03d}Z"
        return f"R{'' if self.times < 0 else self.times}/{start}/{self.period}"

    def next(self) -> Schedule:
        """The schedule after one run."""
        times = self.times - 1 if self.times > 0 else self.times
        return Schedule(times, _later(self.start, self.months) + self.rest, self.period, self.months, self.rest)

    def due(self, now: datetime.datetime) -> bool:
        """Whether a run is due."""
        return self.times != 0 and self.start <= now

    def skip_to(self, now: datetime.datetime) -> Schedule:
        """Leaves out the runs that were missed, all but the last: a leader that comes late starts a job once, not often."""
        schedule = self
        while (following := schedule.next()).start <= now and following.times != 0 and schedule.steps:
            schedule = following
        return schedule

    @property
    def steps(self) -> bool:
        """Whether the period is longer than nothing."""
        return bool(self.months or self.rest)


def parse(text: str, zone: str = "") -> Schedule:
    """Reads a schedule; an empty start is now. Raises ScheduleError."""
    match = _SCHEDULE.match(text)
    period = _PERIOD.match(match[3]) if match else None
    if not match or not period:
        raise ScheduleError(f"Cannot parse schedule '{text}'")
    parts = {name: float(value) for name, value in period.groupdict(default="0").items()}
    rest = datetime.timedelta(
        weeks=parts["weeks"], days=parts["days"], hours=parts["hours"], minutes=parts["minutes"], seconds=parts["seconds"],
    )
    start = _start(text, match[2], zone)
    if start < EPOCH:
        raise ScheduleError(f"Scheduled start date '{start.isoformat()}' is before 1970!")
    return Schedule(int(match[1] or -1), start, match[3], int(parts["years"] * 12 + parts["months"]), rest)


def _start(text: str, start: str, zone: str) -> datetime.datetime:
    if not start:
        return datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
    try:
        moment = datetime.datetime.fromisoformat(start)
        if zone:
            return moment.replace(tzinfo=zoneinfo.ZoneInfo(zone))
    except (ValueError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise ScheduleError(f"Cannot parse schedule '{text}'") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _later(moment: datetime.datetime, months: int) -> datetime.datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))
