"""Phases and events reported by an app."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.judge.phases import MARKS_LIMIT, PHASES_LIMIT, NoSuchPhase, Phases, app_events, phase_spans
from profileapp.judge.summary import summarise
from profileapp.model.budget import parse_budget, split_key
from profileapp.model.run import Mark, Repeat
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData
from tests.helpers.samples import series_data

FPS = Series("fps", "frames/s", "custom")


def data(*points: tuple[int, float]) -> SeriesData:
    return series_data(points)


def phase(name: str) -> Series:
    return Series(name, "", "custom", (), "phase")


def test_nested_starts_of_a_phase_end_it_once() -> None:
    begun = data((10, 1), (20, 1), (30, 0), (40, 0), (45, 0), (50, 1), (60, 0), (70, 1))
    assert phase_spans({phase("a"): begun}, ()) == {"a": [(10, 40), (50, 60), (70, None)]}
    # It ends with the app at the latest; the next start of the app begins outside of any phase.
    repeats = (Repeat(1, 0, 0, 80), Repeat(2, 100, 100, 200))
    assert phase_spans({phase("a"): begun}, repeats) == {"a": [(10, 40), (50, 60), (70, 80)]}
    assert phase_spans({phase("a"): data((10, 0)), FPS: data((5, 1))}, ()) == {}


def test_only_samples_in_the_phase_after_the_warm_up_count() -> None:
    series = {FPS: data(*((at, float(at)) for at in range(0, 100, 10))), phase("go"): data((25, 1), (55, 0), (85, 1))}
    phases = Phases(series, (Repeat(1, 0, 40, 90),))
    [inside] = phases.summary("go")
    assert (inside.count, inside.min, inside.max) == (3, 40, 90)
    [outside] = phases.summary("!go")
    assert (outside.count, outside.min, outside.max) == (3, 60, 80)
    [message] = phases.all()
    assert (message.name, message.spans, message.summary) == ("go", ((25, 55), (85, 90)), (inside,))
    with pytest.raises(NoSuchPhase, match="no phase gone; did you mean go"):
        phases.summary("gone")
    with pytest.raises(NoSuchPhase):
        phases.summary("!gone")


@given(
    st.lists(st.tuples(st.integers(0, 100), st.sampled_from([0.0, 1.0])), max_size=20),
    st.lists(st.tuples(st.integers(0, 100), st.floats(-10, 10)), min_size=1, max_size=30),
)
def test_samples_inside_and_outside_are_all_samples(
    message: list[tuple[int, float]], points: list[tuple[int, float]]
) -> None:
    series = {FPS: data(*points), phase("a"): data(*message)}
    phases = Phases(series, (Repeat(1, 0, 10, 90),))
    [*all_of] = summarise(series, (Repeat(1, 0, 10, 90),))
    if "a" not in phase_spans(series, (Repeat(1, 0, 10, 90),)):
        return
    counts = [sum(each.count for each in phases.summary(selector)) for selector in ("a", "!a")]
    assert sum(counts) == sum(each.count for each in all_of)


def test_reported_phases_are_bounded_and_in_order() -> None:
    many = {phase(f"p{number:03}"): data((number, 1)) for number in range(100)}
    assert [each.name for each in Phases(many, ()).all()] == [f"p{number:03}" for number in range(PHASES_LIMIT)]
    events = Series("loaded", "", "custom", (), "event")
    assert app_events({events: data((7, 1), (3, 1)), FPS: data((1, 1))}) == (Mark("loaded", 3), Mark("loaded", 7))
    assert len(app_events({events: data(*((at, 1) for at in range(1000)))})) == MARKS_LIMIT


@pytest.mark.parametrize(
    ("key", "path", "statistic", "phase_name"),
    [
        ("fps.mean", "fps", "mean", ""),
        ("fps.mean@inference", "fps", "mean", "inference"),
        ("a.b.p95@!start-up", "a.b", "p95", "!start-up"),
        ("fps.mean@phase 1.5", "fps", "mean", "phase 1.5"),
        ("me@home.fps.max", "me@home.fps", "max", ""),
        ("fps.mean@", "fps", "mean@", ""),
        ("fps.mean@!", "fps", "mean@!", ""),
    ],
)
def test_keys_of_budgets(key: str, path: str, statistic: str, phase_name: str) -> None:
    parts = split_key(key)
    assert (parts.path, parts.statistic, parts.phase) == (path, statistic, phase_name)
    if statistic.isalnum():
        assert parse_budget(key, ">= 1").phase == phase_name
    else:
        with pytest.raises(ValueError, match="statistics"):
            parse_budget(key, ">= 1")
