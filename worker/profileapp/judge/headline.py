"""The few numbers that summarise a target: resource use, and how well the app performs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from profileapp.judge.cold_start import COLD_START
from profileapp.model.run import SeriesSummary

CUSTOM_HEADLINES = 2
"""Limit of app-reported series among the headline numbers."""


class Headline(msgspec.Struct, frozen=True):
    """One number of a target: `statistic` of the series `series_title`, in `unit`."""

    label: str
    value: float
    unit: str
    series_title: str
    statistic: str


# (label, series, statistic): the app's own use first; the device's if the app's is unavailable.
_COST = (
    (("CPU", "container.cpu.util", "mean"), ("device CPU", "system.cpu.util", "mean")),
    (("CPU time", "container.cpu.time", "mean"),),
    (
        # The kernel's own peak, which includes the time between samples; else the largest sample.
        ("memory peak", "container.memory.peak", "max"),
        ("memory peak (sampled)", "container.memory.used", "max"),
        ("device memory peak (sampled)", "system.memory.used", "max"),
    ),
)

# The same for GPUs. Of several, the one with the highest number: an app that uses one leaves the others idle.
_GPU_COST = (
    (("GPU", "gpu.util", "mean"), ("GPU", "system.gpu.util", "mean")),
    (("GPU memory peak", "gpu.memory.allocated", "max"), ("device GPU memory peak", "gpu.memory.used", "max")),
)

_ENERGY_PER_UNIT = "energy.total.per."


def headlines(summaries: Sequence[SeriesSummary]) -> tuple[Headline, ...]:
    """Cost first, that of CPU and memory before the GPU's; then the app's own series: frame rates, then by name.

    The cold start comes last.
    """
    unlabelled = {summary.name: summary for summary in summaries if not summary.labels}
    chosen = [
        _headline(label, unlabelled[name], statistic)
        for choices in _COST
        for label, name, statistic in [next((each for each in choices if each[1] in unlabelled), choices[0])]
        if name in unlabelled
    ]
    chosen += [number for choices in _GPU_COST if (number := _of_the_busiest(choices, summaries))]
    per_unit = [one for one in summaries if one.name.startswith(_ENERGY_PER_UNIT)][:1]
    chosen += [_headline(f"energy per {one.name.removeprefix(_ENERGY_PER_UNIT)}", one, "mean") for one in per_unit]
    own = [summary for summary in summaries if summary.metric == "custom" and summary.kind != "counter"]
    # Derived rates follow the series that the app reported itself.
    own.sort(
        key=lambda each: ("fps" not in each.name.lower(), each.name.endswith(".rate"), each.kind == "timer", each.name)
    )
    chosen += [_headline(summary.name, summary, "mean") for summary in own[:CUSTOM_HEADLINES]]
    if COLD_START in unlabelled:
        chosen.append(_headline("cold start", unlabelled[COLD_START], "mean"))
    return tuple(chosen)


def _of_the_busiest(choices: Sequence[tuple[str, str, str]], summaries: Sequence[SeriesSummary]) -> Headline | None:
    for label, name, statistic in choices:
        found = [one for one in summaries if one.name == name and set(one.labels) <= {"gpu"}]
        if found:
            return _headline(label, max(found, key=lambda one: float(getattr(one, statistic))), statistic)
    return None


def _headline(label: str, summary: SeriesSummary, statistic: str) -> Headline:
    title = summary.name + (f"[{','.join(summary.labels.values())}]" if summary.labels else "")
    return Headline(label, float(getattr(summary, statistic)), summary.unit, title, statistic)
