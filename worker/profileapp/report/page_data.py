"""The content of pages, tables and test cases for a run, as texts and rows; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from profileapp.judge.headline import Headline
from profileapp.judge.verdict import JudgedRun
from profileapp.model.budget import STATISTICS
from profileapp.model.run import BudgetResult, BudgetState, Event, Jetson, Phase, Repeat, Run, SeriesSummary
from profileapp.model.topology import Node, app_node, network_node, service_node
from profileapp.report.format import ABSENT, moment, number, quantity, scale_of

SYMBOLS = {
    "passed": "✔",
    "over budget": "▲",
    "worse": "▼",
    "same": "=",
    "better": "✔",
    "changed": "▲",
    "not enough data": "…",
    "app failed": "✘",
    "not measured": "✘",
    "aborted": "■",
    "incomplete": "…",
    "met": "✔",
    "violated": "▲",
    "not-measured": "✘",
    "measured": "✔",
    "skipped": "–",
    "failed": "✘",
}
"""A sign next to each verdict and state, so that they can be distinguished without colour."""

STATISTICS_SHOWN = tuple(name for name in STATISTICS if name != "count")
METRIC_ORDER = ("custom", "container", "gpu-summary", "gpu-memory", "energy", "system")
"""App-reported metrics first, then the app's cost, then the whole device."""


_START_UP_SHARE = 0.05
"""A start-up that takes less of a repeat hardly changes its mean."""

PHASE_ROWS_LIMIT = 60
"""Limit of rows in the table of each phase; run.json has all."""


class StatisticsRow(msgspec.Struct, frozen=True):
    """A series' row: all of `cells` are in `unit`, in the order of STATISTICS_SHOWN.

    `intervals` has, for the app's own percentiles, where each probably lies (`24.1 to 25.3`, `above 24.1`), else "".
    """

    name: str
    labels: str
    unit: str
    cells: tuple[str, ...]
    count: int
    intervals: tuple[str, ...]


def headline_labels(judged: Sequence[JudgedRun]) -> tuple[str, ...]:
    """Labels of the headline numbers of all targets, in their order, each once."""
    return tuple(dict.fromkeys(headline.label for each in judged for headline in each.headline))


def headline_state(judged: JudgedRun, headline: Headline) -> BudgetState | None:
    """The result of the budget on exactly this number; None if there is none."""
    name, _, labels = headline.series_title.rstrip("]").partition("[")
    keys = {f"{name}.{headline.statistic}", f"{name}.{labels.replace(',', '.')}.{headline.statistic}"}
    states = [budget.state for budget in judged.run.budgets if budget.key in keys]
    return "violated" if "violated" in states else next(iter(states), None)


def headline_range(judged: JudgedRun, headline: Headline) -> str:
    """`24.6 to 31 frames/s` next to a mean that varies; "" next to any other statistic."""
    found = [each for each in judged.run.summary if _title(each) == headline.series_title]
    if headline.statistic != "mean" or not found or found[0].min == found[0].max:
        return ""
    factor, unit = scale_of(headline.unit, max(abs(found[0].min), abs(found[0].max)))
    return f"{number(found[0].min / factor)} to {number(found[0].max / factor)} {unit}".rstrip()


def measured_repeats(run: Run) -> tuple[Repeat, ...]:
    """The repeats that count, without the traced one and those that the device disturbed."""
    return tuple(each for each in run.repeats if not each.traced and not each.excluded)


def remarks(judged: JudgedRun) -> tuple[str, ...]:
    """Caveats about the numbers: throttling of the device, unreadable or incomplete data, warnings."""
    return (
        *event_lines(judged.run),
        *(f"repeat {each.index} does not count: {each.excluded}" for each in judged.run.repeats if each.excluded),
        *settling_lines(judged.run),
        *growth_lines(judged.run),
        *judged.problems,
        *judged.run.warnings,
    )


def settling_lines(run: Run) -> tuple[str, ...]:
    """What a reader must know of start-up and steady state: what never settled, and a start-up that counts."""
    repeats = {each.index: each for each in measured_repeats(run)}
    never = [each for each in run.steady if each.state == "never settled"]
    lines = []
    if never and (run.target.warmup_auto or never[0].title != "container.cpu.util"):
        which = "" if len(repeats) == 1 else f" in {_counted(len(never), 'repeat')} of {len(repeats)}"
        lines.append(f"{never[0].title} never settled{which}: its mean depends on how long the app ran")
    late = [
        (each, each.after_s)
        for each in run.steady
        if each.after_s and each.repeat in repeats and _counts(each.after_s, repeats[each.repeat])
    ]
    if late:
        one, after_s = max(late, key=lambda each: each[1])
        lines.append(
            f"the first {quantity(after_s, 's')} of {one.title} are a start-up, and count; "
            "`warmup: auto` excludes the start-up of each repeat"
        )
    return tuple(lines)


def growth_lines(run: Run) -> tuple[str, ...]:
    """`container.memory.used grows by 1.02 MiB an hour (0.95 to 1.1 MiB)`."""
    return tuple(
        f"{each.title} grows by {quantity(each.per_hour, each.unit)} an hour "
        f"({quantity(each.low, each.unit)} to {quantity(each.high, each.unit)})"
        for each in run.growth
    )


def _counts(after_s: float, repeat: Repeat) -> bool:
    """Whether a start-up of this length is in the numbers of a repeat, and long enough to matter."""
    lasted_s = (repeat.ended_ns - repeat.started_ns) / 1e9
    excluded_s = (repeat.measured_from_ns - repeat.started_ns) / 1e9
    return after_s - excluded_s > _START_UP_SHARE * lasted_s > 0


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def event_lines(run: Run) -> tuple[str, ...]:
    """One line per kind of event: `the device was throttled by heat: 3 times, 12 s in total, first after 40 s`."""
    end_ns = max((each.ended_ns for each in run.repeats), default=0)
    kinds: dict[str, list[Event]] = {}
    for event in run.events:
        kinds.setdefault(event.text, []).append(event)
    return tuple(_event_line(text, events, run.started_ns, end_ns) for text, events in kinds.items())


def _event_line(text: str, events: Sequence[Event], start_ns: int, end_ns: int) -> str:
    lasted_s = sum(max(0, (each.ended_ns or end_ns) - each.started_ns) for each in events) / 1e9
    after = f"after {quantity(max(0.0, (events[0].started_ns - start_ns) / 1e9), 's')}"
    if not lasted_s:
        return f"{text}, {after}"
    times = "once" if len(events) == 1 else f"{len(events)} times"
    return f"{text}: {times}, {quantity(lasted_s, 's')} in total, first {after}"


def phase_note(phase: Phase, run: Run) -> str:
    """`3 times, 12 s in total`."""
    end_ns = max((each.ended_ns for each in run.repeats), default=0)
    lasted_s = sum(max(0, (to_ns or end_ns) - from_ns) for from_ns, to_ns in phase.spans) / 1e9
    times = "once" if len(phase.spans) == 1 else f"{len(phase.spans)} times"
    return f"{times}, {quantity(lasted_s, 's')} in total"


def duration_s(judged: JudgedRun) -> float:
    """The app's run time over all measured repeats; a repeat without a recorded end counts up to its last sample."""
    last_ns = max((data.times_ns[-1] for one, data in judged.series.items() if one.metric != "custom"), default=0)
    return sum(max(0, (each.ended_ns or last_ns) - each.started_ns) for each in measured_repeats(judged.run)) / 1e9


def budget_text(budget: BudgetResult) -> str:
    """`15.2 frames/s, limit >= 10, 5.2 frames/s to spare`."""
    if budget.state == "not-measured":
        return budget.message
    return f"{quantity(budget.measured, budget.unit)}, limit {budget.condition}, {margin_text(budget)}"


def margin_text(budget: BudgetResult) -> str:
    """`5.2 frames/s to spare`, `missed by 66.7 MiB`."""
    if budget.margin is None:
        return ABSENT
    margin = quantity(abs(budget.margin), budget.unit)
    return f"{margin} to spare" if budget.state == "met" else f"missed by {margin}"


def statistics(summaries: Sequence[SeriesSummary]) -> tuple[StatisticsRow, ...]:
    """One row per series, app-reported ones first. Of a counter, a running total, only its last value is shown."""
    order = sorted(summaries, key=lambda each: (_place(each.metric), each.name, sorted(each.labels.items())))
    return tuple(_statistics_row(each) for each in order)


def _statistics_row(summary: SeriesSummary) -> StatisticsRow:
    factor, unit = scale_of(summary.unit, max(abs(summary.min), abs(summary.max)))
    shown = ("min", "max", "last") if summary.kind == "counter" else STATISTICS_SHOWN
    return StatisticsRow(
        name=summary.name,
        labels=", ".join(value for _, value in sorted(summary.labels.items())),
        unit=unit,
        cells=tuple(_cell(summary.statistic(name) if name in shown else None, factor) for name in STATISTICS_SHOWN),
        count=summary.count,
        intervals=tuple(
            interval_text(*summary.intervals.get(name, (None, None)), factor)
            if summary.metric == "custom" and name in shown
            else ""
            for name in STATISTICS_SHOWN
        ),
    )


def interval_text(low: float | None, high: float | None, factor: float = 1.0) -> str:
    """`24.1 to 25.3`, `above 24.1`, `below 25.3`; "" where neither bound is known."""
    if low is None:
        return "" if high is None else f"below {number(high / factor)}"
    return f"above {number(low / factor)}" if high is None else f"{number(low / factor)} to {number(high / factor)}"


def _cell(value: float | None, factor: float) -> str:
    return ABSENT if value is None else number(value / factor)


def _place(metric: str) -> int:
    return METRIC_ORDER.index(metric) if metric in METRIC_ORDER else len(METRIC_ORDER)


def _title(summary: SeriesSummary) -> str:
    return summary.name + (f"[{','.join(summary.labels.values())}]" if summary.labels else "")


def shared_facts(judged: Sequence[JudgedRun]) -> tuple[str, ...]:
    """Image, board, start, build and commit, for the header of the overview page; each fact once."""

    def each_once(of: Callable[[Run], str]) -> str:
        return ", ".join(dict.fromkeys(filter(None, (of(one.run) for one in judged))))

    build = each_once(lambda run: f"{run.build.job} {run.build.number}".strip())
    commit = each_once(lambda run: run.build.commit[:12])
    started_ns = min((one.run.started_ns for one in judged if one.run.started_ns > 0), default=0)
    rows = (
        each_once(lambda run: run.image.name if run.image else ""),
        each_once(lambda run: run.agent.board or run.agent.hostname),
        moment(started_ns) if started_ns else "",
        f"build {build}" if build else "",
        f"commit {commit}" if commit else "",
    )
    return tuple(filter(None, rows))


def facts(run: Run) -> tuple[tuple[str, str], ...]:
    """Facts about the app, the agent and the build, one row each; unknown facts are omitted."""
    agent, build, target = run.agent, run.build, run.target
    rows = (
        ("App", f"{run.app.name} {run.app.version}".strip()),
        ("Image", run.image.name if run.image else ""),
        ("Image id", run.image.id if run.image else ""),
        ("Digest", run.image.digest if run.image else ""),
        ("Command", " ".join(run.command)),
        ("Arguments", " ".join(target.args)),
        ("Dataset", str(target.dataset or "")),
        ("Live", f"watched while it ran: {run.live.title}" if run.live else ""),
        ("Kept by", f"rule {run.live.rule}: {run.live.when}" if run.live and run.live.rule else ""),
        ("Sampling", f"every {quantity(target.interval_s, 's')}"),
        ("Repeats", f"interleaved with {', '.join(run.interleaved_with)}" if run.interleaved_with else ""),
        ("Start-up", _start_up(run)),
        ("Heat", _heat(run)),
        ("Board", agent.board),
        ("Agent", agent.hostname),
        ("Processor", _dotted(agent.cpu, f"{agent.cpu_count} cores" if agent.cpu_count else "")),
        ("Memory", quantity(agent.memory_bytes, "bytes") if agent.memory_bytes else ""),
        ("System", _dotted(agent.os, agent.kernel, agent.architecture)),
        *_jetson_rows(agent.jetson),
        ("CUDA", agent.cuda),
        ("GPU driver", agent.gpu_driver),
        ("Runtime", agent.runtime),
        ("Job", f"{build.job} {build.number}".strip()),
        ("Build", build.url),
        ("Commit", build.commit),
        ("Branch", build.branch),
        ("Trace", build.traceparent),
        ("Started", moment(run.started_ns) if run.started_ns > 0 else ""),
        ("Run", run.id),
        ("profileapp", run.profileapp),
    )
    return tuple(row for row in rows if row[1])


def topology(run: Run) -> Node:
    """What the run started, mounted and connected, as nested boxes."""
    runs = run.image.name if run.image else " ".join(run.command)
    inside = (app_node(run.target, runs or ABSENT), *map(service_node, run.target.services))
    # A process uses its machine's network.
    parts = (network_node(run.target, inside, run.network),) if run.image else inside
    return Node("agent", _dotted(run.agent.hostname, run.agent.board) or ABSENT, parts)


def _start_up(run: Run) -> str:
    """`12 s, 11.5 s by fps, excluded`."""
    known = [each for each in run.steady if each.after_s is not None]
    if not any(each.after_s for each in known):
        return ""
    lengths = ", ".join(quantity(each.after_s, "s") for each in known[:5])
    more = f" and {len(known) - 5} more" if len(known) > 5 else ""
    return f"{lengths}{more} by {known[0].title}{', excluded' if run.target.warmup_auto else ''}"


def _heat(run: Run) -> str:
    """`41.5 °C before the first repeat, 44.8 before the last · waited 95 s to cool below 45 °C`."""
    starts_c = [each.start_c for each in run.repeats if each.start_c is not None]
    if not starts_c:
        return ""
    when = "before the app" if len(starts_c) == 1 else "before the first repeat"
    last = f", {quantity(starts_c[-1], '°C')} before the last" if len(starts_c) > 1 else ""
    limit_c, waited_s = run.target.cool_below_c, sum(each.cooled_s for each in run.repeats)
    waited = f"waited {quantity(waited_s, 's')} to cool below {quantity(limit_c, '°C')}" if limit_c is not None else ""
    return _dotted(f"{quantity(starts_c[0], '°C')} {when}{last}", waited)


def _dotted(*parts: str) -> str:
    return " · ".join(filter(None, parts))


def last_lines(log_tail: str, limit: int = 40) -> str:
    """The last lines of a log's tail; the first line may be truncated."""
    return "\n".join(line[:1000] for line in log_tail.rstrip().splitlines()[-limit:])


def count_met(budgets: Iterable[BudgetResult]) -> int:
    """How many budgets were met."""
    return sum(budget.state == "met" for budget in budgets)


def _jetson_rows(jetson: Jetson | None) -> tuple[tuple[str, str], ...]:
    if jetson is None:
        return ()
    clocks = "" if jetson.clocks_locked is None else "locked" if jetson.clocks_locked else "scaling"
    return (
        ("Module", jetson.module),
        ("JetPack", _dotted(jetson.jetpack, f"L4T {jetson.l4t}" if jetson.l4t else "")),
        ("Power mode", jetson.power_mode),
        ("Clocks", clocks),
        ("Fan", jetson.fan),
    )
