"""Parses datagrams of statsd and DogStatsD: `fps:12.5|g|#camera:left`.

Sources: "Metric Types" of etsy/statsd (docs/metric_types.md) and Datadog's "DogStatsD Datagram Format", protocol 1.0 to
1.3: several values of one name, client timestamps (`|T1700000000`), container ids (`|c:`), which are ignored.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator

import msgspec

from profileapp.collect.custom.batch import Batch, SeriesValues, clear
from profileapp.collect.custom.line import (
    LABEL_LIMIT,
    LABEL_TEXT_LIMIT,
    NAME_LIMIT,
    RESERVED_PREFIXES,
    InvalidSample,
    check_text,
)
from profileapp.model.series import Kind, Series

VALUES_LIMIT = 10_000
"""Limit of values of one name in one line."""
TELEMETRY_PREFIX = "datadog.dogstatsd.client."
"""Telemetry of Datadog's clients themselves, not a metric of the app."""

_KINDS: dict[bytes, Kind] = {
    b"g": "gauge",
    b"c": "counter",
    b"ms": "timer",
    b"h": "gauge",
    b"d": "gauge",
    b"s": "gauge",
}
_KNOWN_LIMIT = 4096
_KNOWN_BYTES = 1024
_PART_BYTES = 32 * 1024
"""Lines that are parsed one by one if one of them has an unusual format."""
_PLACEHOLDER = b"\0"
"""Placeholder for the number in a line whose other parts are known."""

_split_at_numbers = re.compile(rb":([0-9.eE+-]+)\|").split
_decode_numbers = msgspec.json.Decoder(list[float]).decode


class StatsdSample(msgspec.Struct, frozen=True, gc=False):
    """The values of one line, ready to ingest.

    Values of a timer are in seconds, those of a counter are corrected for the sample rate. `members` are those of a
    set, which has no values. `wall_ns` is the client's time in UTC nanoseconds since 1970, None if it sent none.
    `is_level`: the gauge has this value until it is changed; `is_change`: the values are added to the gauge's value.
    """

    series: Series
    values: tuple[float, ...]
    wall_ns: int | None = None
    members: tuple[bytes, ...] = ()
    is_level: bool = False
    is_change: bool = False


class StatsdEvent(msgspec.Struct, frozen=True):
    """An event in DogStatsD's format `_e{5,4}:title|text`."""

    title: str


class StatsdParser:
    """Parses lines, many at once if they have the usual format; the text around the values is parsed once.

    `signed_gauge_is_change`: in statsd, `+5|g` and `-5|g` change a gauge by this amount. DogStatsD has no changes: its
    `-5|g` is a value below 0.
    """

    def __init__(self, *, signed_gauge_is_change: bool) -> None:
        self._signed_gauge_is_change = signed_gauge_is_change
        # For these types the value is absolute: neither a change nor the base of a change.
        self._plain = {b"c", b"ms", b"h", b"d"} | ({b"g"} if not signed_gauge_is_change else set())
        self._known: dict[bytes, SeriesValues] = {}
        self._of_series: dict[Series, SeriesValues] = {}
        """Different spellings of a series share one batch: else the order of its values would be lost."""

    def parse_batch(self, block: bytes) -> Iterator[Batch]:
        """Parses a block of lines, in order: an unparsed line never overtakes others, nor is it overtaken.

        Yields the values of known series, to be ingested before the next batch is requested, and any other line by
        itself, for `parse`.
        """
        waiting: list[SeriesValues] = []
        try:
            for part in _parts(block):
                if not self._parse_usual(part, waiting):
                    yield from self._parse_mixed(part, waiting)
            if waiting:
                yield Batch(_with_factors_applied(waiting))
        finally:
            clear(waiting)

    def _parse_usual(self, part: bytes, waiting: list[SeriesValues]) -> bool:
        """Parses lines that each have one number of a known series; False, without any effect, for anything else."""
        pieces = _split_at_numbers(part)
        try:
            found = list(map(self._known.__getitem__, _PLACEHOLDER.join(pieces[::2]).split(b"\n")))
            # JSON numbers are a subset of float()'s, and their parser is many times faster.
            numbers = _decode_numbers(b"[%b]" % b",".join(pieces[1::2]))
        except (KeyError, msgspec.DecodeError):
            return False
        # Each known key has one placeholder: with as many numbers as lines, each line has exactly one.
        if len(numbers) != len(found):
            return False
        waiting += [collected for collected in dict.fromkeys(found) if not collected.values]
        deque(map(list.append, [collected.values for collected in found], numbers), maxlen=0)
        return True

    def _parse_mixed(self, part: bytes, waiting: list[SeriesValues]) -> Iterator[Batch]:
        """Parses line by line, after the values that are already waiting."""
        for line in part.split(b"\n"):
            if not line:
                continue
            name, _, rest = line.partition(b":")
            text, _, about = rest.partition(b"|")
            collected = self._known.get(name + _PLACEHOLDER + about)
            # float() also accepts 1_000.
            if collected is not None and b"_" not in text:
                try:
                    value = float(text)
                except ValueError:
                    pass
                else:
                    if not collected.values:
                        waiting.append(collected)
                    collected.values.append(value)
                    continue
            if waiting:
                yield Batch(_with_factors_applied(waiting))
                clear(waiting)
            yield Batch(line=line)

    def parse(self, line: bytes) -> StatsdSample | StatsdEvent | None:
        """Parses a line without its line end; None if it is not a metric of the app. Raises InvalidSample."""
        if line.startswith(b"_"):
            special = _special(line)
            if special is not None or line.startswith(b"_sc|"):
                return special
        name, colon, rest = line.partition(b":")
        texts, bar, about = rest.partition(b"|")
        if not colon or not bar:
            raise InvalidSample("neither a line of JSON nor one of statsd (name:value|type)")
        known = self._parse_type(name, about)
        if known is None:
            return None
        series, word, factor, wall_ns = known
        if word in self._plain and wall_ns is None and len(about) <= _KNOWN_BYTES:
            self._remember(name + _PLACEHOLDER + about, series, factor)
        values = texts.split(b":", VALUES_LIMIT)
        if len(values) > VALUES_LIMIT:
            raise InvalidSample(f"more than {VALUES_LIMIT} values in one line")
        if word == b"s":
            return StatsdSample(series, (), wall_ns, tuple(values))
        is_level = word == b"g" and self._signed_gauge_is_change
        is_change = is_level and texts[:1] in (b"+", b"-")
        numbers = tuple(_number(value, factor, series.kind) for value in values)
        return StatsdSample(series, numbers, wall_ns, (), is_level, is_change)

    def _remember(self, key: bytes, series: Series, factor: float) -> None:
        if len(self._known) >= _KNOWN_LIMIT:
            self._known.clear()
            self._of_series.clear()
        collected = self._of_series.get(series)
        if collected is None:
            # A statsd counter may also decrease.
            collected = SeriesValues(series, factor, allow_negative=series.kind == "counter")
        if key.count(_PLACEHOLDER) == 1 and collected.factor == factor:
            self._of_series[series] = self._known[key] = collected

    def _parse_type(self, name_bytes: bytes, about: bytes) -> tuple[Series, bytes, float, int | None] | None:
        """The series, its statsd type, the factor of its values, and the client's time."""
        try:
            name = name_bytes.decode()
            word, *fields = about.split(b"|")
            kind = _KINDS.get(word)
            if kind is None:
                raise InvalidSample("a type of statsd that is not g, c, ms, h, d or s")
            rate, wall_ns = 1.0, None
            labels: tuple[tuple[str, str], ...] = ()
            for field in fields:
                if field.startswith(b"@"):
                    rate = _rate(field[1:])
                elif field.startswith(b"#"):
                    labels = _labels(field[1:].decode())
                elif field.startswith(b"T"):
                    wall_ns = _seconds(field[1:]) * 1_000_000_000
        except UnicodeDecodeError as error:
            raise InvalidSample("a line of statsd that is not valid UTF-8") from error
        if name.startswith(TELEMETRY_PREFIX):
            return None
        check_text(name, "a name", NAME_LIMIT)
        if not name:
            raise InvalidSample("an empty name")
        if name.startswith(RESERVED_PREFIXES):
            raise InvalidSample(
                f"a name that begins with {', '.join(RESERVED_PREFIXES[:-1])} or {RESERVED_PREFIXES[-1]}"
            )
        factor = 1.0 / rate if kind == "counter" else 0.001 if kind == "timer" else 1.0
        return Series(name, "s" if kind == "timer" else "", "custom", labels, kind), word, factor, wall_ns


def _parts(block: bytes) -> Iterator[bytes]:
    """Blocks of complete lines, without the empty lines that clients send between datagrams."""
    if b"\n\n" in block:
        block = block.replace(b"\n\n", b"\n")
    block = block.strip(b"\n")
    start = 0
    while start < len(block):
        end = block.find(b"\n", start + _PART_BYTES)
        end = len(block) if end < 0 else end
        yield block[start:end]
        start = end + 1


def _with_factors_applied(waiting: list[SeriesValues]) -> list[SeriesValues]:
    """The series with their factors applied to their values."""
    for collected in waiting:
        if collected.factor != 1:
            collected.values = [value * collected.factor for value in collected.values]
    return waiting


def _special(line: bytes) -> StatsdEvent | None:
    """Parses an event; None for a service check, and for a metric whose name begins with an underscore."""
    if not line.startswith(b"_e{"):
        return None
    lengths, closing, rest = line[3:].partition(b"}:")
    length, comma, _ = lengths.partition(b",")
    if not closing or not comma or not length.isdigit() or len(length) > 6:
        raise InvalidSample("an event that is not _e{LENGTH,LENGTH}:title|text")
    try:
        # Clients count bytes or characters; a title may contain bars, so its length is needed.
        title = rest[: int(length)].decode()
    except UnicodeDecodeError as error:
        raise InvalidSample("a line of statsd that is not valid UTF-8") from error
    check_text(title, "an event's title", NAME_LIMIT)
    if not title:
        raise InvalidSample("an event without a title")
    return StatsdEvent(title)


def _number(text: bytes, factor: float, kind: Kind) -> float:
    try:
        # float() also accepts 1_000 and spaces around a number.
        value = float(text) * factor if b"_" not in text else math.nan
    except ValueError as error:
        raise InvalidSample("a value of statsd that is not a number") from error
    if not math.isfinite(value):
        raise InvalidSample("a value that is not finite")
    if value < 0 and kind == "timer":
        raise InvalidSample("a timer below 0")
    return value


def _rate(text: bytes) -> float:
    try:
        rate = float(text)
    except ValueError as error:
        raise InvalidSample("a sample rate that is not a number") from error
    if not 1e-9 <= rate <= 1:
        raise InvalidSample("a sample rate that is not between 0 and 1")
    return rate


def _seconds(text: bytes) -> int:
    if not text.isdigit() or len(text) > 11:
        raise InvalidSample("a timestamp of statsd that is not in whole seconds since 1970")
    return int(text)


def _labels(text: str) -> tuple[tuple[str, str], ...]:
    """Labels from `camera:left,night`; a tag without a value is its own value."""
    labels: dict[str, str] = {}
    for tag in text.split(","):
        key, colon, value = tag.partition(":")
        if not key:
            continue
        check_text(key, "a label", LABEL_TEXT_LIMIT)
        check_text(value, "a label", LABEL_TEXT_LIMIT)
        # The app may not choose the labels that profileapp itself sets.
        if key not in ("metric", "unit", "kind"):
            labels[key] = value if colon else key
    if len(labels) > LABEL_LIMIT:
        raise InvalidSample(f"more than {LABEL_LIMIT} labels")
    return tuple(sorted(labels.items()))
