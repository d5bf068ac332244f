"""Lines out of a stream, however it is cut into pieces."""

from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.line_cutter import LineCutter

LIMIT = 8


@given(lines=st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"x"))), data=st.data())
def test_any_cut_gives_the_same_lines(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    cutter = LineCutter(LIMIT)
    taken, too_long = [], []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        whole, long_ones = cutter.feed(stream[start:end])
        taken += whole
        too_long += long_ones
        assert len(cutter._held) <= LIMIT
    assert taken == [line for line in lines if line.strip() and len(line) <= LIMIT]
    assert too_long == [line[:LIMIT] for line in lines if len(line) > LIMIT]
    assert cutter.end() == b""


def test_the_line_after_one_that_is_too_long_is_read() -> None:
    cutter = LineCutter(LIMIT)
    assert cutter.feed(b"x" * 100) == ([], [b"x" * LIMIT])
    assert cutter.feed(b"x" * 100) == ([], [])
    assert cutter.feed(b"x\nnext\nha") == ([b"next"], [])
    assert cutter.feed(b"lf") == ([], [])
    assert cutter.end() == b"half"


def test_a_stream_that_ends_in_a_line_too_long_leaves_nothing() -> None:
    cutter = LineCutter(LIMIT)
    cutter.feed(b"x" * 100)
    assert cutter.end() == b""
