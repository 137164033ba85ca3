"""Days, parts of days and clock times in plain words, relative to a moment that is now."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY = "|".join(_DAYS)
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
CLOCK = (
    r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?:\ ?[ap]m)?|(?:1[0-2]|0?[1-9])\ ?[ap]m"
    r"|(?:[01]?\d|2[0-3])h(?:[0-5]\d)\b|(?:[01]?\d|2[0-3])\ o'?clock"
)
_UNITS_S = {
    "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hr": 3600,
    "hour": 3600, "d": 86400, "day": 86400, "w": 604800, "week": 604800, "month": 2592000,
    "year": 31536000,
}  # fmt: skip
_NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30,
    "forty": 40, "sixty": 60, "ninety": 90, "couple of": 2, "a couple of": 2, "few": 3,
    "half an": 0.5, "half a": 0.5,
}  # fmt: skip
_PARTS = {
    "morning": (5, 12), "noon": (12, 13), "midday": (12, 13), "afternoon": (12, 18),
    "evening": (18, 24), "night": (18, 30), "midnight": (0, 1), "tonight": (18, 30),
}  # fmt: skip


class Moment(NamedTuple):
    """What a wording means: a point, which is `since`, or a span; and whether it names a day."""

    since: datetime
    until: datetime
    is_point: bool
    has_day: bool

    @property
    def is_whole_day(self) -> bool:
        """Whether it is a day or more, from midnight to midnight."""
        return not self.is_point and self.until - self.since >= timedelta(days=1)

    def at(self, day: datetime) -> datetime:
        """Its clock time, on another day."""
        clock = {one: getattr(self.since, one) for one in ("hour", "minute", "second")}
        return day.replace(microsecond=0, **clock)


def moment_of(text: str, now: datetime) -> Moment:
    """Read "yesterday at 14:30", "3 march", "tuesday morning", "9am": the latest that has begun.

    Raises:
        ValueError: There is no such day or clock time.
    """
    text = text.replace(",", " ").removeprefix("the ")
    if re.match(r"\d{4}-\d{2}-\d{2}[t ]\d", text):
        point = datetime.fromisoformat(text.upper().replace(" ", "T"))
        point = point if point.tzinfo else point.replace(tzinfo=now.tzinfo)
        return Moment(point, point, True, True)
    clock = re.search(
        rf"(?<![\w.:/-])(?:{CLOCK})(?!\w)|(?:^|(?<= ))\d{{1,2}}$".replace("\\ ", " "), text
    )
    if clock and _is_date(text) and ":" not in clock[0] and clock[0].isdecimal():
        clock = None
    rest = text
    if clock:
        rest = f"{text[: clock.start()]} {text[clock.end() :]}"
        rest = " ".join(re.sub(r"\b(?:at|around|about|on|the)\b", " ", rest).split())
    if not rest:
        return _at(str(clock and clock[0]), now)
    since, until = _day_span(rest, now)
    if clock is None:
        bare = rest in ("noon", "midday", "midnight")
        return Moment(since, since if bare else until, bare, not bare)
    hour, minute, second = _clock(clock[0], rest)
    point = midnight(since).replace(hour=hour, minute=minute, second=second)
    return Moment(point, point, True, True)


def _is_date(text: str) -> bool:
    return re.search(rf"\b(?:{'|'.join(month[:3] for month in MONTHS)})", text) is not None


def _at(clock: str, now: datetime) -> Moment:
    hour, minute, second = _clock(clock, "")
    point = midnight(now).replace(hour=hour, minute=minute, second=second)
    point = point if point <= now else point - timedelta(days=1)
    return Moment(point, point, True, False)


def _clock(text: str, part: str) -> tuple[int, int, int]:
    numbers = [int(one) for one in re.findall(r"\d+", text)] + [0, 0]
    hour = numbers[0] % 24
    late = part.endswith(("afternoon", "evening", "night", "tonight"))
    if text.endswith("am"):
        hour %= 12
    elif text.endswith("pm") or (late and hour < 12 and ":" not in text):
        hour = hour % 12 + 12
    return hour, numbers[1], numbers[2]


def _day_span(text: str, now: datetime) -> tuple[datetime, datetime]:
    """The days, or the part of a day, that a wording without a clock time means."""
    today = midnight(now)
    unit = text.removeprefix("this ").removeprefix("earlier ")
    if unit == "hour":
        return now.replace(minute=0, second=0, microsecond=0), now
    if unit in ("week", "month", "year"):
        return unit_start(unit, now), now
    if text in ("last night", "overnight"):
        return today - timedelta(hours=6), today + timedelta(hours=6)
    if unit.endswith("weekend"):
        back = (today.weekday() - 5) % 7
        saturday = today - timedelta(days=back + (7 if text.startswith("last") and back < 2 else 0))
        return saturday, saturday + timedelta(days=2)
    if unit in _PARTS:
        since, until = part_of_day(unit, today)
        return (since, until) if since <= now else part_of_day(unit, today - timedelta(days=1))
    name, _, part = text.rpartition(" ")
    if part in _PARTS and name:
        return part_of_day(part, day_of(name, now))
    day = day_of(text, now)
    return day, day + timedelta(days=1)


def day_of(text: str, now: datetime) -> datetime:
    """Midnight of a day by name or date: today, yesterday, the latest such weekday or date.

    Raises:
        ValueError: There is no such day.
    """
    today = midnight(now)
    name = text.removeprefix("last ").removeprefix("earlier ")
    name = name.removesuffix("s") if name.removesuffix("s") in _DAYS else name
    if name in ("yesterday", "day before yesterday"):
        return today - timedelta(days=1 if name == "yesterday" else 2)
    if name in _DAYS:
        back = (today.weekday() - _DAYS.index(name)) % 7
        return today - timedelta(days=back or (7 if text.startswith("last ") else 0))
    return today if name in ("today", "day", "this day") else _dated(name, today)


def _dated(text: str, today: datetime) -> datetime:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return datetime.fromisoformat(text).replace(tzinfo=today.tzinfo)
    numbers = [int(one) for one in re.findall(r"\d+", text)]
    word = re.search(r"[a-z]{3,}", text)
    if word is None:
        day, month, year = (*numbers, 0, 0)[:3]
    else:
        day, year = (*numbers, 0, 0)[:2]
        short = [name[:3] for name in MONTHS]
        month = short.index(word[0][:3]) + 1
    found = today.replace(year=year or today.year, month=month, day=day)
    return found if year or found <= today else found.replace(year=found.year - 1)


def part_of_day(part: str, day: datetime) -> tuple[datetime, datetime]:
    """The hours of a day that "morning" and the like mean."""
    begin, end = _PARTS[part]
    return day + timedelta(hours=begin), day + timedelta(hours=end)


def unit_start(unit: str, now: datetime) -> datetime:
    """Where the week, month or year of `now` begins."""
    today = midnight(now)
    if unit == "week":
        return today - timedelta(days=today.weekday())
    return today.replace(day=1) if unit == "month" else today.replace(month=1, day=1)


def before_unit(unit: str, now: datetime) -> tuple[datetime, datetime]:
    """The whole unit before the one that `now` is in."""
    if unit == "day":
        return midnight(now) - timedelta(days=1), midnight(now)
    until = unit_start(unit, now)
    return unit_start(unit, until - timedelta(days=1)), until


def amount(text: str) -> timedelta:
    """How long "10 minutes", "two hours", "24h", "half hour" or "hour" is.

    Raises:
        ValueError: It is no length of time.
    """
    if re.fullmatch(r"half(?: an?)? hour", text):
        return timedelta(minutes=30)
    if text.endswith("hour and a half"):
        return timedelta(minutes=90)
    match = re.fullmatch(r"(?:(\d+(?:\.\d+)?|[a-z][a-z ]*?) ?)??([a-z]+)", text)
    if match is None:
        raise ValueError(text)
    number, unit = match.groups()
    seconds = _UNITS_S.get(unit) or _UNITS_S.get(unit.removesuffix("s"))
    if seconds is None:
        raise ValueError(text)
    count = 1.0 if number is None else float(_NUMBERS.get(number, 0) or number)
    return timedelta(seconds=count * seconds)


def midnight(moment: datetime) -> datetime:
    """Where its day begins."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
