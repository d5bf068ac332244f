"""Datagrams of statsd and DogStatsD: `fps:12.5|g|#camera:left`.

Sources: "Metric Types" of etsy/statsd (docs/metric_types.md) and Datadog's "DogStatsD Datagram Format", protocol 1.0 to
1.3: several values of one name, client timestamps (`|T1700000000`), container ids (`|c:`), which are passed over.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

import msgspec

from profileapp.collect.custom.gathered import Gathered, clear
from profileapp.collect.custom.line import (
    LABEL_LIMIT,
    LABEL_TEXT_LIMIT,
    NAME_LIMIT,
    RESERVED_PREFIXES,
    Refused,
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
_LINES_AT_ONCE = 1000
"""What is made of more no longer fits the processor's cache: each would take a quarter longer."""

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
        self._known: dict[tuple[bytes, bytes], Gathered] = {}

    def gather(self, block: bytes) -> Iterator[list[Gathered] | bytes]:
        """What lines in one piece say; nothing overtakes a line that is given as it is.

        Values of series that are known come gathered, to be taken before the next is asked for. Any other line is given
        as it is, for `parse`.
        """
        lines = [line for line in block.split(b"\n") if line]
        for start in range(0, len(lines), _LINES_AT_ONCE):
            some = lines[start : start + _LINES_AT_ONCE]
            waiting = self._gather_usual(some)
            try:
                if waiting:
                    yield waiting
                else:
                    yield from self._gather_mixed(some, waiting)
            finally:
                clear(waiting)

    def _gather_usual(self, lines: list[bytes]) -> list[Gathered]:
        """Where each line is one number of a known series; none where a line is anything else."""
        # A name may hold no colon; a tag may hold several.
        halves = [line.partition(b":") for line in lines]
        rests = [rest.partition(b"|") for _, _, rest in halves]
        keys = zip([name for name, _, _ in halves], [about for _, _, about in rests], strict=True)
        try:
            found = list(map(self._known.__getitem__, keys))
            # JSON's numbers are a part of those that float() takes, and are read many times as fast.
            numbers = _decode_numbers(b"[%b]" % b",".join([text for text, _, _ in rests]))
        except (KeyError, msgspec.DecodeError):
            return []
        # A comma in one would make two of it.
        if len(numbers) != len(found):
            return []
        deque(map(list.append, [gathered.values for gathered in found], numbers), maxlen=0)
        waiting = list(dict.fromkeys(found))
        for gathered in waiting:
            if gathered.factor != 1:
                gathered.values = [number * gathered.factor for number in gathered.values]
        return waiting

    def _gather_mixed(self, lines: list[bytes], waiting: list[Gathered]) -> Iterator[list[Gathered] | bytes]:
        """Line by line; `waiting` is to be cleared where this does not come to its end."""
        known = self._known
        for line in lines:
            name, _, rest = line.partition(b":")
            text, _, about = rest.partition(b"|")
            gathered = known.get((name, about))
            # float() also takes 1_000.
            if gathered is not None and b"_" not in text:
                try:
                    value = float(text)
                except ValueError:
                    pass
                else:
                    if not gathered.values:
                        waiting.append(gathered)
                    gathered.values.append(value * gathered.factor)
                    continue
            if waiting:
                yield waiting
                clear(waiting)
            yield line
        if waiting:
            yield waiting

    def parse(self, line: bytes) -> StatsdSample | StatsdEvent | None:
        """A line without its end; None where it is none of the app's metrics. Raises Refused."""
        if line.startswith(b"_"):
            special = _special(line)
            if special is not None or line.startswith(b"_sc|"):
                return special
        name, colon, rest = line.partition(b":")
        texts, bar, about = rest.partition(b"|")
        if not colon or not bar:
            raise Refused("neither a line of JSON nor one of statsd (name:value|type)")
        known = self._about(name, about)
        if known is None:
            return None
        series, word, factor, wall_ns = known
        if word in self._plain and wall_ns is None and len(about) <= _KNOWN_BYTES:
            if len(self._known) >= _KNOWN_LIMIT:
                self._known.clear()
            # A counter of statsd may also be told to go down.
            gathered = Gathered(series, factor, may_be_below_0=series.kind == "counter")
            self._known.setdefault((name, about), gathered)
        values = texts.split(b":", VALUES_LIMIT)
        if len(values) > VALUES_LIMIT:
            raise Refused(f"more than {VALUES_LIMIT} values in one line")
        if word == b"s":
            return StatsdSample(series, (), wall_ns, tuple(values))
        is_level = word == b"g" and self._signed_gauge_is_change
        is_change = is_level and texts[:1] in (b"+", b"-")
        numbers = tuple(_number(value, factor, series.kind) for value in values)
        return StatsdSample(series, numbers, wall_ns, (), is_level, is_change)

    def _about(self, name_bytes: bytes, about: bytes) -> tuple[Series, bytes, float, int | None] | None:
        """The series, the word of its type, what a value is multiplied by, and the client's time."""
        try:
            name = name_bytes.decode()
            word, *fields = about.split(b"|")
            kind = _KINDS.get(word)
            if kind is None:
                raise Refused("a type of statsd that is not g, c, ms, h, d or s")
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
            raise Refused("a line of statsd that is no UTF-8") from error
        if name.startswith(TELEMETRY_PREFIX):
            return None
        check_text(name, "a name", NAME_LIMIT)
        if not name:
            raise Refused("an empty name")
        if name.startswith(RESERVED_PREFIXES):
            raise Refused(f"a name that begins with {', '.join(RESERVED_PREFIXES[:-1])} or {RESERVED_PREFIXES[-1]}")
        factor = 1.0 / rate if kind == "counter" else 0.001 if kind == "timer" else 1.0
        return Series(name, "s" if kind == "timer" else "", "custom", labels, kind), word, factor, wall_ns


def _special(line: bytes) -> StatsdEvent | None:
    """An event; None for a service check, and for a metric whose name begins with an underscore."""
    if not line.startswith(b"_e{"):
        return None
    lengths, closing, rest = line[3:].partition(b"}:")
    length, comma, _ = lengths.partition(b",")
    if not closing or not comma or not length.isdigit() or len(length) > 6:
        raise Refused("an event that is not _e{LENGTH,LENGTH}:title|text")
    try:
        # Clients differ in whether they count bytes or characters; a title may hold bars, so its length must count.
        title = rest[: int(length)].decode()
    except UnicodeDecodeError as error:
        raise Refused("a line of statsd that is no UTF-8") from error
    check_text(title, "an event's title", NAME_LIMIT)
    if not title:
        raise Refused("an event without a title")
    return StatsdEvent(title)


def _number(text: bytes, factor: float, kind: Kind) -> float:
    try:
        # float() also takes 1_000 and spaces around a number.
        value = float(text) * factor if b"_" not in text else math.nan
    except ValueError as error:
        raise Refused("a value of statsd that is not a number") from error
    if not math.isfinite(value):
        raise Refused("a value that is not finite")
    if value < 0 and kind == "timer":
        raise Refused("a timer below 0")
    return value


def _rate(text: bytes) -> float:
    try:
        rate = float(text)
    except ValueError as error:
        raise Refused("a sample rate that is not a number") from error
    if not 1e-9 <= rate <= 1:
        raise Refused("a sample rate that is not between 0 and 1")
    return rate


def _seconds(text: bytes) -> int:
    if not text.isdigit() or len(text) > 11:
        raise Refused("a timestamp of statsd that is not in whole seconds since 1970")
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
        raise Refused(f"more than {LABEL_LIMIT} labels")
    return tuple(sorted(labels.items()))
