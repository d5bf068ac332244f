"""Groups of series that share a plot."""

from __future__ import annotations

from profileapp.judge.budget import judge_budget
from profileapp.judge.verdict import JudgedRun
from profileapp.model.budget import parse_budget
from profileapp.model.series import Series, series
from profileapp.report.plot.families import LINE_LIMIT, PLOT_LIMIT, Family, families


def grouped(*found: Series, largest: dict[Series, float] | None = None) -> list[Family]:
    return families(found, largest or dict.fromkeys(found, 1.0), ())[0]


def test_the_plots_of_a_run(samples: list[JudgedRun]) -> None:
    found, omitted = families(list(samples[0].series), dict.fromkeys(samples[0].series, 1.0), ())
    assert omitted == 0
    assert [family.title for family in found] == [
        "fps",
        "inference",
        "inference.percentile",
        "objects",
        "objects.rate",
        "Container CPU",
        "Container memory",
        "Container I/O",
        "Container network",
        "Container pressure",
        "Container processes",
        "System CPU use",
        "System CPU frequency",
        "System memory",
        "System swap used",
        "System temperature",
    ]
    assert len({family.key for family in found}) == len(found)


def test_usage_comes_first() -> None:
    [memory] = grouped(
        *(series(f"container.memory.{name}", "bytes", "container") for name in ("cache", "peak", "used"))
    )
    assert [line.label for line in memory.lines] == ["used", "cache", "peak"]


def test_a_family_with_two_units_has_two_plots() -> None:
    found = grouped(series("system.cpu.util", "%", "system"), series("system.cpu.frequency", "Hz", "system"))
    assert sorted(family.title for family in found) == ["System CPU frequency", "System CPU use"]


def test_names_from_the_app_are_not_split() -> None:
    found = grouped(series("stage.a.time", "s", "custom"), series("stage.b.time", "s", "custom"))
    assert [family.title for family in found] == ["stage.a.time", "stage.b.time"]


def test_one_name_with_labels_is_one_plot() -> None:
    [found] = grouped(
        series("queue", "", "custom"),
        series("queue", "", "custom", camera="left"),
        series("queue", "", "custom", n="2"),
    )
    assert [line.label for line in found.lines] == ["all", "n 2", "left"]


def test_many_lines_are_reduced_to_the_sum_and_the_largest() -> None:
    cores = [series("system.cpu.util", "%", "system", core=str(core)) for core in range(64)]
    whole = series("system.cpu.util", "%", "system")
    largest = {core: float(number) for number, core in enumerate(cores)} | {whole: 0.5}
    [found] = grouped(*cores, whole, largest=largest)
    assert len(found.lines) == LINE_LIMIT
    assert found.lines[0].series == whole
    assert found.lines[-1].series == cores[63]
    assert found.omitted == 65 - LINE_LIMIT


def test_the_number_of_plots_is_bounded() -> None:
    many = [series(f"name{number}", "", "custom") for number in range(5000)]
    found, omitted = families(many, dict.fromkeys(many, 1.0), ())
    assert (len(found), omitted) == (PLOT_LIMIT, 5000 - PLOT_LIMIT)


def test_series_with_a_budget_are_always_drawn(samples: list[JudgedRun]) -> None:
    many = [series(f"name{number:04d}", "", "custom") for number in range(100)]
    budget = judge_budget(parse_budget("name0099.mean", "> 1"), samples[0].run.summary)
    assert families(many, dict.fromkeys(many, 1.0), [budget])[0][0].title == "name0099"


def test_frame_rates_come_first_as_in_the_headline_values(samples: list[JudgedRun]) -> None:
    budget = judge_budget(parse_budget("accuracy.last", ">= 100 %"), samples[0].run.summary)
    found = [series(name, "", "custom") for name in ("accuracy", "camera.fps", "zoom")]
    ordered, _ = families(found, dict.fromkeys(found, 1.0), [budget])
    assert [family.title for family in ordered] == ["camera.fps", "accuracy", "zoom"]


def test_limits_of_budgets_are_drawn_in_their_plots(samples: list[JudgedRun]) -> None:
    run = samples[1].run
    found, _ = families(list(samples[1].series), dict.fromkeys(samples[1].series, 1.0), run.budgets)
    limits = {family.title: family.limits for family in found if family.limits}
    assert {title: [(each.label, each.is_met) for each in each_limits] for title, each_limits in limits.items()} == {
        "fps": [("budget: mean ≥ 10", True)],
        "Container memory": [("budget: max of peak ≤ 400 MiB", False)],
        "System temperature": [("budget: max of temperature < 80 °C", True)],
    }
    assert limits["Container memory"][0].value == 400 * 1024**2


def test_a_budget_without_value_or_on_a_spread_has_no_line(samples: list[JudgedRun]) -> None:
    budgets = [
        judge_budget(parse_budget(key, "< 3"), samples[0].run.summary)
        for key in ("fps.stddev", "fps.count", "fsp.mean")
    ]
    found, _ = families(list(samples[0].series), dict.fromkeys(samples[0].series, 1.0), budgets)
    assert not any(family.limits for family in found)
