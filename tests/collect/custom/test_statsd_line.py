"""Lines of statsd and DogStatsD."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.custom.line import InvalidSample
from profileapp.collect.custom.statsd_line import StatsdEvent, StatsdParser, StatsdSample


def parse(line: bytes, *, plain: bool = False) -> Any:
    return StatsdParser(signed_gauge_is_change=plain).parse(line)


@pytest.mark.parametrize(
    ("line", "title", "kind", "unit", "values"),
    [
        (b"fps:12.5|g", "fps", "gauge", "", (12.5,)),
        (b"fps:12.5|g|#camera:left,lane:2", "fps[left,2]", "gauge", "", (12.5,)),
        (b"fps:-3|g", "fps", "gauge", "", (-3,)),
        (b"fps:1|g|#night", "fps[night]", "gauge", "", (1,)),
        (b"fps:1|g|#url:http://x/y:8", "fps[http://x/y:8]", "gauge", "", (1,)),
        (b"fps:1|g|#", "fps", "gauge", "", (1,)),
        (b"frames:3|c", "frames", "counter", "", (3,)),
        (b"frames:-3|c", "frames", "counter", "", (-3,)),
        (b"frames:3|c|@0.1", "frames", "counter", "", (30,)),
        (b"frames:3|c|#a:b|@0.1", "frames[b]", "counter", "", (30,)),
        (b"infer:250|ms|@0.5", "infer", "timer", "s", (0.25,)),
        (b"size:3:4:5|h", "size", "gauge", "", (3, 4, 5)),
        (b"size:3|d|c:in-12345|e:it-false|card:low", "size", "gauge", "", (3,)),
        ("größe:3|g".encode(), "größe", "gauge", "", (3,)),
        (b"_own:3|g", "_own", "gauge", "", (3,)),
    ],
)
def test_parses(line: bytes, title: str, kind: str, unit: str, values: tuple[float, ...]) -> None:
    sample = parse(line)
    assert (sample.series.title, sample.series.kind, sample.series.unit) == (title, kind, unit)
    assert sample.values == pytest.approx(values)
    assert sample.wall_ns is None
    assert sample.series.metric == "custom"


def test_a_client_time_has_seconds_and_applies_to_one_line() -> None:
    parser = StatsdParser(signed_gauge_is_change=False)
    times = [parser.parse(b"fps:1|g|T%d" % second).wall_ns for second in (1_700_000_000, 1_700_000_001)]  # type: ignore[union-attr]
    assert times == [1_700_000_000_000_000_000, 1_700_000_001_000_000_000]
    assert not parser._known


def test_a_sign_is_a_delta_in_statsd_and_a_value_in_dogstatsd() -> None:
    assert [parse(b"a:-5|g", plain=True).is_change, parse(b"a:+5|g", plain=True).is_change] == [True, True]
    assert not parse(b"a:5|g", plain=True).is_change
    assert not parse(b"a:-5|g").is_change
    assert not parse(b"a:-5|c", plain=True).is_change


def test_members_of_a_set_are_not_numbers() -> None:
    sample = parse(b"users:ann:bob|s")
    assert (sample.values, sample.members) == ((), (b"ann", b"bob"))


def test_events_have_titles_and_service_checks_and_telemetry_are_ignored() -> None:
    assert parse(b"_e{7,5}:warm|up|text|#a:b") == StatsdEvent("warm|up")
    assert parse(b"_sc|Redis|2|m:down") is None
    assert parse(b"datadog.dogstatsd.client.metrics:5|c|#client:py") is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "neither"),
        (b"fps", "neither"),
        (b"fps:1", "neither"),
        (b"fps|g:1", "neither"),
        (b":1|g", "empty name"),
        (b"fps:|g", "not a number"),
        (b"fps:1:x|g", "not a number"),
        (b"fps:nan|g", "not finite"),
        (b"fps:-inf|g", "not finite"),
        (b"fps:1_0|g", "not finite"),
        (b"fps:1e400|g", "not finite"),
        (b"fps:-1|ms", "timer below 0"),
        (b"fps:1|q", "a type of statsd"),
        (b"fps:1|", "a type of statsd"),
        (b"fps:1|c|@0", "sample rate"),
        (b"fps:1|c|@nan", "sample rate"),
        (b"fps:1|c|@2", "sample rate"),
        (b"fps:1|c|@x", "sample rate"),
        (b"fps:1|g|Tsoon", "timestamp"),
        (b"fps:1|g|T" + b"9" * 300, "timestamp"),
        (b"\xff\xfe:1|g", "UTF-8"),
        (b"f\x00s:1|g", "cannot be printed"),
        (b"x" * 201 + b":1|g", "more than 200"),
        (b"system.cpu:1|g", "begins with system."),
        (b"fps:1|g|#" + b",".join(b"k%d:v" % number for number in range(11)), "more than 10 labels"),
        (b"fps:" + b":".join([b"1"] * 10_001) + b"|g", "more than 10000 values"),
        (b"_e{x,1}:a|b", "an event"),
        (b"_e{0,1}:|b", "without a title"),
    ],
)
def test_refuses_with_a_reason(line: bytes, reason: str) -> None:
    with pytest.raises(InvalidSample, match=reason):
        parse(line)


@given(st.binary(max_size=200) | st.from_regex(rb"[a-z_{]{0,3}:?[-+0-9.:]{0,9}\|[a-z]{0,2}(\|[@#Tc][^\n]{0,9}){0,3}"))
def test_raises_nothing_else_and_all_recorded_values_are_finite(line: bytes) -> None:
    for plain in (False, True):
        try:
            output = parse(line, plain=plain)
        except InvalidSample:
            continue
        if isinstance(output, StatsdSample):
            assert all(math.isfinite(value) for value in output.values)
            assert output.series.name.isprintable()
            assert {key for key, _ in output.series.labels}.isdisjoint({"metric", "unit", "kind"})


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(allow_nan=False, allow_infinity=False)), max_size=30))
def test_repeated_lines_parse_equally(pairs: list[tuple[str, float]]) -> None:
    parser = StatsdParser(signed_gauge_is_change=False)
    for name, value in pairs:
        line = f"{name}:{value!r}|g|#tag:{name}".encode()
        assert parser.parse(line) == StatsdParser(signed_gauge_is_change=False).parse(line)
