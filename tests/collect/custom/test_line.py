"""One line of the socket: a sample, or the reason why it is invalid."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from profileapp.collect.custom.line import (
    RESERVED_PREFIXES,
    CustomSample,
    InvalidSample,
    parse_line,
    wall_ns_of,
)
from profileapp.model.series import series


def line(**parsed: Any) -> bytes:
    return json.dumps({"name": "fps", "value": 12.5} | parsed).encode()


def test_the_full_form() -> None:
    meta = {"kind": "counter", "unit": "frames", "camera": "left", "gpu": True, "lane": 3, "note": None, "metric": "x"}
    assert parse_line(line(timestamp=1700000000123456789, meta=meta)) == CustomSample(
        series("fps", "frames", "custom", "counter", camera="left", gpu="true", lane="3", note=""),
        12.5,
        1700000000123456789,
    )


def test_the_short_form() -> None:
    assert parse_line(b'{"name":"fps","value":3}') == CustomSample(series("fps", "", "custom"), 3.0, None)


def test_unknown_keys_are_ignored() -> None:
    assert parse_line(line(host="edge-1", tags=[1, {"a": 2}])).value == 12.5


def test_a_timer_has_the_unit_seconds() -> None:
    assert parse_line(line(meta={"kind": "timer", "unit": "ms"})).series.unit == "s"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"garbage", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'{"name":"fps","value":NaN}', "not JSON"),
        (b'{"name":"fps","value":-Infinity}', "not JSON"),
        (b'{"name":"fps","value":1e400}', "not JSON"),
        (b'{"name":"fps","value":1' + b"0" * 400 + b"}", "not finite"),
        (b'{"name":"\\ud800","value":1}', "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b'{"name":"fps","value":1,"x":' + b"[" * 60_000, "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'{"value":1}', "no name"),
        (line(name=7), "no name"),
        (b'{"name":"fps"}', "no value"),
        (line(value="12"), "no value"),
        (line(value=True), "no value"),
        (line(value=None), "no value"),
        (line(value=[1]), "no value"),
        (line(name=""), "empty name"),
        (line(name="x" * 201), "more than 200"),
        (line(name="fps\n[31m"), "cannot be printed"),
        (line(name="fps\u202espf"), "cannot be printed"),
        (line(meta={"unit": "x" * 41}), "more than 40"),
        (line(meta={"camera": "x" * 201}), "more than 200"),
        (line(meta={"ca\0mera": "x"}), "cannot be printed"),
        (line(meta={"camera": {"id": 1}}), "a meta"),
        (line(meta=[1]), "a meta"),
        (line(meta={str(number): number for number in range(11)}), "more than 10 labels"),
        (line(meta={"kind": "histogram"}), "gauge, counter, timer, phase or event"),
        (line(value=-1, meta={"kind": "counter"}), "counter below 0"),
        (line(value=-1, meta={"kind": "timer"}), "timer below 0"),
        *((line(name=f"{prefix}cpu"), "begins with system.") for prefix in RESERVED_PREFIXES),
    ],
)
def test_refuses_with_a_reason(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidSample, match=reason):
        parse_line(text)


@pytest.mark.parametrize("name", ["system", "containers.seen", "GPU.x", "dämmerung", "a b/c-d_e.f"])
def test_unreserved_names_are_accepted(name: str) -> None:
    assert parse_line(line(name=name)).series.name == name


@pytest.mark.parametrize(
    ("timestamp", "wall_ns"),
    [
        (1700000000, 1700000000_000000000),
        (1700000000.5, 1700000000_500000000),
        (1700000000123, 1700000000_123000000),
        (1700000000123456, 1700000000_123456000),
        (1700000000123456789, 1700000000_123456789),
        ("2023-11-14T22:13:20Z", 1700000000_000000000),
        ("2023-11-14T23:13:20.123456789+01:00", 1700000000_123456789),
        (None, None),
    ],
)
def test_units_of_timestamps_are_distinguished(timestamp: Any, wall_ns: int | None) -> None:
    assert parse_line(line(timestamp=timestamp)).wall_ns == wall_ns


@pytest.mark.parametrize(
    ("timestamp", "fault"),
    [
        *((text, "RFC 3339") for text in ("yesterday", "2023-11-14", "2023-11-14T22:13:20", "", "9" * 5000)),
        *((other, "neither a number") for other in (True, [1], {})),
        *((below, "below 0") for below in (-5, -1e-9, -(10**25))),
        *((beyond, "beyond the year 5138") for beyond in (1e30, 10**25)),
    ],
)
def test_a_bad_timestamp_does_not_cost_the_value(timestamp: Any, fault: str) -> None:
    sample = parse_line(line(timestamp=timestamp))
    assert (sample.value, sample.wall_ns) == (12.5, None)
    assert fault in sample.timestamp_fault


def test_a_deeply_nested_timestamp_does_not_cost_the_value() -> None:
    nested = b"[" * 5000 + b"]" * 5000
    try:
        sample = parse_line(b'{"name": "fps", "value": 12.5, "timestamp": ' + nested + b"}")
    except InvalidSample:
        # If the decoder limits the depth, the line is refused.
        return
    assert (sample.value, sample.wall_ns) == (12.5, None)


@given(st.integers(100_000_000, 4_000_000_000), st.sampled_from([10**0, 10**3, 10**6, 10**9]))
def test_all_times_from_1973_to_2096_are_equal_in_each_unit(second: int, per_second: int) -> None:
    assert wall_ns_of(second * per_second) == second * 10**9


@given(st.binary())
@example(b'{"name":"\\u0000","value":1}')
def test_any_bytes_are_a_sample_or_refused(content: bytes) -> None:
    try:
        sample = parse_line(content)
    except InvalidSample:
        return
    assert math.isfinite(sample.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(name=JSON, value=JSON, timestamp=JSON, meta=JSON | st.dictionaries(st.sampled_from(["kind", "unit", "a"]), JSON))
def test_any_json_is_a_sample_or_refused(name: Any, value: Any, timestamp: Any, meta: Any) -> None:
    text = json.dumps({"name": name, "value": value, "timestamp": timestamp, "meta": meta}).encode()
    try:
        sample = parse_line(text)
    except InvalidSample as reason:
        # The reason is one of a few constants: it repeats no input of the app.
        assert str(reason).isascii()
        return
    assert sample.series.name == name
    assert sample.series.name.isprintable()
    assert not isinstance(value, bool | str)
    assert sample.value == value
