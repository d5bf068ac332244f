"""Parses one line from an app: a sample, or the reason why it is invalid."""

from __future__ import annotations

import math
import sys
from typing import cast

import msgspec

from profileapp.model.clock import parse_utc
from profileapp.model.series import MARKS, Kind, Series

NAME_LIMIT = 200
UNIT_LIMIT = 40
LABEL_LIMIT = 10
LABEL_TEXT_LIMIT = 200
RESERVED_PREFIXES = ("system.", "container.", "gpu.", "energy.", "tau.", "functions.", "profileapp.")

_KINDS = ("gauge", "counter", "timer", "phase", "event")

# Timestamps up to each limit are in s, ms, µs, ns: for the years 1973 to 5138 these ranges do not overlap.
_NO_TIMESTAMP = "a timestamp that is neither a number nor RFC 3339 with a time zone"
_TIMESTAMP_UNITS = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000), (1e20, 1))
NANOSECONDS_FROM, TIMESTAMPS_END = 10**17, 10**20
"""An integer from the first to below the second is a timestamp in nanoseconds."""


class InvalidSample(ValueError):
    """A line without a valid sample; the message is the reason, one of a few, without text from the app."""


class CustomSample(msgspec.Struct, frozen=True, gc=False):
    """A sample from an app; `wall_ns` is the app's timestamp in UTC ns since 1970, None if it sent none.

    `timestamp_fault` is the reason why the timestamp is invalid; the value is still valid.
    """

    series: Series
    value: float
    wall_ns: int | None
    timestamp_fault: str = ""


class _Line(msgspec.Struct):
    name: str
    value: float
    timestamp: msgspec.Raw = msgspec.Raw(b"null")
    meta: dict[str, str | int | float | bool | None] = {}


_decode = msgspec.json.Decoder(_Line).decode
_decode_any = msgspec.json.Decoder().decode


def parse_line(line: bytes) -> CustomSample:
    """Parses a line of the socket: `{"name": "fps", "value": 12.5, "timestamp": …, "meta": {"kind": …, "unit": …}}`.

    Unknown keys are ignored. Raises InvalidSample.
    """
    try:
        parsed = _decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidSample(_fault(line)) from error
    check_text(parsed.name, "a name", NAME_LIMIT)
    if not parsed.name:
        raise InvalidSample("an empty name")
    if parsed.name.startswith(RESERVED_PREFIXES):
        raise InvalidSample(f"a name that begins with {', '.join(RESERVED_PREFIXES[:-1])} or {RESERVED_PREFIXES[-1]}")
    series = _series(parsed)
    try:
        timestamp = _decode_any(parsed.timestamp)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Such as deeply nested lists.
        timestamp = ()
    return sample_of(series, parsed.value, timestamp)


def sample_of(series: Series, value: float, timestamp: object, *, allow_negative: bool = False) -> CustomSample:
    """A value of a known series, with the timestamp as the app wrote it. Raises InvalidSample.

    `allow_negative` allows negative values for other kinds than gauges, for which they are always allowed.
    """
    if not math.isfinite(value):
        raise InvalidSample("a value that is not finite")
    if value < 0 and series.kind != "gauge" and not allow_negative:
        raise InvalidSample(f"a {series.kind} below 0")
    try:
        return CustomSample(series, value, wall_ns_of(timestamp))
    except ValueError as fault:
        return CustomSample(series, value, None, str(fault))


def wall_ns_of(timestamp: object) -> int | None:
    """UTC nanoseconds since 1970 of a number (s, ms, µs or ns, by its magnitude) or an RFC 3339 string.

    None for None. Raises ValueError for anything else; its message is one of a few.
    """
    if timestamp is None:
        return None
    if isinstance(timestamp, str):
        try:
            return parse_utc(timestamp)
        except (ValueError, OverflowError) as error:
            raise ValueError(_NO_TIMESTAMP) from error
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
        raise ValueError(_NO_TIMESTAMP)
    if timestamp < 0:
        raise ValueError("a timestamp below 0, which would be before 1970")
    if not timestamp < TIMESTAMPS_END:
        raise ValueError("a timestamp beyond the year 5138, whatever its unit")
    return number_ns(timestamp)


def all_wall_ns_of(timestamps: list[object]) -> list[int] | None:
    """Like `wall_ns_of`, for several numbers; None if one of them is not a number, or not a valid timestamp."""
    kinds = set(map(type, timestamps))
    if not kinds <= {int, float}:
        return None
    numbers = cast(list[float], timestamps)
    first, last = min(numbers), max(numbers)
    if not 0 <= first <= last < TIMESTAMPS_END:
        return None
    if first >= NANOSECONDS_FROM and float not in kinds:
        return cast(list[int], timestamps)
    return [number_ns(number) for number in numbers]


def number_ns(timestamp: float) -> int:
    """UTC nanoseconds since 1970 of a number from 0 to below TIMESTAMPS_END: s, ms, µs or ns, by its magnitude."""
    factor = next(factor for limit, factor in _TIMESTAMP_UNITS if timestamp < limit)
    return timestamp * factor if isinstance(timestamp, int) else int(timestamp * factor)


def _series(parsed: _Line) -> Series:
    kind = "gauge"
    unit = ""
    labels = []
    for key, value in parsed.meta.items():
        text = value if isinstance(value, str) else "" if value is None else str(value).lower()
        if key == "kind":
            kind = text
        elif key == "unit":
            check_text(text, "a unit", UNIT_LIMIT)
            unit = text
        # The app may not choose the labels that profileapp itself sets.
        elif key != "metric":
            check_text(key, "a label", LABEL_TEXT_LIMIT)
            check_text(text, "a label", LABEL_TEXT_LIMIT)
            labels.append((key, text))
    if kind not in _KINDS:
        raise InvalidSample(f"a kind that is not {', '.join(_KINDS[:-1])} or {_KINDS[-1]}")
    if len(labels) > LABEL_LIMIT:
        raise InvalidSample(f"more than {LABEL_LIMIT} labels")
    if kind in MARKS:
        if parsed.value not in ((0, 1) if kind == "phase" else (1,)):
            raise InvalidSample("a phase whose value is not 1 (begins) or 0 (ends), or an event whose value is not 1")
        # Phases of one name are one phase, whatever their other labels.
        return Series(parsed.name, "", "custom", (), cast(Kind, kind))
    return Series(parsed.name, "s" if kind == "timer" else unit, "custom", tuple(sorted(labels)), cast(Kind, kind))


def check_text(text: str, what: str, limit: int) -> None:
    if len(text) > limit:
        raise InvalidSample(f"{what} of more than {limit} characters")
    # Control characters, line ends, lone surrogates, and marks that reverse or hide the text after them.
    if not text.isprintable():
        raise InvalidSample(f"{what} with characters that cannot be printed")


def _fault(line: bytes) -> str:
    """Why a line is invalid; only called for invalid lines, so it may be slow."""
    try:
        parsed = _decode_any(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return "not JSON, which has no NaN, no Infinity and no number beyond 1.8e308"
    if not isinstance(parsed, dict):
        return "not a JSON object"
    if not isinstance(parsed.get("name"), str):
        return "no name, or one that is not a string"
    value = parsed.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "no value, or one that is not a number"
    if not -sys.float_info.max <= value <= sys.float_info.max:
        return "a value that is not finite"
    return "a meta that is not an object of strings, numbers and booleans"
