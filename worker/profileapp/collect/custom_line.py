"""One line that an app sent: a sample, or the reason why it is none."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Literal

import msgspec

from profileapp.model.clock import parse_utc
from profileapp.model.series import Kind, Series

NAME_LIMIT = 200
LABEL_LIMIT = 10
LABEL_TEXT_LIMIT = 200
RESERVED_PREFIXES = ("system.", "container.", "gpu.", "energy.", "tau.", "functions.", "profileapp.")
PLAUSIBLE_NS = timedelta(hours=1) // timedelta(microseconds=1) * 1000
"""A timestamp further than this from the profiler's own clock is not believed."""


class Refused(ValueError):
    """A line that gives no sample; the text is the reason, the same for all lines of its sort."""


class CustomSample(msgspec.Struct, frozen=True):
    """What an app says: `wall_ns` is its own timestamp in UTC nanoseconds since 1970, None where it gave none."""

    series: Series
    value: float
    wall_ns: int | None


class _Line(msgspec.Struct):
    name: str
    value: float
    timestamp: int | float | str | None = None
    meta: dict[str, str | int | float | bool | None] = {}


_decode = msgspec.json.Decoder(_Line).decode


def parse_line(line: bytes) -> CustomSample:
    """A line of the socket: `{"name": "fps", "value": 12.5, "timestamp": …, "meta": {"kind": …, "unit": …}}`.

    Raises Refused.
    """
    try:
        said = _decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused("not a JSON object with a name and a number as value") from error
    if not math.isfinite(said.value):
        raise Refused("a value that is not finite")
    _check_text(said.name, "name", NAME_LIMIT)
    if not said.name or said.name.startswith(RESERVED_PREFIXES):
        raise Refused(f"an empty name, or one that begins with {', '.join(RESERVED_PREFIXES)}")
    return CustomSample(_series(said), said.value, _wall_ns(said.timestamp))


def _series(said: _Line) -> Series:
    kind: Kind = "gauge"
    unit = ""
    labels = []
    if len(said.meta) > LABEL_LIMIT + 2:
        raise Refused(f"more than {LABEL_LIMIT} labels")
    for key, value in said.meta.items():
        text = value if isinstance(value, str) else "" if value is None else str(value).lower()
        _check_text(key, "label", LABEL_TEXT_LIMIT)
        _check_text(text, "label", LABEL_TEXT_LIMIT)
        if key == "kind":
            kind = _kind(text)
        elif key == "unit":
            unit = text
        elif key != "metric":
            labels.append((key, text))
    if kind == "counter" and said.value < 0:
        raise Refused("a counter that goes down")
    return Series(said.name, unit or ("s" if kind == "timer" else ""), "custom", tuple(sorted(labels)), kind)


def _kind(text: str) -> Kind:
    kinds: dict[str, Literal["gauge", "counter", "timer"]] = {"gauge": "gauge", "counter": "counter", "timer": "timer"}
    try:
        return kinds[text]
    except KeyError:
        raise Refused("a kind that is not gauge, counter or timer") from None


def _check_text(text: str, what: str, limit: int) -> None:
    if len(text) > limit:
        raise Refused(f"a {what} of more than {limit} characters")
    if not text.isprintable():
        raise Refused(f"a {what} with control characters")


def _wall_ns(timestamp: int | float | str | None) -> int | None:
    """Seconds, milliseconds, microseconds and nanoseconds are told apart by magnitude (of the years 1973 to 5138)."""
    if timestamp is None:
        return None
    if isinstance(timestamp, str):
        try:
            return parse_utc(timestamp)
        except (ValueError, OverflowError):
            raise Refused("a timestamp that is neither a number nor RFC 3339 with a time zone") from None
    if not math.isfinite(timestamp) or timestamp < 0:
        raise Refused("a timestamp that is negative or not finite")
    for limit, factor in ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000), (1e20, 1)):
        if timestamp < limit:
            return int(timestamp * factor)
    raise Refused("a timestamp too far in the future")
