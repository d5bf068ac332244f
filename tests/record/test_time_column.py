"""Parsing the times of many lines gives the same result as parsing each one."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.record.time_column import TIME_LETTERS, time_of, times_of

MOMENTS = st.tuples(
    st.datetimes(datetime(1970, 1, 1), datetime(2115, 12, 31), timezones=st.just(timezone.utc)),
    st.integers(0, 999_999_999),
)


def text_of(moment: datetime, nanoseconds: int) -> bytes:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}".encode()


@given(st.lists(MOMENTS, min_size=1, max_size=40))
def test_each_time_equals_the_time_parsed_alone(moments: list[tuple[datetime, int]]) -> None:
    texts = [text_of(*moment) for moment in moments]
    assert times_of(texts) == [time_of(f"{text.decode()}Z") for text in texts]


def test_times_across_a_minute_and_back() -> None:
    texts = [
        b"2026-11-23T12:%02d:%02d.5%08d" % (minute, second, second) for minute in (27, 28, 27) for second in range(60)
    ]
    expected = [time_of(f"{text.decode()}Z") for text in texts]
    assert times_of(texts) == expected
    assert expected[59] + 10**9 - 59 == expected[60]


# Hypothesis uses constants of the code under test, and one of them is a time.
_NO_TIMES = st.binary(min_size=0, max_size=40).filter(lambda text: not re.fullmatch(rb"[\d-]{10}T[\d:.]{18}", text))


@given(st.lists(_NO_TIMES, min_size=1, max_size=4))
def test_bytes_that_are_not_a_time_are_refused(texts: list[bytes]) -> None:
    with pytest.raises(ValueError):
        times_of(texts)


@given(st.integers(0, TIME_LETTERS - 1), st.sampled_from([b"x", b"-", b".", b" ", b"\xff", b",", b"e", b"+"]))
def test_a_wrong_character_is_refused_at_every_position(at: int, letter: bytes) -> None:
    good = b"2026-11-23T12:27:25.123456789"
    bad = good[:at] + letter + good[at + 1 :]
    if bad == good:
        return
    for texts in ([bad], [good, bad], [bad, good], [bad, bad]):
        with pytest.raises(ValueError):
            times_of(texts)


@pytest.mark.parametrize(
    "text",
    [
        b"2026-11-23T12:27:60.000000000",
        b"2026-11-23T12:60:00.000000000",
        b"2026-11-23T24:00:00.000000000",
        b"2026-02-29T12:00:00.000000000",
        b"1969-12-31T23:59:59.999999999",
        b"2116-02-20T23:53:38.500000000",
        b"9999-01-01T00:00:00.000000000",
    ],
)
def test_invalid_and_unstorable_times_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        times_of([text])
