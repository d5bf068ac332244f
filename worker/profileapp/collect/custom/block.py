"""Parses many lines of JSON from an app at once."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from profileapp.collect.custom.batch import Batch, SeriesValues, clear, lines_by_themselves
from profileapp.collect.custom.line import CustomSample, parse_line
from profileapp.collect.line_splitter import lines_of
from profileapp.model.series import MARKS, Series


class _SeriesKey(msgspec.Struct, gc=False):
    """The part of a line that identifies the series; `meta`, which repeats, is left unparsed."""

    name: str
    meta: msgspec.Raw = msgspec.Raw(b"{}")


class _UsualLine(msgspec.Struct, gc=False):
    """The format of most lines."""

    name: str
    value: float
    timestamp: int | float | str | None = None
    meta: msgspec.Raw = msgspec.Raw(b"{}")


_NOTHING: tuple[msgspec.Raw, SeriesValues | None] = (msgspec.Raw(b""), None)
_decode_name = msgspec.json.Decoder(_SeriesKey).decode
_decode_all_usual = msgspec.json.Decoder(_UsualLine).decode_lines


class LineParser:
    """Parses lines, many at once if they have the usual format; the series, which repeats, is parsed once.

    The functions of `line` define what a line means; this class only does the same faster.
    """

    KNOWN_LIMIT = 4096
    KNOWN_META_BYTES = 1024

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], SeriesValues] = {}
        self._of_series: dict[Series, SeriesValues] = {}
        """Different spellings of a series share one batch: else the order of its values would be lost."""
        self._last: dict[str, tuple[msgspec.Raw, SeriesValues]] = {}
        """The last line of each name: comparing two byte strings is cheaper than looking up a pair."""

    def parse_batch(self, block: bytes) -> Iterator[Batch]:
        """Parses a block of complete lines, in order: an unparsed line never overtakes others, nor is it overtaken.

        Yields the values of known series, to be ingested before the next batch is requested, and any other line by
        itself, for `parse`.
        """
        try:
            parsed = _decode_all_usual(block)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            yield from lines_by_themselves(lines_of(block))
            return
        waiting: list[SeriesValues] = []
        lines: list[bytes] = []
        last = self._last
        try:
            for number, one in enumerate(parsed):
                meta, collected = last.get(one.name, _NOTHING)
                if meta != one.meta:
                    collected = self._find(one.name, one.meta)
                if collected is not None:
                    if not collected.values:
                        waiting.append(collected)
                    collected.values.append(one.value)
                    collected.timestamps.append(one.timestamp)
                    continue
                if not lines:
                    lines = lines_of(block)
                    if not _is_one_per_line(lines, len(parsed)):
                        clear(waiting)
                        yield from lines_by_themselves(lines)
                        return
                if waiting:
                    yield Batch(waiting)
                    clear(waiting)
                yield Batch(line=lines[number])
            if waiting:
                yield Batch(waiting)
        finally:
            clear(waiting)

    def _find(self, name: str, meta: msgspec.Raw) -> SeriesValues | None:
        collected = self._known.get((name, bytes(meta)))
        if collected is not None:
            # A copy: the original is a view that keeps the whole block in memory.
            self._last[name] = meta.copy(), collected
        return collected

    def parse(self, line: bytes) -> CustomSample:
        """Parses one line of the socket. Raises InvalidSample."""
        sample = parse_line(line)
        if sample.series.kind not in MARKS:
            named = _decode_name(line)
            key = (named.name, bytes(named.meta))
            if key not in self._known and len(key[1]) <= self.KNOWN_META_BYTES:
                if len(self._known) >= self.KNOWN_LIMIT:
                    self._known.clear()
                    self._last.clear()
                    self._of_series.clear()
                self._known[key] = self._of_series.setdefault(sample.series, SeriesValues(sample.series))
        return sample


def _is_one_per_line(lines: list[bytes], count: int) -> bool:
    """Whether each decoded item is one line: the decoder neither requires line ends nor forbids them within an item.

    After a line that is truncated within its object no line can begin with a brace.
    """
    return len(lines) == count and all(line.startswith(b"{") and line.endswith(b"}") for line in lines)
