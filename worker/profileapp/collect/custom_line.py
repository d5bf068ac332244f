"""One line that an app sent: a sample, or the reason why it is none."""

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

# Up to each limit a timestamp is in seconds, ms, µs, ns: of the years 1973 to 5138 each is in a range of its own.
_TIMESTAMP_UNITS = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000), (1e20, 1))
_NANOSECONDS_FROM, _TIMESTAMPS_END = 10**17, 10**20


class Refused(ValueError):
    """A line that gives no sample; the text is the reason, one of a few, without anything the app said."""


class CustomSample(msgspec.Struct, frozen=True, gc=False):
    """What an app says: `wall_ns` is its own timestamp in UTC nanoseconds since 1970, None where it gave none.

    `timestamp_fault` says why a timestamp that it gave is none; the value is good all the same.
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


class _Usual(msgspec.Struct, gc=False):
    """A line of which `meta`, which repeats, is left as it is written."""

    name: str
    value: float
    timestamp: int | float | str | None = None
    meta: msgspec.Raw = msgspec.Raw(b"{}")


_decode = msgspec.json.Decoder(_Line).decode
_decode_usual = msgspec.json.Decoder(_Usual).decode
_decode_any = msgspec.json.Decoder().decode


class LineParser:
    """Parses lines as `parse_line` does; what names the series, which repeats, is parsed once."""

    KNOWN_LIMIT = 4096
    KNOWN_META_BYTES = 1024

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], Series] = {}

    def parse(self, line: bytes) -> CustomSample:
        """A line of the socket. Raises Refused."""
        try:
            said = _decode_usual(line)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            # It says what is wrong, and takes a value whose timestamp is none.
            return parse_line(line)
        key = (said.name, bytes(said.meta))
        series = self._known.get(key)
        value, timestamp = said.value, said.timestamp
        if series is None or not math.isfinite(value) or (value < 0 and series.kind != "gauge"):
            sample = parse_line(line)
            if sample.series.kind not in MARKS and len(key[1]) <= self.KNOWN_META_BYTES:
                if len(self._known) >= self.KNOWN_LIMIT:
                    self._known.clear()
                self._known[key] = sample.series
            return sample
        if timestamp is None or (type(timestamp) is int and _NANOSECONDS_FROM <= timestamp < _TIMESTAMPS_END):
            return CustomSample(series, value, timestamp)
        return parse_line(line)


def parse_line(line: bytes) -> CustomSample:
    """A line of the socket: `{"name": "fps", "value": 12.5, "timestamp": …, "meta": {"kind": …, "unit": …}}`.

    Keys it does not know are passed over. Raises Refused.
    """
    try:
        said = _decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(_fault(line)) from error
    if not math.isfinite(said.value):
        raise Refused("a value that is not finite")
    check_text(said.name, "a name", NAME_LIMIT)
    if not said.name:
        raise Refused("an empty name")
    if said.name.startswith(RESERVED_PREFIXES):
        raise Refused(f"a name that begins with {', '.join(RESERVED_PREFIXES[:-1])} or {RESERVED_PREFIXES[-1]}")
    series = _series(said)
    try:
        return CustomSample(series, said.value, wall_ns_of(bytes(said.timestamp)))
    except ValueError:
        return CustomSample(
            series, said.value, None, "a timestamp that is neither a number nor RFC 3339 with a time zone"
        )


def wall_ns_of(timestamp: bytes) -> int | None:
    """UTC nanoseconds since 1970 of a JSON number (s, ms, µs or ns, told apart by magnitude) or RFC 3339 text.

    None for `null`. Raises ValueError for anything else.
    """
    try:
        said = _decode_any(timestamp)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError("no JSON") from error
    if said is None:
        return None
    if isinstance(said, str):
        try:
            return parse_utc(said)
        except OverflowError as error:
            raise ValueError("no such year") from error
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said < _TIMESTAMP_UNITS[-1][0]:
        raise ValueError("no timestamp")
    factor = next(factor for limit, factor in _TIMESTAMP_UNITS if said < limit)
    return said * factor if isinstance(said, int) else int(said * factor)


def _series(said: _Line) -> Series:
    kind = "gauge"
    unit = ""
    labels = []
    for key, value in said.meta.items():
        text = value if isinstance(value, str) else "" if value is None else str(value).lower()
        if key == "kind":
            kind = text
        elif key == "unit":
            check_text(text, "a unit", UNIT_LIMIT)
            unit = text
        # Where a sample is filed under is not for the app to say.
        elif key != "metric":
            check_text(key, "a label", LABEL_TEXT_LIMIT)
            check_text(text, "a label", LABEL_TEXT_LIMIT)
            labels.append((key, text))
    if kind not in _KINDS:
        raise Refused(f"a kind that is not {', '.join(_KINDS[:-1])} or {_KINDS[-1]}")
    if len(labels) > LABEL_LIMIT:
        raise Refused(f"more than {LABEL_LIMIT} labels")
    if kind != "gauge" and said.value < 0:
        raise Refused(f"a {kind} below 0")
    if kind in MARKS:
        if said.value not in ((0, 1) if kind == "phase" else (1,)):
            raise Refused("a phase whose value is not 1 (begins) or 0 (ends), or an event whose value is not 1")
        # Phases of one name are one phase, whatever labels stand beside it.
        return Series(said.name, "", "custom", (), cast(Kind, kind))
    return Series(said.name, "s" if kind == "timer" else unit, "custom", tuple(sorted(labels)), cast(Kind, kind))


def check_text(text: str, what: str, limit: int) -> None:
    if len(text) > limit:
        raise Refused(f"{what} of more than {limit} characters")
    # Control characters, line ends, lone surrogates, and marks that turn or hide what stands behind them.
    if not text.isprintable():
        raise Refused(f"{what} with characters that cannot be printed")


def _fault(line: bytes) -> str:
    """Why a line is no sample; only asked for lines that are none, so it may take its time."""
    try:
        said = _decode_any(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return "not JSON, which knows no NaN, no Infinity and no number beyond 1.8e308"
    if not isinstance(said, dict):
        return "not a JSON object"
    if not isinstance(said.get("name"), str):
        return "no name, or one that is not a text"
    value = said.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "no value, or one that is not a number"
    if not -sys.float_info.max <= value <= sys.float_info.max:
        return "a value that is not finite"
    return "a meta that is not an object of texts, numbers and truth values"
