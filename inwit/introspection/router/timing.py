"""Times in plain words: find them in a question, and say which span of time they mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from inwit.introspection.router.records import Entity

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNITS_S = {
    "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hr": 3600,
    "hour": 3600, "d": 86400, "day": 86400, "w": 604800, "week": 604800, "month": 2592000,
    "year": 31536000,
}  # fmt: skip
_NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30,
    "sixty": 60, "couple of": 2, "few": 3, "half an": 0.5,
}  # fmt: skip
_NUMERALS = "|".join(sorted(_NUMBERS, key=len, reverse=True)).replace(" ", r"\ ")
_UNIT = r"(?:seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w|months?|years?)"
_NUMBER = rf"(?:\d{{1,6}}(?:\.\d+)?|{_NUMERALS})"
_DAY = rf"(?:{'|'.join(_DAYS)})"
_CLOCK = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?|(?:1[0-2]|0?[1-9])\ ?[ap]m"
_DATE = r"\d{4}-\d{2}-\d{2}(?:[t\ ]\d{2}:\d{2}(?::\d{2})?z?)?"
_PART = r"(?:morning|afternoon|evening|noon|midnight|night)"

_PATTERN = re.compile(
    rf"""\b(?:
      (?P<since>(?:since|after)\ (?:last\ )?(?:{_DATE}|{_CLOCK}|{_DAY}|yesterday|noon|midnight
         |this\ morning|last\ (?:week|month|night)|today))
    | (?P<before>(?:before|until|till)\ (?:{_DATE}|{_CLOCK}|{_DAY}|yesterday|noon|midnight|today))
    | (?P<span>(?:in\ |within\ |over\ |during\ |for\ )?(?:the\ )?(?:last|past)
         \ (?:{_NUMBER}\ ?)?{_UNIT}\b(?!\ (?:runs?|executions?)))
    | (?P<ago>{_NUMBER}\ ?{_UNIT}\ ago)
    | (?P<named>this\ (?:hour|day|week|month|year|morning|afternoon|evening)
         |yesterday\ (?:{_PART})|last\ night|yesterday|today|(?:last\ )?{_DAY}s?)
    | (?P<clock>(?:{_CLOCK})(?!\ ?(?:seconds|minutes)))
    | (?P<date>{_DATE})
    )(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)


def find_times(question: str) -> list[Entity]:
    """Find the time expressions of a question; the value is their wording in lower case."""
    found = []
    for match in _PATTERN.finditer(question):
        text = match.group()
        value = re.sub(r"^(?:in|within|over|during|for) ", "", text.lower())
        value = re.sub(r"^the ", "", value)
        value = re.sub(rf"^({_DAY})s$", r"\1", value)
        start, end = match.span()
        found.append(Entity(kind="time", value=value, text=text, start=start, end=end))
    return found


def parse_time(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    """Give the span of time that the first expression in `text` means, up to `now`.

    Days are days of `now`'s own time zone, so give an aware `now`. A point in time ("at 14:30",
    "2 hours ago") is taken with the quarter of an hour on both sides; a weekday is the latest
    one that has begun. None when `text` names no time.

    Example:
        >>> parse_time("in the last 10 minutes", datetime(2030, 1, 2, 12, 30))
        (datetime.datetime(2030, 1, 2, 12, 20), datetime.datetime(2030, 1, 2, 12, 30))
    """
    match = _PATTERN.search(text[:2000])
    if match is None:
        return None
    group = str(match.lastgroup)
    wording = " ".join(match.group().lower().split())
    try:
        since, until = _MEANINGS[group](wording, now)
    except (ValueError, OverflowError):
        return None
    return since, max(since, min(until, now))


def _since(text: str, now: datetime) -> tuple[datetime, datetime]:
    rest = text.partition(" ")[2]
    if text.startswith("after") and re.fullmatch(rf"{_DAY}|yesterday|today", rest):
        return _day(rest, now) + timedelta(days=1), now
    return _moment(rest, now), now


def _before(text: str, now: datetime) -> tuple[datetime, datetime]:
    until = _moment(text.partition(" ")[2], now)
    whole_day = until.time() == now.replace(hour=0, minute=0, second=0, microsecond=0).time()
    start = datetime(1970, 1, 2, tzinfo=now.tzinfo) if whole_day else _midnight(until)
    return start, until


def _span(text: str, now: datetime) -> tuple[datetime, datetime]:
    rest = re.split(r"(?:last|past) ", text)[-1]
    if (
        rest in ("week", "month", "day", "year")
        and "past" not in text
        and " the " not in f" {text}"
    ):
        return _calendar_before(rest, now)
    return now - _amount(rest), now


def _ago(text: str, now: datetime) -> tuple[datetime, datetime]:
    distance = _amount(text.removesuffix(" ago"))
    if distance >= timedelta(days=1):
        day = _midnight(now - distance)
        return day, day + timedelta(days=1)
    return _around(now - distance)


def _named(text: str, now: datetime) -> tuple[datetime, datetime]:
    today = _midnight(now)
    unit = text.removeprefix("this ")
    if unit == "hour":
        return now.replace(minute=0, second=0, microsecond=0), now
    if unit in ("week", "month", "year"):
        return _calendar_start(unit, now), now
    if text == "last night":
        return today - timedelta(hours=6), today + timedelta(hours=6)
    if text.startswith("yesterday "):
        return _part_of_day(text.split()[1], today - timedelta(days=1))
    if unit in ("morning", "afternoon", "evening"):
        return _part_of_day(unit, today)
    day = _day(text, now)
    return day, day + timedelta(days=1)


def _clock(text: str, now: datetime) -> tuple[datetime, datetime]:
    return _around(_moment(text, now))


def _date(text: str, now: datetime) -> tuple[datetime, datetime]:
    moment = _moment(text, now)
    return _around(moment) if len(text) > 10 else (moment, moment + timedelta(days=1))


_MEANINGS: dict[str, Callable[[str, datetime], tuple[datetime, datetime]]] = {
    "since": _since,
    "before": _before,
    "span": _span,
    "ago": _ago,
    "named": _named,
    "clock": _clock,
    "date": _date,
}


def _moment(text: str, now: datetime) -> datetime:
    """The point in time that a wording means: the latest that is not after `now`."""
    if re.match(r"\d{4}-", text):
        moment = datetime.fromisoformat(text.upper().replace(" ", "T"))
        return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
    if re.match(r"\d", text):
        return _at_clock(text, now)
    if text in ("noon", "midnight"):
        noon = _midnight(now) + timedelta(hours=12 if text == "noon" else 0)
        return noon if noon <= now else noon - timedelta(days=1)
    if text == "this morning":
        return _midnight(now) + timedelta(hours=5)
    if text in ("last week", "last month"):
        return _calendar_before(text.split()[1], now)[0]
    if text == "last night":
        return _midnight(now) - timedelta(hours=6)
    return _day(text, now)


def _at_clock(text: str, now: datetime) -> datetime:
    half = text[-2:] if text.endswith(("am", "pm")) else ""
    numbers = [int(part) for part in re.findall(r"\d+", text)] + [0, 0]
    hour = numbers[0] % 12 + (12 if half == "pm" else 0) if half else numbers[0]
    moment = now.replace(hour=hour, minute=numbers[1], second=numbers[2], microsecond=0)
    return moment if moment <= now else moment - timedelta(days=1)


def _day(text: str, now: datetime) -> datetime:
    """Midnight of today, yesterday or the latest weekday of that name."""
    today = _midnight(now)
    name = text.removeprefix("last ")
    name = name.removesuffix("s") if name.removesuffix("s") in _DAYS else name
    if name == "yesterday":
        return today - timedelta(days=1)
    if name not in _DAYS:
        return today
    back = (today.weekday() - _DAYS.index(name)) % 7
    return today - timedelta(days=back or (7 if text.startswith("last ") else 0))


def _calendar_start(unit: str, now: datetime) -> datetime:
    today = _midnight(now)
    if unit == "week":
        return today - timedelta(days=today.weekday())
    return today.replace(day=1) if unit == "month" else today.replace(month=1, day=1)


def _calendar_before(unit: str, now: datetime) -> tuple[datetime, datetime]:
    """The whole unit before the one that `now` is in."""
    if unit == "day":
        return _midnight(now) - timedelta(days=1), _midnight(now)
    until = _calendar_start(unit, now)
    return _calendar_start(unit, until - timedelta(days=1)), until


def _part_of_day(part: str, day: datetime) -> tuple[datetime, datetime]:
    hours = {"morning": (5, 12), "noon": (12, 13), "afternoon": (12, 18), "midnight": (0, 1)}
    begin, end = hours.get(part, (18, 24))
    return day + timedelta(hours=begin), day + timedelta(hours=end)


def _around(moment: datetime) -> tuple[datetime, datetime]:
    quarter = timedelta(minutes=15)
    return moment - quarter, moment + quarter


def _amount(text: str) -> timedelta:
    """How long "10 minutes", "two hours", "24h" or "hour" is."""
    match = re.fullmatch(rf"(?:({_NUMBER}) ?)?({_UNIT})", text)
    if match is None:
        raise ValueError(text)
    number, unit = match.groups()
    count = 1.0 if number is None else float(_NUMBERS.get(number, 0) or number)
    seconds = _UNITS_S.get(unit) or _UNITS_S[unit.removesuffix("s")]
    return timedelta(seconds=count * seconds)


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
