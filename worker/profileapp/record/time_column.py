"""Parses the times of `metrics.ndjson`: one, or those of many lines at once."""

from __future__ import annotations

import msgspec

from profileapp.model.clock import parse_utc

TIME_LETTERS = 29
"""The length of MetricsWriter's times without the Z: `2026-11-23T12:27:25.123456789`."""

_MINUTE_LETTERS = 17
_POINT_AT = 19
_SAME_IN_A_MINUTE = (_POINT_AT, *range(_MINUTE_LETTERS - 1, -1, -1))
"""From the back, where a difference is most likely."""
_DIGITS_AT = (17, 18, *range(20, TIME_LETTERS))
_ROW = b"1" + b"." * len(_DIGITS_AT) + b","
_FIRST = 10 ** len(_DIGITS_AT)
"""What the 1 in front of each number adds to it: no number of JSON begins with 0."""
_MINUTE_NS = 60 * 10**9

_decode = msgspec.json.Decoder(list[int]).decode


def time_of(timestamp: str) -> int:
    """UTC nanoseconds since 1970 of an RFC 3339 time. Raises ValueError if it is invalid or out of range."""
    return _in_range(parse_utc(timestamp))


def times_of(texts: list[bytes]) -> list[int]:
    """UTC nanoseconds since 1970 of at least one time, of TIME_LETTERS each.

    Lines are nearly in order of time, so many have the same minute: the text after it is read as one list
    of numbers, put together a column of digits at a time. Raises ValueError where one is no such time, or out of range.
    """
    count = len(texts)
    joined = b"".join(texts)
    if len(joined) != count * TIME_LETTERS:
        raise ValueError("a truncated time")
    for at in _SAME_IN_A_MINUTE:
        if joined[at::TIME_LETTERS] != joined[at : at + 1] * count:
            half = count // 2
            return times_of(texts[:half]) + times_of(texts[half:])
    rows = bytearray(_ROW * count)
    for place, at in enumerate(_DIGITS_AT, start=1):
        digits = joined[at::TIME_LETTERS]
        if not digits.isdigit():
            raise ValueError("an invalid time")
        rows[place :: len(_ROW)] = digits
    has_long_minute = bool(rows[1 :: len(_ROW)].translate(None, b"012345"))
    if has_long_minute or joined[_POINT_AT] != ord("."):
        raise ValueError("an invalid time")
    rows[-1:] = b"]"
    minute_ns = _in_range(parse_utc(f"{joined[:_MINUTE_LETTERS].decode('ascii')}00.000000000Z"))
    _in_range(minute_ns + _MINUTE_NS)
    return list(map((minute_ns - _FIRST).__add__, _decode(b"[" + rows)))


def _in_range(time_ns: int) -> int:
    if not 0 <= time_ns < 2**62:
        raise ValueError("a time before 1970 or after 2116")
    return time_ns
