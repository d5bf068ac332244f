"""Datagrams of statsd and DogStatsD: `fps:12.5|g|#camera:left`.

Sources: "Metric Types" of etsy/statsd (docs/metric_types.md) and Datadog's "DogStatsD Datagram Format", protocol 1.0 to
1.3: several values of one name, client timestamps (`|T1700000000`), container ids (`|c:`), which are passed over.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator

import msgspec

from profileapp.collect.custom.batch import Batch, clear
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
"""Values of one name in one line."""
TELEMETRY_PREFIX = "datadog.dogstatsd.client."
"""What Datadog's clients say of themselves; no metric of the app."""

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
"""Lines that are taken one by one where one of them is not a usual one."""
_HOLE = b"\0"
"""Stands for the number in a line of which all else is known."""

_split_at_numbers = re.compile(rb":([0-9.eE+-]+)\|").split
_decode_numbers = msgspec.json.Decoder(list[float]).decode


class StatsdSample(msgspec.Struct, frozen=True, gc=False):
    """The values of one line, as they are to be taken.

    Values of a timer are in seconds, those of a counter have the sample rate worked in. `members` are those of a set,
    which has no values. `wall_ns` is the client's own time in UTC nanoseconds since 1970, None where it gave none.
    `is_level`: the gauge is at this value until it is said to change; `is_change`: the values are added to what it was.
    """

    series: Series
    values: tuple[float, ...]
    wall_ns: int | None = None
    members: tuple[bytes, ...] = ()
    is_level: bool = False
    is_change: bool = False


class StatsdEvent(msgspec.Struct, frozen=True):
    """Something that happened, by DogStatsD's `_e{5,4}:title|text`."""

    title: str


class StatsdParser:
    """Parses lines, many at once where they are the usual ones; what stands around the values is parsed once.

    `signed_gauge_is_change`: as statsd has it, `+5|g` and `-5|g` change a gauge by so much. DogStatsD knows no changes,
    its `-5|g` is a value below 0.
    """

    def __init__(self, *, signed_gauge_is_change: bool) -> None:
        self._signed_gauge_is_change = signed_gauge_is_change
        # A value of these is all there is to take: neither a change, nor what a change is of.
        self._plain = {b"c", b"ms", b"h", b"d"} | ({b"g"} if not signed_gauge_is_change else set())
        self._known: dict[bytes, Batch] = {}
        self._of_series: dict[Series, Batch] = {}
        """Ways to write the same series share what is gathered: else the order of its values would be lost."""

    def parse_batch(self, block: bytes) -> Iterator[list[Batch] | bytes]:
        """What lines in one piece say; nothing overtakes a line that is given as it is.

        Values of series that are known come gathered, to be taken before the next is asked for. Any other line is given
        as it is, for `parse`.
        """
        waiting: list[Batch] = []
        try:
            for part in _parts(block):
                if not self._parse_usual(part, waiting):
                    yield from self._parse_mixed(part, waiting)
            if waiting:
                yield _worked_in(waiting)
        finally:
            clear(waiting)

    def _parse_usual(self, part: bytes, waiting: list[Batch]) -> bool:
        """Where each line is one number of a known series; False, and nothing done, where one is anything else."""
        pieces = _split_at_numbers(part)
        try:
            found = list(map(self._known.__getitem__, _HOLE.join(pieces[::2]).split(b"\n")))
            # JSON's numbers are a part of those that float() takes, and are read many times as fast.
            numbers = _decode_numbers(b"[%b]" % b",".join(pieces[1::2]))
        except (KeyError, msgspec.DecodeError):
            return False
        # What is known has one hole: where there are as many numbers as lines, each is in the hole of its own line.
        if len(numbers) != len(found):
            return False
        waiting += [collected for collected in dict.fromkeys(found) if not collected.values]
        deque(map(list.append, [collected.values for collected in found], numbers), maxlen=0)
        return True

    def _parse_mixed(self, part: bytes, waiting: list[Batch]) -> Iterator[list[Batch] | bytes]:
        """Line by line, behind those that are waiting already."""
        for line in part.split(b"\n"):
            if not line:
                continue
            name, _, rest = line.partition(b":")
            text, _, about = rest.partition(b"|")
            collected = self._known.get(name + _HOLE + about)
            # float() also takes 1_000.
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
                yield _worked_in(waiting)
                clear(waiting)
            yield line

    def parse(self, line: bytes) -> StatsdSample | StatsdEvent | None:
        """A line without its end; None where it is none of the app's metrics. Raises Refused."""
        if line.startswith(b"_"):
            special = _special(line)
            if special is not None or line.startswith(b"_sc|"):
                return special
        name, colon, rest = line.partition(b":")
        texts, bar, about = rest.partition(b"|")
        if not colon or not bar:
            raise InvalidSample("neither a line of JSON nor one of statsd (name:value|type)")
        known = self._about(name, about)
        if known is None:
            return None
        series, word, factor, wall_ns = known
        if word in self._plain and wall_ns is None and len(about) <= _KNOWN_BYTES:
            self._know(name + _HOLE + about, series, factor)
        values = texts.split(b":", VALUES_LIMIT)
        if len(values) > VALUES_LIMIT:
            raise InvalidSample(f"more than {VALUES_LIMIT} values in one line")
        if word == b"s":
            return StatsdSample(series, (), wall_ns, tuple(values))
        is_level = word == b"g" and self._signed_gauge_is_change
        is_change = is_level and texts[:1] in (b"+", b"-")
        numbers = tuple(_number(value, factor, series.kind) for value in values)
        return StatsdSample(series, numbers, wall_ns, (), is_level, is_change)

    def _know(self, key: bytes, series: Series, factor: float) -> None:
        if len(self._known) >= _KNOWN_LIMIT:
            self._known.clear()
            self._of_series.clear()
        collected = self._of_series.get(series)
        if collected is None:
            # A counter of statsd may also be told to go down.
            collected = Batch(series, factor, may_be_below_0=series.kind == "counter")
        if key.count(_HOLE) == 1 and collected.factor == factor:
            self._of_series[series] = self._known[key] = collected

    def _about(self, name_bytes: bytes, about: bytes) -> tuple[Series, bytes, float, int | None] | None:
        """The series, the word of its type, what a value is multiplied by, and the client's time."""
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
            raise InvalidSample("a line of statsd that is no UTF-8") from error
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
    """Whole lines, a number at a time, without the empty ones that clients leave between datagrams."""
    if b"\n\n" in block:
        block = block.replace(b"\n\n", b"\n")
    block = block.strip(b"\n")
    start = 0
    while start < len(block):
        end = block.find(b"\n", start + _PART_BYTES)
        end = len(block) if end < 0 else end
        yield block[start:end]
        start = end + 1


def _worked_in(waiting: list[Batch]) -> list[Batch]:
    """With their factors in the values."""
    for collected in waiting:
        if collected.factor != 1:
            collected.values = [value * collected.factor for value in collected.values]
    return waiting


def _special(line: bytes) -> StatsdEvent | None:
    """An event; None for a service check, and for a metric whose name begins with an underscore."""
    if not line.startswith(b"_e{"):
        return None
    lengths, closing, rest = line[3:].partition(b"}:")
    length, comma, _ = lengths.partition(b",")
    if not closing or not comma or not length.isdigit() or len(length) > 6:
        raise InvalidSample("an event that is not _e{LENGTH,LENGTH}:title|text")
    try:
        # Clients differ in whether they count bytes or characters; a title may hold bars, so its length must count.
        title = rest[: int(length)].decode()
    except UnicodeDecodeError as error:
        raise InvalidSample("a line of statsd that is no UTF-8") from error
    check_text(title, "an event's title", NAME_LIMIT)
    if not title:
        raise InvalidSample("an event without a title")
    return StatsdEvent(title)


def _number(text: bytes, factor: float, kind: Kind) -> float:
    try:
        # float() also takes 1_000 and spaces around a number.
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
    """`camera:left,night` as labels; a tag without a value is its own."""
    labels: dict[str, str] = {}
    for tag in text.split(","):
        key, colon, value = tag.partition(":")
        if not key:
            continue
        check_text(key, "a label", LABEL_TEXT_LIMIT)
        check_text(value, "a label", LABEL_TEXT_LIMIT)
        # Where a sample is filed under is not for the app to say.
        if key not in ("metric", "unit", "kind"):
            labels[key] = value if colon else key
    if len(labels) > LABEL_LIMIT:
        raise InvalidSample(f"more than {LABEL_LIMIT} labels")
    return tuple(sorted(labels.items()))
