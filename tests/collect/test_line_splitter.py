"""Splits a stream into lines, whatever its chunks."""

from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.line_splitter import LineSplitter

LIMIT = 8


@given(lines=st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"x"))), data=st.data())
def test_any_chunking_gives_the_same_lines(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    splitter = LineSplitter(LIMIT)
    taken, too_long = [], []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        complete, long_ones = splitter.feed(stream[start:end])
        taken += complete
        too_long += long_ones
        assert len(splitter._pending) <= LIMIT
    assert taken == [line for line in lines if line.strip() and len(line) <= LIMIT]
    assert too_long == [line[:LIMIT] for line in lines if len(line) > LIMIT]
    assert splitter.end() == b""


def test_the_line_after_an_overlong_one_is_read() -> None:
    splitter = LineSplitter(LIMIT)
    assert splitter.feed(b"x" * 100) == ([], [b"x" * LIMIT])
    assert splitter.feed(b"x" * 100) == ([], [])
    assert splitter.feed(b"x\nnext\nha") == ([b"next"], [])
    assert splitter.feed(b"lf") == ([], [])
    assert splitter.end() == b"half"


def test_a_stream_that_ends_in_an_overlong_line_leaves_nothing() -> None:
    splitter = LineSplitter(LIMIT)
    splitter.feed(b"x" * 100)
    assert splitter.end() == b""
