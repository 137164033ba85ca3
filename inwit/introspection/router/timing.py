"""Times in plain words: find them in a question, and say which span of time they mean."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from inwit.introspection.router.calendar import (
    CLOCK,
    DAY,
    MONTHS,
    Moment,
    amount,
    before_unit,
    midnight,
    moment_of,
    unit_start,
)
from inwit.introspection.router.records import Entity

_NUMERALS = (
    r"a\ couple\ of|couple\ of|few|half\ an?|an?|one|two|three|four|five|six|seven|eight|nine|ten"
    r"|twelve|fifteen|twenty|thirty|forty|sixty|ninety"
)
_UNIT = r"(?:seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w|months?|years?)"
_HALF = r"(?:half(?:\ an?)?\ hour|hour\ and\ a\ half)"
_NUMBER = rf"(?:\d{{1,6}}(?:\.\d+)?|{_NUMERALS})"
_LENGTH = rf"(?:{_HALF}|(?:{_NUMBER}\ ?)?{_UNIT})"
_MONTH = rf"(?:{'|'.join(MONTHS)}|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)"
_NTH = r"(?:3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?"
_DATE = (
    r"(?:\d{4}-\d{2}-\d{2}(?:[t\ ]\d{2}:\d{2}(?::\d{2})?z?)?"
    r"|(?:3[01]|[12]\d|0?[1-9])\.(?:1[0-2]|0?[1-9])\.(?:\d{4})?(?!\d)"
    rf"|(?:the\ )?{_NTH}\ (?:of\ )?{_MONTH}(?:,?\ \d{{4}})?"
    rf"|{_MONTH}\ (?:the\ )?{_NTH}(?:,?\ \d{{4}})?(?![:\d]))"
)
_PART = r"(?:morning|afternoon|evening|noon|midday|midnight|night)"
_NAMED = (
    r"(?:the\ day\ before\ yesterday|earlier\ today|overnight|tonight"
    r"|this\ (?:hour|day|week|weekend|month|year|morning|afternoon|evening)"
    rf"|last\ (?:night|weekend)|yesterday(?:\ {_PART})?|today"
    rf"|(?:last\ )?(?:{DAY})s?(?:\ {_PART})?)"
)
_CLOCKED = rf"(?:{CLOCK})(?!\ ?(?:seconds|minutes))"
_MOMENT = (
    rf"(?:(?:{_NAMED}|{_DATE})(?:,?\ (?:at\ |around\ |about\ )?{_CLOCKED})?"
    rf"|{_CLOCKED}(?:\ (?:on\ )?(?:{_NAMED}|{_DATE}))?)"
)
_START = (
    rf"(?:{_MOMENT}|noon|midday|midnight|last\ (?:week|month|year)|{_LENGTH}\ ago"
    rf"|(?:{'|'.join(MONTHS)})(?!\ (?:be|have|not|fail|run)))"
)
_BARE = r"(?:[01]?\d|2[0-4])"
_RANGE_ENDS = (
    rf"(?:{_START}|(?:{_NAMED}\ )?{_BARE})\ ?(?:and|to|until|till|through|-|–)\ ?"
    rf"(?:now\b|{_START}|{_BARE}(?=\ o'?clock))"
)

_PATTERN = re.compile(
    rf"""(?<![\w.:-])(?:
      (?P<range>(?:(?:{_NAMED}|{_DATE}),?\ )?(?:between|from)\ (?:the\ )?{_RANGE_ENDS}
        |(?:(?:{_NAMED}|{_DATE}),?\ )?{_CLOCKED}\ ?(?:[-–]|to|until|till)\ ?{_CLOCKED})
    | (?P<since>(?:ever\ )?(?:since|after|starting)\ (?:about\ |around\ )?(?:the\ )?{_START}
        |since\ {_NUMBER}\ {_UNIT})
    | (?P<before>(?:before|until|till|up\ to)\ (?:the\ )?{_START})
    | (?P<span>(?:in\ |within\ |over\ |during\ |for\ )?(?:the\ )?(?:last|past|previous)
         \ {_LENGTH}\b(?!\ (?:runs?|executions?|visits?|attempts?|nodes?|steps?)))
    | (?P<ago>(?:{_HALF}|{_NUMBER}\ ?{_UNIT})\ ago)
    | (?P<month>(?:in|during|of|last|this)\ (?:{"|".join(MONTHS)})(?:\ \d{{4}})?)
    | (?P<moment>{_MOMENT})
    | (?P<noon>(?:at|around|about|by)\ (?:noon|midday|midnight))
    )(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)
_TO = r" (?:and|to|until|till|through) "
_LEADING = re.compile(r"^(?:in|within|over|during|for|of|at|around|about|by) ")


def find_times(question: str) -> list[Entity]:
    """Find the time expressions of a question; the value is their wording in lower case."""
    found = []
    for match in _PATTERN.finditer(question):
        text = match.group()
        value = _LEADING.sub("", " ".join(text.lower().split()))
        value = value if value.startswith("the day") else value.removeprefix("the ")
        value = re.sub(rf"^(?:after )?({DAY})s$", r"\1", value)
        start, end = match.span()
        found.append(Entity(kind="time", value=value, text=text, start=start, end=end))
    return found


def parse_time(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    """Give the span of time that the first expression in `text` means, up to `now`.

    Days are days of `now`'s own time zone, so give an aware `now`. A point in time ("at 14:30",
    "2 hours ago") is taken with the quarter of an hour on both sides; a weekday, a date without
    a year and a clock time are the latest that have begun. None when `text` names no time.

    Example:
        >>> parse_time("in the last 10 minutes", datetime(2030, 1, 2, 12, 30))
        (datetime.datetime(2030, 1, 2, 12, 20), datetime.datetime(2030, 1, 2, 12, 30))
    """
    match = _PATTERN.search(text[:2000])
    if match is None:
        return None
    wording = _LEADING.sub("", " ".join(match.group().lower().split()))
    try:
        since, until = _meaning(str(match.lastgroup), wording, now)
    except (ValueError, OverflowError):
        return None
    return since, max(since, min(until, now))


def _meaning(group: str, text: str, now: datetime) -> tuple[datetime, datetime]:
    match group:
        case "range":
            return _range(text, now)
        case "since":
            return _since(text, now)
        case "before":
            return _before(text, now)
        case "span":
            return _span(text, now)
        case "ago":
            return _ago(text, now)
        case "month":
            return _month(text, now)
        case _:
            return _around(text, now)


def _range(text: str, now: datetime) -> tuple[datetime, datetime]:
    """From the beginning of the first moment to the end of the second."""
    text = re.sub(r",? ?\b(?:between|from) (?:the )?", " ", text).strip()
    first, second = re.split(_TO if re.search(_TO, text) else r" ?[-–] ?", text, maxsplit=1)
    half = re.search(r"[ap]m$", second)
    if half and re.fullmatch(r"\d{1,2}(?::\d\d)?", first.split()[-1]):
        first += half[0]
    one, two = _moment(first, now), _moment(second, now)
    if two.has_day and not one.has_day:  # "from 9:00 until 11:30 yesterday"
        return one.at(two.since), two.since if two.is_point else two.until
    if two.has_day:
        return one.since, two.since if two.is_point else two.until
    until = two.at(one.since)  # "yesterday between 9:00 and 11:00"
    return one.since, until if until >= one.since else until + timedelta(days=1)


def _since(text: str, now: datetime) -> tuple[datetime, datetime]:
    rest = re.sub(r"^(?:ever )?(?:since|after|starting) (?:about |around )?(?:the )?", "", text)
    if re.fullmatch(rf"{_NUMBER} {_UNIT}", rest):
        return now - amount(rest), now
    moment = _moment(rest, now)
    if text.startswith("after") and moment.is_whole_day:
        return moment.until, now
    return moment.since, now


def _before(text: str, now: datetime) -> tuple[datetime, datetime]:
    until = _moment(re.sub(r"^(?:before|until|till|up to) (?:the )?", "", text), now)
    start = datetime(1970, 1, 2, tzinfo=now.tzinfo)
    return (midnight(until.since) if until.is_point else start), until.since


def _span(text: str, now: datetime) -> tuple[datetime, datetime]:
    the = " the " in f" {text}"
    rest = re.split(r"(?:last|past|previous) ", text)[-1]
    if rest in ("week", "month", "day", "year") and "past" not in text and not the:
        return before_unit(rest, now)
    return now - amount(rest), now


def _ago(text: str, now: datetime) -> tuple[datetime, datetime]:
    distance = amount(text.removesuffix(" ago"))
    if distance >= timedelta(days=1):
        day = midnight(now - distance)
        return day, day + timedelta(days=1)
    return now - distance - QUARTER, now - distance + QUARTER


def _month(text: str, now: datetime) -> tuple[datetime, datetime]:
    name, year = [*re.sub(r"^(?:last|this) ", "", text).split(), ""][:2]
    number = MONTHS.index(name) + 1
    since = midnight(now).replace(year=int(year or now.year), month=number, day=1)
    if not year and since > now:
        since = since.replace(year=since.year - 1)
    return since, unit_start("month", since + timedelta(days=32))


def _around(text: str, now: datetime) -> tuple[datetime, datetime]:
    moment = _moment(text, now)
    if moment.is_point:
        return moment.since - QUARTER, moment.since + QUARTER
    return moment.since, moment.until


QUARTER = timedelta(minutes=15)


def _moment(text: str, now: datetime) -> Moment:
    if text == "now":
        return Moment(now, now, True, True)
    if text.endswith(" ago"):
        since, until = _ago(text, now)
        is_day = until - since >= timedelta(days=1)
        return Moment(since if is_day else since + QUARTER, until, not is_day, True)
    if text in MONTHS:
        return Moment(*_month(text, now), False, True)
    if text in ("last week", "last month", "last year"):
        return Moment(*before_unit(text.split()[1], now), False, True)
    return moment_of(text, now)
