"""Compares a run with earlier good runs of the same app and target on a comparable device. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from profileapp.judge.device import differences, incomparable_reasons
from profileapp.judge.noise import HISTORY_RUNS, expect, power_reach, share, weigh
from profileapp.judge.scatter import scatter
from profileapp.model.budget import parse_budget
from profileapp.model.run import Baseline, BaselineComparison, BudgetResult, ComparisonState, HeadlineValue, Run

ALPHA_PER_BUILD = 0.005
"""The probability of any false "worse" or "better" in a build, if noise were normally distributed. It is not: recorded
noise has longer tails, and this level keeps false alarms below one build in a hundred."""
MIN_EFFECT = 0.05
"""A fraction of the earlier mean; smaller changes are not significant. `profileapp history` finds smaller ones."""
FEW_RUNS = 12
"""Fewer earlier runs may not include the machine's rare slow moments yet, so alpha is a tenth."""
LAST_RUNS = 30
"""Limit of earlier runs to compare with: old runs say little about today's level and noise."""
REMARKS = 20
GOOD = ("passed", "over budget")
"""Verdicts of runs that may serve as a baseline: finished, and no worse than the runs before them."""

# The direction that is worse, where no budget defines it.
_LOWER_IS_BETTER = ("container.", "system.", "gpu.", "energy.")
_LOWER_IS_BETTER_UNITS = ("s", "J", "W", "bytes")
_HIGHER_IS_BETTER_UNITS = ("frames/s", "fps")


def alpha_of(build: Sequence[tuple[Run, Sequence[Run]]]) -> float:
    """The significance level for one number of these runs, such as to give ALPHA_PER_BUILD for all of them together.

    Each run is paired with the earlier runs it is compared with.
    """
    found = [
        expected
        for run, earlier in build
        for comparable in [_comparable(run, _before(run, earlier))]
        for one in run.numbers
        for expected in [expect(one.repeats, _history(one, comparable))]
        if expected
    ]
    return share(found, MIN_EFFECT, ALPHA_PER_BUILD)


def compare(run: Run, earlier: Sequence[Run], branch: str, alpha: float) -> Baseline:
    """Compares the headline numbers of a judged run with those of `earlier` runs of its app and target, in any order.

    `alpha` is the build's significance level (`alpha_of`). Runs on other kinds of devices are excluded, with a remark.
    """
    before = _before(run, earlier)
    reasons = Counter(reason for each in before for reason in ["; ".join(incomparable_reasons(run, each))] if reason)
    comparable = _comparable(run, before)
    omitted = [f"{count} run{'s' if count > 1 else ''} excluded: {reason}" for reason, count in reasons.most_common()]
    numbers = tuple(_compare(one, comparable, run.budgets, alpha) for one in run.numbers)
    if not comparable:
        return Baseline(branch, numbers, remarks=tuple(omitted[:REMARKS]))
    last = comparable[-1]
    return Baseline(
        branch=branch,
        numbers=numbers,
        run_id=last.id,
        commit=last.build.commit,
        build=f"{last.build.job}#{last.build.number}" if last.build.job else "",
        build_url=last.build.url,
        remarks=(*differences(run, last), *omitted)[:REMARKS],
    )


def is_worse(baseline: Baseline | None) -> bool:
    """Whether any number is worse."""
    return baseline is not None and any(each.state == "worse" for each in baseline.numbers)


def _before(run: Run, earlier: Sequence[Run]) -> list[Run]:
    return sorted((each for each in earlier if each.id != run.id), key=lambda each: each.started_ns)


def _comparable(run: Run, before: Sequence[Run]) -> list[Run]:
    return [each for each in before if not incomparable_reasons(run, each)][-LAST_RUNS:]


def _history(number: HeadlineValue, comparable: Sequence[Run]) -> list[tuple[float, tuple[float, ...]]]:
    """The number and its repeats in each earlier run, oldest first.

    Runs before the last one that was judged better or changed are on another level, which would look like noise: only
    the runs from that one on count, as soon as there are enough of them.
    """
    key = _key(number)
    found = [(each, one) for each in comparable for one in each.numbers if _key(one) == key]
    since = 0
    for place, (each, _) in enumerate(found):
        if _was_moved(each, key) and not (place and _was_moved(found[place - 1][0], key)):
            since = place
    kept = found[since:] if len(found) - since >= HISTORY_RUNS else found
    return [(one.value, one.repeats) for _, one in kept]


def _was_moved(run: Run, key: tuple[str, str, str]) -> bool:
    comparison = run.baseline.numbers if run.baseline else ()
    return any(_key(each) == key and each.state in ("better", "changed") for each in comparison)


def _key(one: HeadlineValue | BaselineComparison) -> tuple[str, str, str]:
    return one.title, one.statistic, one.unit


def _compare(
    number: HeadlineValue, comparable: Sequence[Run], budgets: Sequence[BudgetResult], alpha: float
) -> BaselineComparison:
    earlier = _history(number, comparable)
    comparison = BaselineComparison(*_key(number), "not enough data", number.value, len(earlier))
    expected = expect(number.repeats, earlier)
    if expected is None:
        note = f"{len(earlier)} comparable earlier runs; {HISTORY_RUNS} are needed to estimate the noise"
        return msgspec.structs.replace(comparison, note=note)
    if len(earlier) < FEW_RUNS:
        alpha /= 10
    evidence = weigh(number.value, expected, alpha)
    margin = max(evidence.margin, MIN_EFFECT * abs(evidence.mean))
    difference = number.value - evidence.mean
    state: ComparisonState = "same"
    if evidence.p_value < alpha and abs(difference) > margin:
        state = _direction(number, budgets, difference)
    builds = [repeats or (value,) for value, repeats in (*earlier, (number.value, number.repeats))]
    return msgspec.structs.replace(
        comparison,
        state=state,
        mean=evidence.mean,
        margin=margin,
        change=difference / abs(evidence.mean) if evidence.mean else None,
        p_value=evidence.p_value,
        detectable=(margin + power_reach(expected)) / abs(evidence.mean) if evidence.mean else None,
        scatter=scatter(builds, number.errors),
    )


def _direction(number: HeadlineValue, budgets: Sequence[BudgetResult], difference: float) -> ComparisonState:
    higher_is_better = _higher_is_better(number, budgets)
    if higher_is_better is None:
        return "changed"
    return "better" if (difference > 0) == higher_is_better else "worse"


def _higher_is_better(number: HeadlineValue, budgets: Sequence[BudgetResult]) -> bool | None:
    """From a budget on the same series, else from the name and unit; None if neither defines a direction."""
    path = number.title.replace("[", ".").replace(",", ".").rstrip("]")
    for each in budgets:
        try:
            budget = parse_budget(each.key, each.condition)
        except ValueError:
            continue
        if budget.path in (path, number.title.partition("[")[0]):
            return budget.comparison in (">", ">=")
    if number.unit in _HIGHER_IS_BETTER_UNITS or "fps" in number.title.lower():
        return True
    if number.title.startswith(_LOWER_IS_BETTER) or number.unit in _LOWER_IS_BETTER_UNITS:
        return False
    return None
