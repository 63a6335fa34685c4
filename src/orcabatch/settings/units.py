"""Sizes, durations, rates and percentages as people write them, turned into bytes, seconds and floats.

Covers the text forms that a YAML or a command line may hold. Does not cover which key takes which unit
(`orcabatch.settings.models`). Every function raises ValueError with what was seen and what is allowed.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from typing import TypeGuard

SIZE_ALLOWED = "a size such as 100MB, 1.5 GB or 10MiB (a bare number is bytes)"
DURATION_ALLOWED = "a duration such as 90 s, 10 min or 2 h (a bare number is seconds)"
RATE_ALLOWED = "a rate such as `1 per second` or `6 per minute` (a bare number is per second)"
PERCENT_ALLOWED = "a percentage such as 80, 87.5 or 80%"
NUMBER_ALLOWED = "a number"
WHOLE_ALLOWED = "a whole number"
SHARE_ALLOWED = "a percentage above 0, at most 100"
SWITCH_ALLOWED = "true or false"
TEXT_ALLOWED = "text"

_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_PREFIXES = _DECIMAL | _BINARY
_WORDS = {f"{prefix}b": factor for prefix, factor in _PREFIXES.items()} | {"byte": 1, "bytes": 1}
SIZE_UNITS: Mapping[str, int] = _PREFIXES | _WORDS
"""Bytes by unit, in lower case. MB are powers of ten, MiB powers of two."""

_SECONDS = {
    0.001: ("ms", "millisecond", "milliseconds"),
    1.0: ("", "s", "sec", "secs", "second", "seconds"),
    60.0: ("m", "min", "mins", "minute", "minutes"),
    3600.0: ("h", "hr", "hrs", "hour", "hours"),
    86400.0: ("d", "day", "days"),
}
DURATION_UNITS: Mapping[str, float] = {name: factor for factor, names in _SECONDS.items() for name in names}
"""Seconds by unit, in lower case."""

_AMOUNT = r"(\d+(?:\.\d*)?|\.\d+)(e[+-]?\d+)?"
_SIZE = re.compile(rf"{_AMOUNT}\s*([a-z]*)")
_DURATION_PART = re.compile(rf"{_AMOUNT}\s*([a-z]*)\s*")
_RATE = re.compile(rf"{_AMOUNT}\s*(?:per|/)\s*(.+)")


def parse_size(value: object) -> int:
    """Bytes from `100MB`, `1.5 GB`, `10MiB` or a number of bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float):
        return round(_finite(value, SIZE_ALLOWED))
    match = _SIZE.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if match is None or match[3] not in SIZE_UNITS:
        raise ValueError(SIZE_ALLOWED)
    return round(_finite(float(match[1] + (match[2] or "")) * SIZE_UNITS[match[3]], SIZE_ALLOWED))


def parse_duration(value: object) -> float:
    """Seconds from `90 s`, `10 min`, `1 h 30 min` or a number of seconds."""
    if _is_number(value):
        return _finite(float(value), DURATION_ALLOWED)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(DURATION_ALLOWED)
    text = value.strip().lower()
    parts = list(_DURATION_PART.finditer(text))
    if "".join(match[0] for match in parts) != text or any(match[3] not in DURATION_UNITS for match in parts):
        raise ValueError(DURATION_ALLOWED)
    if len(parts) > 1 and any(not match[3] for match in parts):
        raise ValueError(DURATION_ALLOWED)
    seconds = sum(float(match[1] + (match[2] or "")) * DURATION_UNITS[match[3]] for match in parts)
    return _finite(seconds, DURATION_ALLOWED)


def parse_rate(value: object) -> float:
    """Events per second from `1 per second`, `6 per minute`, `1 per 10 s` or a number."""
    if _is_number(value):
        return _finite(float(value), RATE_ALLOWED)
    text = value.strip().lower() if isinstance(value, str) else ""
    match = _RATE.fullmatch(text)
    if match is None:
        return parse_number(value, RATE_ALLOWED)
    span = match[3].strip()
    period_s = DURATION_UNITS[span] if span in DURATION_UNITS else _span(span)
    return _finite(float(match[1] + (match[2] or "")) / period_s, RATE_ALLOWED)


def parse_percent(value: object) -> float:
    """A percentage from `80`, `80.0` or `80%`."""
    text = value.strip().removesuffix("%") if isinstance(value, str) else value
    return parse_number(text, PERCENT_ALLOWED)


def parse_number(value: object, allowed: str = NUMBER_ALLOWED) -> float:
    """A finite number; text that holds one counts, true and false do not."""
    if not _is_number(value) and not isinstance(value, str):
        raise ValueError(allowed)
    try:
        return _finite(float(value), allowed)
    except (ValueError, OverflowError):
        raise ValueError(allowed) from None


def parse_whole(value: object) -> int:
    """A whole number; 8.0 and "8" count, 8.5 and true do not."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = parse_number(value, WHOLE_ALLOWED)
    if number != int(number):
        raise ValueError(WHOLE_ALLOWED)
    return int(number)


def parse_switch(value: object) -> bool:
    """True or false, also as the words yes / no / on / off."""
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    raise ValueError(SWITCH_ALLOWED)


def parse_word(value: object) -> object:
    """The word `off` as it was meant: YAML reads it as false. Other values as they are."""
    return "off" if value is False else value


def parse_text(value: object) -> str:
    """Text; a path counts, a number does not."""
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if isinstance(value, str):
        return value
    raise ValueError(TEXT_ALLOWED)


def format_size(size_bytes: float) -> str:
    """`1.5 GB`, `100 MB`, `12 B`: at most three significant digits, powers of ten."""
    amount, unit = float(size_bytes), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(amount) < 999.5 or unit == "TB":
            break
        amount /= 1000
    digits = 0 if unit == "B" or abs(amount) >= 99.95 else 1
    return f"{amount:.{digits}f}".removesuffix(".0") + f" {unit}"


def format_duration(seconds: float) -> str:
    """`12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def format_count(count: int, noun: str) -> str:
    """`1 file`, `3 files`: a count with its noun, whose plural adds -s or, after -s, -es."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{count} {noun if count == 1 else plural}"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _finite(number: float, allowed: str) -> float:
    if not math.isfinite(number):
        raise ValueError(allowed)
    return number


def _span(text: str) -> float:
    seconds = parse_duration(text)
    if seconds <= 0:
        raise ValueError(RATE_ALLOWED)
    return seconds
