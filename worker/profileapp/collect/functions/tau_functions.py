"""The table of functions from TAU's profiles."""

from __future__ import annotations

import re
from collections.abc import Sequence

from profileapp.collect.functions.tau_profile import TauProfile, TauTimer
from profileapp.model.table import FunctionRow

_SAMPLE = "[SAMPLE] "
_SUMMARY = "[SUMMARY] "
# Sums of event-based sampling for each caller: the samples themselves have separate rows.
_OF_CALLERS = ("[CONTEXT]", "[UNWIND]", "[INTERMEDIATE]", "[CALLSITE]")
# `{main.cpp} {31,0}`, `{main.f90} {1,1}-{83,11}`, `{capi.cc} {10}`, `{app.py}{3}`, `{capi.cc}`
_PLACE = re.compile(r"\{([^{}]*)\}\s*(?:\{(\d{1,9})[^{}]*\}.*)?")


def tau_functions(metrics: Sequence[TauProfile]) -> tuple[FunctionRow, ...]:
    """Functions by exclusive time, the largest first; empty if no metric of `metrics` is a time.

    Of several clocks the wall clock (TIME) is used, else the first by name. Callpaths and values of parameters are
    parts of functions that have a row, so they are omitted. Sampled functions are listed next to the instrumented ones:
    their time is part of the exclusive time of the instrumented function that was active when the sample was taken.
    """
    clocks = sorted((each for each in metrics if each.is_time), key=lambda each: (each.metric != "TIME", each.metric))
    if not clocks:
        return ()
    profile = clocks[0]
    timers = [
        timer
        for timer in profile.timers
        if not timer.is_callpath and not timer.is_parameter and not timer.name.startswith(_OF_CALLERS)
    ]
    samples = [timer for timer in timers if timer.name.startswith(_SAMPLE)]
    # Summaries are the sums of samples over a function's lines, and may exist without the samples.
    samples = samples or [timer for timer in timers if timer.name.startswith(_SUMMARY)]
    rows = [_row(timer, profile.total) for timer in timers if not timer.name.startswith((_SAMPLE, _SUMMARY))]
    rows += _sampled_rows(samples, profile.total)
    return tuple(sorted(rows, key=lambda row: (-(row.exclusive_s or 0.0), row.name, row.file)))


def _row(timer: TauTimer, total: float) -> FunctionRow:
    name, file, line = _split_name(timer.name)
    return FunctionRow(
        metric="tau",
        name=name,
        self_share=_share(timer.exclusive, total),
        total_share=_share(timer.inclusive, total),
        file=file,
        line=line,
        group=" | ".join(timer.groups),
        calls=round(timer.calls),
        exclusive_s=timer.exclusive / 1e6,
        inclusive_s=timer.inclusive / 1e6,
    )


def _sampled_rows(timers: Sequence[TauTimer], total: float) -> list[FunctionRow]:
    """One row per function, with the line that has the most time."""
    functions: dict[tuple[str, str], list[tuple[TauTimer, int]]] = {}
    for timer in timers:
        name, file, line = _split_name(timer.name.removeprefix(_SAMPLE).removeprefix(_SUMMARY))
        functions.setdefault((name, file), []).append((timer, line))
    rows = []
    for (name, file), parts in functions.items():
        hottest, line = max(parts, key=lambda part: part[0].exclusive)
        exclusive = sum(timer.exclusive for timer, _ in parts)
        rows.append(
            FunctionRow(
                metric="tau",
                name=name,
                self_share=_share(exclusive, total),
                file=file,
                line=line,
                group=" | ".join(hottest.groups),
                samples=round(sum(timer.calls for timer, _ in parts)),
                exclusive_s=exclusive / 1e6,
            )
        )
    return rows


def _split_name(text: str) -> tuple[str, str, int]:
    """Name, file and line of `main [{/src/main.cpp} {31,0}] [THROTTLED]`; "" and 0 for an unknown file and line.

    Text after the location is appended to the name: a throttled function's time covers only its first calls.
    """
    front, bracket, rest = text.rpartition("[{")
    inside, closing, behind = rest.partition("]")
    place = _PLACE.fullmatch("{" + inside)
    if not bracket or not closing or not place:
        return text, "", 0
    # The instrumentor appends the language to the names of C functions.
    name = front.strip()
    name = name.removesuffix(" C") if name.endswith(") C") else name
    return " ".join(filter(None, (name, behind.strip()))), place[1], int(place[2] or 0)


def _share(part: float, total: float) -> float:
    return min(1.0, part / total) if total > 0 else 0.0
