"""Repeats that the device disturbed do not count, if most were not disturbed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from profileapp.judge.disturbed import counted, without_disturbed
from profileapp.judge.verdict import judge_folder
from profileapp.model.clock import format_utc
from profileapp.model.run import Repeat
from profileapp.model.series import series
from profileapp.record.series_data import SeriesData
from profileapp.report.page_data import measured_repeats, remarks
from tests.helpers.samples import series_data

S = 1_000_000_000
THROTTLED = series("system.throttled", "", "system", reason="heat")
MODE = series("system.power-mode", "", "system")
HEAT = "the device was throttled by heat"


def repeats(count: int) -> list[Repeat]:
    """Repeats of ten seconds, with a second of warm-up, ten seconds apart."""
    starts = [index * 20 * S for index in range(1, count + 1)]
    return [Repeat(index, at, at + S, at + 10 * S) for index, at in enumerate(starts, 1)]


def excluded(found: tuple[Repeat, ...]) -> dict[int, str]:
    return {each.index: each.excluded for each in found if each.excluded}


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([(20, 0), (25, 1), (26, 0)], {1: HEAT}),
        ([(20, 1), (45, 1), (65, 1)], {}),  # in all three: the app does it
        ([(20, 1), (22, 0)], {}),  # in the warm-up
        ([(31, 1), (41.5, 0)], {}),  # between two repeats
        ([(60, 0), (65, 1)], {3: HEAT}),  # until the end
        ([(25, 1), (45, 1), (65, 0)], {}),  # in most
    ],
)
def test_only_a_minority_is_excluded(samples: list[tuple[float, float]], expected: dict[int, str]) -> None:
    found_series = {THROTTLED: data(samples)}
    found = without_disturbed(found_series, repeats(3))
    assert excluded(found) == expected
    assert len(counted(found)) == 3 - len(expected)
    # Judging again changes nothing, and reverts exclusions that no longer apply.
    assert without_disturbed(found_series, found) == found
    assert excluded(without_disturbed({}, found)) == {}


def test_a_change_of_the_power_mode_within_a_repeat_excludes_it() -> None:
    within = data([(21, 0), (45, 0), (46, 2), (65, 2)])
    assert excluded(without_disturbed({MODE: within}, repeats(3))) == {2: "the power mode changed from 0 to 2"}
    between = data([(21, 0), (29, 0), (42, 2), (65, 2)])
    assert excluded(without_disturbed({MODE: between}, repeats(3))) == {}


def test_half_of_two_repeats_is_no_minority_and_an_app_cannot_exclude_one() -> None:
    assert excluded(without_disturbed({THROTTLED: data([(25, 1)])}, repeats(2))) == {}
    own = series("system.throttled", "", "custom", reason="heat")
    assert excluded(without_disturbed({own: data([(25, 1)])}, repeats(3))) == {}


def data(samples: Sequence[tuple[float, float]]) -> SeriesData:
    return series_data((round(at_s * S), float(value)) for at_s, value in samples)


def test_a_throttled_repeat_is_excluded_and_reported(tmp_path: Path) -> None:
    run = {
        "id": "1", "app": {"name": "app"}, "target": {"name": "t", "repeat": 3}, "state": "finished",
        "clock": {"anchor_wall_ns": 0, "anchor_monotonic_ns": 0}, "started_ns": 20 * S, "exit_reason": "completed",
        "repeats": [
            {"index": n, "started_ns": n * 20 * S, "measured_from_ns": n * 20 * S, "ended_ns": (n * 20 + 10) * S,
             "exit_reason": "completed"}
            for n in (1, 2, 3)
        ],
        "version": 2,
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(run))
    power = {20: 5.0, 25: 5.0, 40: 9.0, 45: 9.0, 60: 5.0, 65: 5.0}
    hot = {20: 0.0, 40: 1.0, 50: 0.0, 60: 0.0}
    samples = [("container.memory.used", at_s, value, "container", "bytes") for at_s, value in power.items()]
    samples += [("system.throttled", at_s, value, "system", "") for at_s, value in hot.items()]
    lines = [
        {"name": name, "value": value, "timestamp": format_utc(at_s * S), "meta": meta_of(name, metric, unit)}
        for name, at_s, value, metric, unit in samples
    ]
    (tmp_path / "metrics.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    judged = judge_folder(tmp_path)
    assert [each.excluded for each in judged.run.repeats] == ["", HEAT, ""]
    assert [each.index for each in measured_repeats(judged.run)] == [1, 3]
    (memory,) = [one for one in judged.run.summary if one.name == "container.memory.used"]
    assert (memory.mean, memory.max) == (5.0, 5.0)
    assert all(len(one.repeats) == 2 for one in judged.run.numbers)
    assert any(line.startswith("repeat 2 does not count: the device was throttled") for line in remarks(judged))


def meta_of(name: str, metric: str, unit: str) -> dict[str, str]:
    return {"metric": metric, "unit": unit} | ({"reason": "heat"} if name == "system.throttled" else {})
