"""Times of day."""

from __future__ import annotations

import re

from rlvr_gym.verifiers.math.forms.kinds import Clock

_HALF = r"(?:\\text\{)?\s*([ap])\.?\s?m\.?\s*\}?"
_CLOCK = re.compile(rf"(\d{{1,2}})\s*:\s*(\d{{2}})(?:\s*:\s*(\d{{2}}))?\s*(?:{_HALF})?", re.IGNORECASE)
_HOUR = re.compile(rf"(\d{{1,2}})\s*{_HALF}", re.IGNORECASE)
_NAMED = {"noon": 12 * 3600, "midnight": 0}


def clock(text: str) -> Clock | None:
    """A time of day. Hours from 13 on, and those with a leading zero, count from midnight."""
    name = re.sub(r"\\text|12(?::00)?|[{}\s]", "", text).lower()
    if name in _NAMED:
        return Clock(_NAMED[name], "half")
    if match := _CLOCK.fullmatch(text):
        hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
        if hour > 23 or minute > 59 or second > 59:
            return None
        return _of_day(hour, minute * 60 + second, match[4], match[1].startswith("0"))
    if (match := _HOUR.fullmatch(text)) and 1 <= int(match[1]) <= 12:
        return _of_day(int(match[1]), 0, match[2], False)
    return None


def _of_day(hour: int, seconds: int, half: str | None, padded: bool) -> Clock:
    if half and hour <= 12:
        hour = hour % 12 + (12 if half in "pP" else 0)
        return Clock(hour * 3600 + seconds, "half")
    return Clock(hour * 3600 + seconds, "day" if padded or not 1 <= hour <= 12 else "open")


def same_time(a: Clock, b: Clock) -> bool:
    """Return whether two times of day are equal. "AM" and "PM" may be left out; `15:00` is not `3:00`."""
    if a.seconds == b.seconds:
        return True
    left_out = {a.said, b.said} in ({"half", "open"}, {"open"})
    return left_out and (a.seconds - b.seconds) % (12 * 3600) == 0
