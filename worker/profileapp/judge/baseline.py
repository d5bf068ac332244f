"""Holds a run against earlier good runs of the same app and target on a comparable device. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from profileapp.judge.device import differences, unlike
from profileapp.judge.noise import HISTORY_RUNS, weigh
from profileapp.model.budget import parse_budget
from profileapp.model.run import Baseline, BudgetResult, Held, HeldState, Number, Run

ALPHA_PER_BUILD = 0.005
"""How often a build may have any number called worse or better though nothing changed, were noise normal. It is not:
recorded noise has longer tails, and this keeps such builds below one in a hundred."""
MIN_EFFECT = 0.05
"""Of the earlier mean; a smaller change is not called worse or better. `profileapp history` finds smaller ones."""
LAST_RUNS = 15
"""So many earlier runs at the most: what was long ago says little of the noise, and of the level, of today."""
REMARKS = 20
GOOD = ("passed", "over budget")
"""Verdicts of runs that numbers are held against: those that came to their end, and were no worse than before."""

# Which way is worse, where no budget says it.
_LOWER_IS_BETTER = ("container.", "system.", "gpu.", "energy.")
_LOWER_IS_BETTER_UNITS = ("s", "J", "W", "bytes")
_HIGHER_IS_BETTER_UNITS = ("frames/s", "fps")


def hold(run: Run, earlier: Sequence[Run], branch: str, numbers_in_build: int) -> Baseline:
    """Holds the headline numbers of a judged run against those of `earlier` ones of its app and target, in any order.

    False alarms are shared out over all `numbers_in_build` (Bonferroni). Runs on devices that are not comparable are
    left out, with a remark.
    """
    before = sorted((each for each in earlier if each.id != run.id), key=lambda each: each.started_ns)
    reasons = Counter(reason for each in before for reason in ["; ".join(unlike(run, each))] if reason)
    comparable = [each for each in before if not unlike(run, each)][-LAST_RUNS:]
    left_out = [f"{count} run{'s' if count > 1 else ''} left out: {reason}" for reason, count in reasons.most_common()]
    alpha = ALPHA_PER_BUILD / max(1, numbers_in_build)
    numbers = tuple(_hold(one, comparable, run.budgets, alpha) for one in run.numbers)
    if not comparable:
        return Baseline(branch, numbers, remarks=tuple(left_out[:REMARKS]))
    last = comparable[-1]
    return Baseline(
        branch=branch,
        numbers=numbers,
        run_id=last.id,
        commit=last.build.commit,
        build=f"{last.build.job}#{last.build.number}" if last.build.job else "",
        build_url=last.build.url,
        remarks=(*differences(run, last), *left_out)[:REMARKS],
    )


def is_worse(baseline: Baseline | None) -> bool:
    """Whether any number is."""
    return baseline is not None and any(each.state == "worse" for each in baseline.numbers)


def _hold(number: Number, comparable: Sequence[Run], budgets: Sequence[BudgetResult], alpha: float) -> Held:
    key = (number.title, number.statistic, number.unit)
    earlier = [
        (one.value, one.repeats)
        for each in comparable
        for one in each.numbers
        if (one.title, one.statistic, one.unit) == key
    ]
    held = Held(*key, "not enough data", number.value, len(earlier))
    evidence = weigh(number.value, number.repeats, earlier, alpha)
    if evidence is None:
        note = f"{len(earlier)} comparable earlier runs; it takes {HISTORY_RUNS} to tell what is noise"
        return msgspec.structs.replace(held, note=note)
    margin = max(evidence.margin, MIN_EFFECT * abs(evidence.mean))
    difference = number.value - evidence.mean
    state: HeldState = "same"
    if evidence.p_value < alpha and abs(difference) > margin:
        state = _direction(number, budgets, difference)
    return msgspec.structs.replace(
        held,
        state=state,
        mean=evidence.mean,
        margin=margin,
        change=difference / abs(evidence.mean) if evidence.mean else None,
        p_value=evidence.p_value,
    )


def _direction(number: Number, budgets: Sequence[BudgetResult], difference: float) -> HeldState:
    higher_is_better = _higher_is_better(number, budgets)
    if higher_is_better is None:
        return "changed"
    return "better" if (difference > 0) == higher_is_better else "worse"


def _higher_is_better(number: Number, budgets: Sequence[BudgetResult]) -> bool | None:
    """As a budget on the same series has it; else by its name and unit; None where neither tells."""
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
