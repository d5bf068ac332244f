"""Compares a load's own account with the measurements of its run. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from profileapp.judge.verdict import JudgedRun
from profileapp.judge.weights import weighted_in
from profileapp.model.run import APP_FAILURES
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData
from profileapp.selftest.load import Account, Kind, Load, Quantity
from profileapp.selftest.program import PREFIX

ERROR_LIMIT = 0.01
_TICK_S = 0.01
_TICKING = {"container.cpu.util"}
"""Series whose source has the resolution of clock ticks under the process runtime."""

State = Literal["true", "off", "skipped", "disturbed"]


class Result(msgspec.Struct, frozen=True):
    """One compared number. `error` is relative to the truth (0.01: 1 % more); `reason` is why there is none.

    `allowed` is the tolerated difference, in `unit`.
    """

    load: str
    what: str
    unit: str
    state: State
    truth: float | None = None
    measured: float | None = None
    error: float | None = None
    allowed: float | None = None
    reason: str = ""


class _Missing(Exception):
    """A number was not measured; the text is the reason from the run."""


class _Lost(Exception):
    """A number is missing although its metric was measured."""


def read_account(log: str) -> Account | None:
    """The account that the load printed; None if it printed none."""
    lines = [line for line in log.splitlines() if line.startswith(PREFIX)]
    if not lines:
        return None
    try:
        found = msgspec.json.decode(lines[-1].removeprefix(PREFIX), type=_Account)
    except msgspec.DecodeError:
        return None
    return Account(found.values, found.spans, found.disturbed, found.skipped)


class _Account(msgspec.Struct, frozen=True):
    values: dict[str, float]
    spans: dict[str, tuple[int, int]] = {}
    disturbed: str = ""
    skipped: str = ""


def compare(load: Load, judged: JudgedRun) -> tuple[Result, ...]:
    """One result per quantity of a load that ran."""
    account = read_account(judged.app_log_tail)
    if account is None or judged.run.exit_reason in APP_FAILURES:
        return unmeasured(load, "off", f"the load did not end as it should: {judged.run.message}")
    if account.skipped:
        return unmeasured(load, "skipped", account.skipped)
    if account.disturbed:
        return unmeasured(load, "disturbed", account.disturbed)
    return tuple(_compare(load, quantity, account, judged) for quantity in load.quantities)


def unmeasured(load: Load, state: State, reason: str) -> tuple[Result, ...]:
    """Results without a number, for one reason."""
    return tuple(Result(load.name, one.what, one.unit, state, reason=reason) for one in load.quantities)


def _compare(load: Load, quantity: Quantity, account: Account, judged: JudgedRun) -> Result:
    truth = account.values[quantity.truth]
    try:
        measured = _KINDS[quantity.kind](quantity, account, judged)
    except _Missing as reason:
        return Result(load.name, quantity.what, quantity.unit, "skipped", truth, reason=str(reason))
    except _Lost as reason:
        return Result(load.name, quantity.what, quantity.unit, "off", truth, reason=str(reason))
    allowed = max(abs(truth) * ERROR_LIMIT, quantity.resolution, _tick(quantity, account, judged))
    difference = measured - truth
    return Result(
        load.name,
        quantity.what,
        quantity.unit,
        "true" if abs(difference) <= allowed else "off",
        truth,
        measured,
        difference / truth if truth else None,
        allowed,
    )


def _tick(quantity: Quantity, account: Account, judged: JudgedRun) -> float:
    """The effect of one clock tick on the value, if its source counts in ticks; else 0."""
    source = next((one.source for one in judged.run.metrics if one.metric == "container"), "")
    if quantity.series in _TICKING and source == "processes":
        return _TICK_S / account.values["wall_s"] * 100
    return 0.0


def _statistic(quantity: Quantity, _: Account, judged: JudgedRun) -> float:
    for summary in judged.run.summary:
        if summary.name == quantity.series and not summary.labels:
            return float(getattr(summary, quantity.statistic))
    raise _absence(quantity, judged)


def _total(quantity: Quantity, _: Account, judged: JudgedRun) -> float:
    for repeat in judged.run.repeats:
        value = getattr(repeat.totals, quantity.series, None) if repeat.totals else None
        if value is not None:
            return float(value)
    raise _absence(quantity, judged)


def _moved(quantity: Quantity, __: Account, judged: JudgedRun) -> float:
    """The total if there is one (`statistic` is its field), else the integral of a rate over time."""
    for repeat in judged.run.repeats:
        value = getattr(repeat.totals, quantity.statistic or "-", None) if repeat.totals else None
        if value is not None:
            return float(value)
    series, data = _data(quantity, judged)
    spans = [(repeat.measured_from_ns, repeat.ended_ns) for repeat in judged.run.repeats]
    weighted = weighted_in(series, data, spans)
    if not weighted.values:
        raise _absence(quantity, judged)
    if weighted.weights is None:
        return math.fsum(weighted.values) * weighted.typical_ns / 1e9
    return math.fsum(value * weight / 1e9 for value, weight in zip(weighted.values, weighted.weights, strict=True))


def _growth(quantity: Quantity, account: Account, judged: JudgedRun) -> float:
    """The mean while the load held it, minus the mean before."""
    data = _data(quantity, judged)[1]
    return _mean_in(data, account.spans["held"], quantity) - _mean_in(data, account.spans["before"], quantity)


def _peak_growth(quantity: Quantity, account: Account, judged: JudgedRun) -> float:
    """The peak of the whole run, minus the peak before the load began."""
    data = _data(quantity, judged)[1]
    return max(data.values[:]) - _mean_in(data, account.spans["before"], quantity)


def _rise(quantity: Quantity, _: Account, judged: JudgedRun) -> float:
    """The last value of a running total."""
    data = _data(quantity, judged)[1]
    return max(data.values[:])


_KINDS: Mapping[Kind, Callable[[Quantity, Account, JudgedRun], float]] = {
    "statistic": _statistic,
    "total": _total,
    "moved": _moved,
    "growth": _growth,
    "peak growth": _peak_growth,
    "rise": _rise,
}


def _data(quantity: Quantity, judged: JudgedRun) -> tuple[Series, SeriesData]:
    for series, data in judged.series.items():
        if series.name == quantity.series and (not series.labels or quantity.series.startswith("gpu.")) and len(data):
            return series, data
    raise _absence(quantity, judged)


def _mean_in(data: SeriesData, span: tuple[int, int], quantity: Quantity) -> float:
    first, end = bisect_left(data.times_ns, span[0]), bisect_right(data.times_ns, span[1])
    values = data.values[first:end]
    if not values:
        raise _Lost(f"{quantity.series} has no sample in a phase of the load")
    return math.fsum(values) / len(values)


def _absence(quantity: Quantity, judged: JudgedRun) -> _Missing | _Lost:
    """Why there is no such number: the reason of the metric or of the totals."""
    metrics = [one for one in judged.run.metrics if one.reason and quantity.series.startswith(one.metric.split("-")[0])]
    if metrics:
        return _Missing(metrics[0].reason)
    missing = next((repeat.totals.missing for repeat in judged.run.repeats if repeat.totals), {})
    for part in (
        "all",
        "memory_peak" if "peak" in quantity.series else "-",
        "io" if ".io." in quantity.series else "-",
    ):
        if part in missing:
            return _Missing(missing[part])
    return _Lost(f"{quantity.series} was not recorded")
