"""Many lines of JSON that an app sent, parsed in one go."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from profileapp.collect.custom.batch import Batch, clear
from profileapp.collect.custom.line import CustomSample, parse_line
from profileapp.collect.line_splitter import lines_of
from profileapp.model.series import MARKS, Series


class _Named(msgspec.Struct, gc=False):
    """What names the series of a line; `meta`, which repeats, is left as it is written."""

    name: str
    meta: msgspec.Raw = msgspec.Raw(b"{}")


class _Usual(msgspec.Struct, gc=False):
    """What most lines are."""

    name: str
    value: float
    timestamp: int | float | str | None = None
    meta: msgspec.Raw = msgspec.Raw(b"{}")


_NOTHING: tuple[msgspec.Raw, Batch | None] = (msgspec.Raw(b""), None)
_decode_name = msgspec.json.Decoder(_Named).decode
_decode_all_usual = msgspec.json.Decoder(_Usual).decode_lines


class LineParser:
    """Parses lines, many at once where they are the usual ones; what names the series, which repeats, is parsed once.

    The functions of `line` say what a line means; this only says the same faster.
    """

    KNOWN_LIMIT = 4096
    KNOWN_META_BYTES = 1024

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], Batch] = {}
        self._of_series: dict[Series, Batch] = {}
        """Ways to write the same series share what is gathered: else the order of its values would be lost."""
        self._last: dict[str, tuple[msgspec.Raw, Batch]] = {}
        """Of each name, what the last line with it was: to compare two texts is cheaper than to look up a pair."""

    def parse_batch(self, block: bytes) -> Iterator[list[Batch] | bytes]:
        """What whole lines in one piece say; nothing overtakes a line that is given as it is.

        Values of series that are known come gathered, to be taken before the next is asked for. Any other line is given
        as it is, for `parse`.
        """
        try:
            parsed = _decode_all_usual(block)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            yield from lines_of(block)
            return
        waiting: list[Batch] = []
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
                    if not _are_one_by_one(lines, len(parsed)):
                        clear(waiting)
                        yield from lines
                        return
                if waiting:
                    yield waiting
                    clear(waiting)
                yield lines[number]
            if waiting:
                yield waiting
        finally:
            clear(waiting)

    def _find(self, name: str, meta: msgspec.Raw) -> Batch | None:
        collected = self._known.get((name, bytes(meta)))
        if collected is not None:
            # A copy: it is but a view of all that was read with it.
            self._last[name] = meta.copy(), collected
        return collected

    def parse(self, line: bytes) -> CustomSample:
        """A line of the socket. Raises Refused."""
        sample = parse_line(line)
        if sample.series.kind not in MARKS:
            named = _decode_name(line)
            key = (named.name, bytes(named.meta))
            if key not in self._known and len(key[1]) <= self.KNOWN_META_BYTES:
                if len(self._known) >= self.KNOWN_LIMIT:
                    self._known.clear()
                    self._last.clear()
                    self._of_series.clear()
                self._known[key] = self._of_series.setdefault(sample.series, Batch(sample.series))
        return sample


def _are_one_by_one(lines: list[bytes], count: int) -> bool:
    """Whether the items that were decoded are a line each: the decoder asks for no line ends, nor forbids them within.

    A line that is cut off before the end of its object cannot be followed by one that begins with a brace.
    """
    return len(lines) == count and all(line.startswith(b"{") and line.endswith(b"}") for line in lines)
