"""Parsing many lines at once gives the same result as parsing each line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.custom.batch import Batch
from profileapp.collect.custom.block import LineParser
from profileapp.collect.custom.ingestor import Ingestor
from profileapp.collect.custom.line import InvalidSample, parse_line
from profileapp.collect.custom.statsd_line import StatsdParser, StatsdSample
from profileapp.model.clock import Clock
from profileapp.model.series import Series

CLOCK = Clock(1_700_000_000 * 10**9, 10**12)
NOW_NS = 10**12 + 10**9

NAMES = st.sampled_from(["fps", "system.x", "", "\x00", "n"])
VALUES = st.sampled_from([0, 1, -1, 2.5, 1e308, "1", None, True]) | st.integers(-(10**30), 10**30) | st.floats()
TIMES = st.sampled_from(
    [None, 0, 10**17 - 1, 10**17, 10**20, "2023-11-14T22:13:20Z", "soon", True, [], -1, 1.7e9, 1_700_000_000_500,
     1_700_000_000 * 10**9 + 5]
)  # fmt: skip
META = st.dictionaries(st.sampled_from(["kind", "unit", "a"]), st.sampled_from(["gauge", "counter", "event", 1, None]))
LINES = st.tuples(NAMES, VALUES, TIMES, META).map(
    lambda parsed: json.dumps(dict(zip(("name", "value", "timestamp", "meta"), parsed, strict=True))).encode()
)
GARBAGE = st.sampled_from(
    [b"", b" ", b"{", b"}", b'{"name":"fps","value":1}{"name":"fps","value":2}', b'{"name":"fps",', b'"value":1}',
     b"[1]", b'{"name":"fps","value":1}', b"\xff"]
)  # fmt: skip
STATSD = st.tuples(
    st.sampled_from(["a", "b", "_c"]),
    st.sampled_from(["1", "-2", "+3", "1e400", "nan", "1_0", "", "x", "1:2", " 4", "7.5"]),
    st.sampled_from(["g", "c", "ms", "h", "s", "g|#x:y", "c|@0.5", "g|T1700000000", "?", "g|@0"]),
).map(lambda parsed: "{}:{}|{}".format(*parsed).encode())


class Account:
    """An ingestor and all its output."""

    def __init__(self) -> None:
        self.samples: list[tuple[Series, float, int]] = []
        self.ingestor = Ingestor(CLOCK, lambda series, value, at_ns: self.samples.append((series, value, at_ns)))

    def ingest(self, parser: Any, line: bytes) -> None:
        try:
            parsed = parser.parse(line)
            if isinstance(parsed, StatsdSample):
                self.ingestor.ingest_statsd(parsed, NOW_NS)
            elif parsed is not None and parsed.series.kind == "event":
                self.ingestor.ingest_mark(parsed.series, parsed.value, parsed.wall_ns, NOW_NS)
            elif parsed is not None:
                self.ingestor.ingest(parsed, NOW_NS)
        except InvalidSample as reason:
            self.ingestor.refuse(str(reason), "")

    def take_block(self, parser: Any, block: bytes) -> None:
        for part in parser.parse_batch(block):
            if part.line:
                self.ingest(parser, part.line)
            else:
                self.ingestor.ingest_series(part.waiting, NOW_NS)

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.ingestor.kept, self.ingestor.aggregated, self.ingestor.refused

    @property
    def by_series(self) -> dict[Series, list[tuple[float, int]]]:
        """Series are in any order, the samples of each in order."""
        found: dict[Series, list[tuple[float, int]]] = {}
        for series, value, at_ns in self.samples:
            found.setdefault(series, []).append((value, at_ns))
        return found


@given(st.lists(st.lists(LINES, max_size=12), max_size=5))
def test_a_block_of_json_equals_its_lines(blocks: list[list[bytes]]) -> None:
    at_once, one_by_one = Account(), Account()
    parser = LineParser()
    # Twice, because series are known the second time.
    for lines in blocks * 2:
        at_once.take_block(parser, b"".join(line + b"\n" for line in lines))
        for line in lines:
            one_by_one.ingest(LineParser(), line)
    assert at_once.by_series == one_by_one.by_series
    assert at_once.counts == one_by_one.counts
    assert sum(at_once.counts) == 2 * sum(map(len, blocks))


@given(st.lists(st.lists(LINES | GARBAGE, max_size=8), max_size=5))
def test_garbage_raises_nothing_and_loses_no_line(blocks: list[list[bytes]]) -> None:
    account, parser = Account(), LineParser()
    account.take_block(parser, b'{"name":"fps","value":1}\n')
    for lines in blocks:
        before = sum(account.counts)
        account.take_block(parser, b"".join(line + b"\n" for line in lines))
        came, parsed = sum(account.counts) - before, len([line for line in lines if line.strip()])
        # Two objects of known series in one line are two values; across two lines, one.
        assert came == parsed or b"}{" in b"".join(lines) or b'"fps",' in b"".join(lines)
        assert all(not collected.values for collected in parser._known.values())


@given(st.lists(STATSD, max_size=30), st.booleans())
def test_a_block_of_statsd_equals_its_lines(lines: list[bytes], plain: bool) -> None:
    at_once, one_by_one = Account(), Account()
    parser = StatsdParser(signed_gauge_is_change=plain)
    for _ in range(2):
        at_once.take_block(parser, b"\n".join(lines))
        for line in lines:
            one_by_one.ingest(StatsdParser(signed_gauge_is_change=plain), line)
    assert at_once.by_series == one_by_one.by_series
    assert at_once.counts == one_by_one.counts


HOLES = st.sampled_from(
    [b"a:1|g", b"a\0g", b"a:2|g\0", b"a:1|g|#x:5|c:y", b"a:7|g|#x|c:y", b"a|g|#x:3|c:y", b"a:1|g|#x\0c:y", b":4|g",
     b"a:5|", b"a:1:2|g", b"a:1|g:3|g", b"b:6|c", b"\0", b"b\0c"]
)  # fmt: skip


@given(st.lists(HOLES, max_size=5), st.lists(HOLES, max_size=5))
def test_lines_with_several_numbers_or_none_do_not_affect_other_lines(
    known_lines: list[bytes], lines: list[bytes]
) -> None:
    at_once, one_by_one = Account(), Account()
    parser = StatsdParser(signed_gauge_is_change=False)
    for line in known_lines:
        at_once.ingest(parser, line)
        one_by_one.ingest(StatsdParser(signed_gauge_is_change=False), line)
    at_once.take_block(parser, b"\n".join(lines))
    for line in lines:
        one_by_one.ingest(StatsdParser(signed_gauge_is_change=False), line)
    assert at_once.by_series == one_by_one.by_series
    assert at_once.counts == one_by_one.counts


def test_a_series_keeps_its_order_in_mixed_notations() -> None:
    for parser, lines in (
        (StatsdParser(signed_gauge_is_change=False), [b"a:1|c", b"a:2|c|@0.5", b"a:3|c", b"a:4|c|c:id", b"a:5|c"]),
        (StatsdParser(signed_gauge_is_change=False), [b"a:1|g|#b,c", b"a:2|g|#c,b", b"a:3|h|#b,c"]),
        (
            LineParser(),
            [b'{"name":"a","value":1,"meta":{}}', b'{"name":"a","value":2}', b'{"name":"a","value":3,"meta":{ }}'],
        ),
    ):
        at_once, one_by_one = Account(), Account()
        for line in [*lines, *lines]:
            one_by_one.ingest(parser, line)
        for line in lines:
            at_once.ingest(parser, line)
        at_once.take_block(parser, b"".join(line + b"\n" for line in lines))
        assert at_once.samples == one_by_one.samples


def test_common_statsd_lines_are_batched_and_an_unusual_one_does_not_break_the_batch() -> None:
    usual = [b"fps:12.5|g|#camera:left", b"fps:-3|g|#camera:left", b"infer:250|ms", b"frames:2|c|@0.5", b"infer:1e2|ms"]
    parser, account = StatsdParser(signed_gauge_is_change=False), Account()
    for line in usual:
        account.ingest(parser, line)
    parts = [
        part for block in (usual, [*usual, b""]) for part in map(_values_of, parser.parse_batch(b"\n".join(block)))
    ]
    together = {"fps[left]": [12.5, -3], "infer": [0.25, 0.1], "frames": [4]}
    assert parts == [together, together]
    for unusual in (b"infer:1,2|ms", b"infer:+5|ms", b"infer:.5|ms", b"infer:1_0|ms", b"new:1|g", b"infer:[1|ms", b"x"):
        block = b"\n".join([*usual, unusual, *usual])
        at_once, one_by_one = Account(), Account()
        at_once.take_block(parser, block)
        for line in block.split(b"\n"):
            one_by_one.ingest(StatsdParser(signed_gauge_is_change=False), line)
        assert at_once.by_series == one_by_one.by_series and at_once.counts == one_by_one.counts, unusual


def _values_of(part: Batch) -> dict[str, list[float]]:
    assert not part.line
    return {each.series.title: list(each.values) for each in part.waiting}


def test_values_beyond_the_rate_are_aggregated_from_every_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profileapp.collect.custom.ingestor.RATE_LIMIT_PER_S", 5)
    account, parser = Account(), LineParser()
    lines = [b'{"name":"fps","value":%d}' % number for number in range(10)]
    lines += [b'{"name":"frames","value":2,"meta":{"kind":"counter"}}'] * 3
    for _ in range(2):
        account.take_block(parser, b"".join(line + b"\n" for line in lines))
    account.ingestor.close(NOW_NS)
    assert account.counts == (5, 21, 0)
    found = {series.title: samples for series, samples in account.by_series.items()}
    assert [value for value, _ in found["fps"]] == [0, 1, 2, 3, 4]
    assert found["fps.aggregated.count"][-1][0] == 15
    assert found["fps.aggregated[max]"][-1][0] == 9
    assert found["frames"][-1][0] == 12


def test_an_event_keeps_its_order_among_values() -> None:
    parser = LineParser()
    usual, mark = b'{"name":"fps","value":1}', b'{"name":"warm-up","value":1,"meta":{"kind":"phase"}}'
    list(parser.parse_batch(usual + b"\n"))
    parser.parse(usual)
    parts: list[Any] = []
    for part in parser.parse_batch(b"".join(line + b"\n" for line in (usual, usual, mark, usual))):
        parts.append(part.line or [(one.series.name, list(one.values)) for one in part.waiting])
    assert parts == [[("fps", [1, 1])], mark, [("fps", [1])]]


def test_nothing_is_ingested_twice_after_a_failure() -> None:
    parser = LineParser()
    usual = b'{"name":"fps","value":1}\n'
    parser.parse(usual)

    def fails(_: Batch) -> None:
        raise RuntimeError

    parts = parser.parse_batch(usual * 3)
    with pytest.raises(RuntimeError):
        fails(next(parts))
    parts.close()  # type: ignore[attr-defined]
    assert [[len(one.values) for one in part.waiting] for part in parser.parse_batch(usual)] == [[1]]


def test_the_cache_of_lines_is_bounded() -> None:
    parser = LineParser()
    parser.KNOWN_LIMIT = 10
    for number in range(25):
        line = json.dumps({"name": f"n{number}", "value": 1}).encode()
        parser.parse(line)
        assert all(not part.line for part in parser.parse_batch(line + b"\n"))
        parser.parse(json.dumps({"name": "long", "value": 1, "meta": {f"k{i}": "v" * 190 for i in range(9)}}).encode())
    assert 0 < len(parser._known) <= 10
    assert len(parser._last) <= 10
    assert not any(name == "long" for name, _ in parser._known)


def test_a_block_uses_the_parser_for_single_lines() -> None:
    parser = LineParser()
    line = b'{"name":"fps","value":1,"timestamp":-1}'
    assert parser.parse(line) == parser.parse(line) == parse_line(line)
