"""The record of a run: `run.json`."""

from __future__ import annotations

from typing import Literal

import msgspec

from profileapp.model.clock import Clock
from profileapp.model.target import App, Target

RUN_VERSION = 2

ExitReason = Literal[
    "completed",  # the app exited with code 0
    "timeout",  # the timeout was reached and the app was stopped: the normal end of a profile
    "detached",  # `profileapp live` no longer watched the app, or its operator stopped it: a normal end
    "failed",  # the app exited with another code
    "timeout-failed",  # the timeout was reached and the target has `on-timeout: fail`
    "oom-killed",  # the kernel killed the app: it exceeded its memory limit
    "disk-limit",  # the worker stopped the app: it exceeded its disk limit
    "signalled",  # the app was killed by a signal that the worker did not send
    "not-started",  # the image has no such entrypoint, or the command cannot be run
    "not-measured",  # the agent failed: daemon gone, disk full
    "aborted",  # the build or the user stopped the run
]
"""How a repeat or the run ended."""

APP_FAILURES: frozenset[str] = frozenset(
    {"failed", "timeout-failed", "oom-killed", "disk-limit", "signalled", "not-started"}
)

State = Literal["running", "finished"]
MetricState = Literal["measured", "skipped", "failed"]


class Image(msgspec.Struct, frozen=True):
    """The app's image: the requested name, the local id, and the registry's digest if there is one."""

    name: str
    id: str = ""
    digest: str = ""
    architecture: str = ""


class Jetson(msgspec.Struct, frozen=True):
    """The model of a Jetson, and its settings when the run began; "" if unknown.

    `module` has the name and the part number (`AGX Orin 64GB (p3701-0005)`), `power_mode` the name and the number
    (`MODE_30W (2)`). `clocks_locked`: fixed at one frequency, as by jetson_clocks; None if unknown.
    """

    module: str = ""
    l4t: str = ""
    jetpack: str = ""
    power_mode: str = ""
    clocks_locked: bool | None = None
    fan: str = ""


class Agent(msgspec.Struct, frozen=True):
    """The machine that was measured. `board` is the device tree's model, "" if there is none.

    `cuda` is the toolkit's version, `gpu_driver` the version of a discrete GPU's driver. `runtime` is the name and
    version of the runtime that ran the app.
    """

    hostname: str = ""
    board: str = ""
    architecture: str = ""
    os: str = ""
    kernel: str = ""
    cpu: str = ""
    cpu_count: int = 0
    memory_bytes: int = 0
    runtime: str = ""
    cuda: str = ""
    gpu_driver: str = ""
    jetson: Jetson | None = None


class Network(msgspec.Struct, frozen=True):
    """The reachability of other hosts from the run's own network of the app and its services.

    `internet`: hosts outside the agent. `agent`: ports of the agent that listen on all its addresses (`0.0.0.0`); None
    if the worker cannot determine that.
    """

    internet: bool = False
    agent: bool | None = None


class Build(msgspec.Struct, frozen=True):
    """The Jenkins build and the commit of the run; empty outside Jenkins.

    `traceparent` is the build's span (W3C Trace Context), set by Jenkins' OpenTelemetry plugin.
    """

    job: str = ""
    number: str = ""
    url: str = ""
    commit: str = ""
    branch: str = ""
    node: str = ""
    traceparent: str = ""


class Totals(msgspec.Struct, frozen=True):
    """Resources that the app and its descendants used in one whole repeat, as counted by the kernel.

    They are read after all processes have ended, so they are exact however short the repeat, and include warm-up and
    shutdown. `source` is the counter: `cgroup v1`, `cgroup v2`, `wait4`. None means unknown; `missing` has the reasons,
    by `cpu`, `cpu_throttled`, `memory_peak`, `io`, `oom_kills`, `pressure`, or `all`. `start_cpu_s` is the CPU time of
    starting the container, which the CPU times exclude; None if unknown or if there was no container.
    `cpu_throttled_s`: time for which a quota throttled the app. `memory_peak_bytes` includes file cache.
    `…_pressure_s`: time for which some task waited (PSI).
    """

    source: str = ""
    cpu_s: float | None = None
    cpu_user_s: float | None = None
    cpu_system_s: float | None = None
    cpu_throttled_s: float | None = None
    start_cpu_s: float | None = None
    memory_peak_bytes: int | None = None
    io_read_bytes: int | None = None
    io_written_bytes: int | None = None
    oom_kills: int | None = None
    cpu_pressure_s: float | None = None
    memory_pressure_s: float | None = None
    io_pressure_s: float | None = None
    missing: dict[str, str] = {}


class Repeat(msgspec.Struct, frozen=True):
    """One start of the app. Times are UTC nanoseconds since 1970; `ended_ns` 0: no recorded end.

    The summary covers samples from `measured_from_ns` (the end of the warm-up) to `ended_ns`, except those of a
    `traced` repeat (run under a tool that slows the app down) and of an `excluded` one (for this reason). `signal` is
    the number of the signal that ended the app, 0 for none; `killed`: it ignored SIGTERM and was killed. `start_c` is
    the device's highest temperature (°C) before the start, None if unknown; `cooled_s` is how long the worker waited
    for the device to cool. `totals` is None if the app never ran.
    """

    index: int
    started_ns: int
    measured_from_ns: int
    ended_ns: int = 0
    exit_reason: ExitReason | None = None
    exit_code: int | None = None
    signal: int = 0
    killed: bool = False
    message: str = ""
    traced: bool = False
    excluded: str = ""
    start_c: float | None = None
    cooled_s: float = 0.0
    totals: Totals | None = None


class MetricStatus(msgspec.Struct, frozen=True):
    """The status of a requested metric, or of a `part` of it that has separate sources.

    `source` is the source of its samples ("cgroup v1", "psutil"); `reason` explains why it was skipped or failed;
    `late` and `missed` count scheduled samples that were taken more than half an interval late, or not at all.
    """

    metric: str
    state: MetricState
    source: str = ""
    reason: str = ""
    samples: int = 0
    late: int = 0
    missed: int = 0
    part: str = ""

    @property
    def title(self) -> str:
        """`gpu-summary`, `gpu-summary kernels`."""
        return f"{self.metric} {self.part}".rstrip()


class SeriesSummary(msgspec.Struct, frozen=True):
    """Statistics of one series over all repeats without their warm-up. All except `count` are in the series' unit.

    Values are weighted by time, or equally if they describe events, as in docs/reference/files.md. Percentiles are of
    type 7 (Hyndman and Fan, 1996), with weights in the form of Akinshin (2023); `stddev` is the sample standard
    deviation (0 for a single sample). `p99` is None where fewer than 299 values count, as then none
    of them is above the true p99 with 95 % confidence. `intervals` has the bounds of each percentile (`p50` to `p99`),
    by order statistics, each with 95 % confidence; None where there are too few values for one.
    """

    name: str
    unit: str
    metric: str
    labels: dict[str, str]
    kind: str
    count: int
    mean: float
    stddev: float
    min: float
    p50: float
    p90: float
    p95: float
    p99: float | None
    max: float
    last: float
    intervals: dict[str, tuple[float | None, float | None]] = {}

    def statistic(self, name: str) -> float | None:
        """One of `count`, `mean`, `p50` and so on by its name; None where there are too few values for it."""
        value = getattr(self, name)
        return None if value is None else float(value)


class Event(msgspec.Struct, frozen=True):
    """An event of the device during a run: start and end in UTC nanoseconds since 1970, and one line of text.

    `ended_ns` 0: it lasted beyond the end of the run.
    """

    started_ns: int
    ended_ns: int
    text: str


class Phase(msgspec.Struct, frozen=True):
    """An app-reported phase: start and end of each span, and statistics of the series within them, without warm-up.

    Times are UTC nanoseconds since 1970; an end of 0: no recorded end.
    """

    name: str
    spans: tuple[tuple[int, int], ...]
    summary: tuple[SeriesSummary, ...] = ()


class Mark(msgspec.Struct, frozen=True):
    """An app-reported event, at a time in UTC nanoseconds since 1970."""

    name: str
    at_ns: int


SettlingState = Literal["settled", "never settled", "too few samples"]


class SteadyState(msgspec.Struct, frozen=True):
    """When the repeat with this index settled, by the samples of the series `title`.

    `after_s`: how long the start-up took; 0 where there was none, None where it did not settle.
    """

    repeat: int
    title: str
    state: SettlingState
    after_s: float | None = None


class SeriesGrowth(msgspec.Struct, frozen=True):
    """The series `title` grew in the longest repeat: by how much an hour, with the 95 % interval, in `unit`."""

    title: str
    unit: str
    per_hour: float
    low: float
    high: float


BudgetState = Literal["met", "violated", "not-measured"]


class BudgetResult(msgspec.Struct, frozen=True):
    """A judged budget. `measured`, `limit` and `margin` are in `unit`; a met budget has a margin of at least 0."""

    key: str
    condition: str
    state: BudgetState
    measured: float | None = None
    limit: float | None = None
    margin: float | None = None
    unit: str = ""
    message: str = ""


class HeadlineValue(msgspec.Struct, frozen=True):
    """A headline number: `statistic` of the series `title` over the measured time, in `unit`.

    `repeats` is the same for each repeat that has it, in order; `errors` the standard error of those that are means of
    enough samples.
    """

    title: str
    statistic: str
    unit: str
    value: float
    repeats: tuple[float, ...] = ()
    errors: tuple[float, ...] = ()


class Scatter(msgspec.Struct, frozen=True):
    """How much each level scatters a number, as a standard deviation in its unit; None where that is unknown.

    `builds`: one build from the other; `starts`: one repeat from the other in a build; `within`: what the limited
    length of a repeat leaves uncertain.
    """

    builds: float | None = None
    starts: float | None = None
    within: float | None = None


ComparisonState = Literal["same", "worse", "better", "changed", "not enough data"]
"""`changed`: significant, but neither direction is known to be worse."""


class BaselineComparison(msgspec.Struct, frozen=True):
    """A headline number compared with earlier runs; `note` is the reason if there is not enough data.

    `mean` is the mean of `runs` earlier runs, `margin` the significant difference from it, both in `unit`; `change` is
    a fraction of the mean (0.1: 10 % more); `p_value` is the test's, two-sided. `detectable` is the smallest change, as
    a part of the mean, that nine in ten such comparisons would find.
    """

    title: str
    statistic: str
    unit: str
    state: ComparisonState
    value: float
    runs: int
    mean: float | None = None
    margin: float | None = None
    change: float | None = None
    p_value: float | None = None
    detectable: float | None = None
    scatter: Scatter | None = None
    note: str = ""


class Baseline(msgspec.Struct, frozen=True):
    """The comparison of a run with earlier runs; the newest is `run_id`, of `commit` and `build` (JOB#NUMBER).

    `remarks` list the differences from that run, and the excluded runs with the reasons.
    """

    branch: str
    numbers: tuple[BaselineComparison, ...]
    run_id: str = ""
    commit: str = ""
    build: str = ""
    build_url: str = ""
    remarks: tuple[str, ...] = ()


class Live(msgspec.Struct, frozen=True):
    """Marks a run of an app that `profileapp live` watched and did not start.

    `title` is what the app's container or process is called; the container's id is "" for a process, whose `pid` is
    that of its last start. Where a rule kept the run, `rule` names it, `when` is its condition, and it began to hold at
    `triggered_ns` (UTC nanoseconds since 1970).
    """

    title: str
    container_id: str = ""
    pid: int = 0
    rule: str = ""
    when: str = ""
    note: str = ""
    triggered_ns: int = 0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One target on one agent, alone on that agent. Times are UTC nanoseconds since 1970.

    `stop_signal` is the number of the signal that stopped the worker (2 SIGINT, 15 SIGTERM), 0 for none.
    `interleaved_with` names the targets whose repeats alternated with this one's. `network` is None if the app used the
    agent's network. `live` is None where profileapp started the app.
    """

    id: str
    app: App
    target: Target
    clock: Clock
    started_ns: int
    image: Image | None = None
    command: tuple[str, ...] = ()
    agent: Agent = Agent()
    network: Network | None = None
    build: Build = Build()
    state: State = "running"
    ended_ns: int = 0
    exit_reason: ExitReason | None = None
    message: str = ""
    stop_signal: int = 0
    repeats: tuple[Repeat, ...] = ()
    interleaved_with: tuple[str, ...] = ()
    metrics: tuple[MetricStatus, ...] = ()
    warnings: tuple[str, ...] = ()
    summary: tuple[SeriesSummary, ...] = ()
    events: tuple[Event, ...] = ()
    phases: tuple[Phase, ...] = ()
    marks: tuple[Mark, ...] = ()
    steady: tuple[SteadyState, ...] = ()
    growth: tuple[SeriesGrowth, ...] = ()
    budgets: tuple[BudgetResult, ...] = ()
    numbers: tuple[HeadlineValue, ...] = ()
    baseline: Baseline | None = None
    live: Live | None = None
    version: int = RUN_VERSION
    profileapp: str = ""
