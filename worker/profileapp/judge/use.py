"""The resource use of an app, from a judged run, as the basis of a proposal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from profileapp.judge.cold_start import cold_start
from profileapp.judge.verdict import JudgedRun
from profileapp.model.run import Repeat, Run, SeriesSummary
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData


class RepeatUse(msgspec.Struct, frozen=True):
    """One repeat. `memory_peak_bytes` is measured by the kernel; `cold_start_s` ends with the first unit of work."""

    duration_s: float
    memory_peak_bytes: int | None = None
    cold_start_s: float | None = None
    ended_itself: bool = False


class Work(msgspec.Struct, frozen=True):
    """The performance of the app: the mean of the series `title`, in `unit`."""

    title: str
    unit: str
    mean: float
    is_rate: bool
    """Whether it is a rate per second (higher is better), not the duration of one unit of work in s."""

    @property
    def unit_s(self) -> float | None:
        """Seconds per unit of work; None if no work was done."""
        return (1 / self.mean if self.is_rate else self.mean) if self.mean > 0 else None


class Use(msgspec.Struct, frozen=True):
    """The use of an app over all counted repeats. None is unknown; `missing` has the reasons, by `memory`, `cpu`
    and `gpu_memory`.

    `cpu_mean` and `cpu_high` (the highest sample) are in cores. `growth_bytes_per_s` is None where memory does not
    grow. `shares_memory`: CPU and GPU have one memory, and the app's cgroup does not count what the GPU has.
    """

    repeats: tuple[RepeatUse, ...] = ()
    cpu_mean: float | None = None
    cpu_high: float | None = None
    cpu_count: int = 0
    cache_bytes: int = 0
    growth_bytes_per_s: float | None = None
    gpu_memory_bytes: int | None = None
    shares_memory: bool = False
    work: Work | None = None
    missing: Mapping[str, str] = {}


def use_of(judged: JudgedRun) -> Use:
    """The resource use in a judged run. Pure, except that samples may be read from a file."""
    run = judged.run
    repeats = [each for each in run.repeats if not each.traced and each.ended_ns]
    summaries = {one.name: one for one in run.summary if not one.labels}
    missing = {
        key: reason
        for key, reason in (
            ("memory", _memory_missing(run, repeats)),
            ("cpu", "" if "container.cpu.util" in summaries else _metric_missing(run, "container")),
            ("gpu_memory", _metric_missing(run, "gpu-memory")),
        )
        if reason
    }
    cpu = summaries.get("container.cpu.util")
    cache = summaries.get("container.memory.cache")
    gpu = [one.max for one in run.summary if one.name == "gpu.memory.allocated"]
    return Use(
        repeats=tuple(_repeat_use(each, judged.series) for each in repeats),
        cpu_mean=cpu.mean / 100 if cpu else None,
        cpu_high=cpu.max / 100 if cpu else None,
        cpu_count=run.agent.cpu_count,
        cache_bytes=int(cache.max) if cache else 0,
        growth_bytes_per_s=_growth_bytes_per_s(run),
        gpu_memory_bytes=int(sum(gpu)) if gpu and max(gpu) > 0 else None,
        shares_memory=run.agent.jetson is not None,
        work=work_of(run.summary),
        missing=missing,
    )


def work_of(summaries: Sequence[SeriesSummary]) -> Work | None:
    """The app's own performance: a frame rate, else another rate, else a timer; None if it reports none."""
    own = [one for one in summaries if one.metric == "custom" and one.mean > 0]
    own.sort(key=lambda one: ("fps" not in one.name.lower(), one.name))
    rates = [one for one in own if "fps" in one.name.lower() or one.unit.endswith("/s")]
    for one in [*rates, *(each for each in own if each.kind == "timer")][:1]:
        labels = ",".join(one.labels.values())
        return Work(f"{one.name}[{labels}]" if labels else one.name, one.unit, one.mean, bool(rates))
    return None


def _repeat_use(repeat: Repeat, series: Mapping[Series, SeriesData]) -> RepeatUse:
    start = cold_start(series, [repeat])
    peak = repeat.totals.memory_peak_bytes if repeat.totals and repeat.totals.source.startswith("cgroup") else None
    return RepeatUse(
        duration_s=(repeat.ended_ns - repeat.started_ns) / 1e9,
        memory_peak_bytes=peak,
        cold_start_s=start[0].mean if start else None,
        ended_itself=repeat.exit_reason == "completed",
    )


def _growth_bytes_per_s(run: Run) -> float | None:
    found = next((one for one in run.growth if one.title == "container.memory.used"), None)
    return found.per_hour / 3600 if found else None


def _memory_missing(run: Run, repeats: Sequence[Repeat]) -> str:
    if not repeats:
        return "no repeat has ended"
    without = [each for each in repeats if not each.totals or each.totals.memory_peak_bytes is None]
    if len(without) < len(repeats):
        return ""
    totals = next((each.totals for each in without if each.totals), None)
    reasons = totals.missing if totals else {}
    return (
        reasons.get("memory_peak") or reasons.get("all") or _metric_missing(run, "container") or "it was not recorded"
    )


def _metric_missing(run: Run, metric: str) -> str:
    """Why a run has no values of a metric; "" if it has some."""
    found = [each for each in run.metrics if each.metric == metric]
    if not found:
        return f"the metric {metric} was not asked for"
    return "" if any(each.state == "measured" for each in found) else found[0].reason or "it was not measured"
