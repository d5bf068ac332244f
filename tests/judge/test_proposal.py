"""Requests and limits from profiles of many shapes: proposals and their reasons."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.errors import ExitCode
from profileapp.judge.growing_series import growing_series
from profileapp.judge.proposal import MIB, Proposal, propose
from profileapp.judge.summary import summarise
from profileapp.judge.use import RepeatUse, Use, Work, use_of
from profileapp.judge.verdict import JudgedRun
from profileapp.judge.verification import Attempt, attempt_of, slower, verify
from profileapp.model.clock import Clock
from profileapp.model.run import Agent, ExitReason, Jetson, MetricStatus, Repeat, Run, Totals
from profileapp.model.series import Series
from profileapp.model.target import App, Target
from profileapp.record.series_data import SeriesData

S = 1_000_000_000
Curve = Callable[[float], float]
CPU = Series("container.cpu.util", "%", "container")
USED = Series("container.memory.used", "bytes", "container")
CACHE = Series("container.memory.cache", "bytes", "container")
GPU = Series("gpu.memory.allocated", "bytes", "gpu-memory", (("gpu", "0"),))
FPS = Series("fps", "frames/s", "custom")


def profile(
    cpu: Curve = lambda _: 50,
    memory: Curve = lambda _: 100 * MIB,
    *,
    duration_s: int = 60,
    repeats: int = 3,
    fps: float | None = 10.0,
    start_s: float = 2.0,
    reason: ExitReason = "timeout",
    gpu: float = 0,
    cache: float = 0,
    jetson: bool = False,
    peaks: Sequence[int | None] | None = None,
) -> JudgedRun:
    """A judged run whose samples, one a second, follow curves of the seconds since the app's start."""
    series: dict[Series, tuple[list[int], list[float]]] = {}
    done = []
    for index in range(repeats):
        begin = (index * (duration_s + 10) + 1000) * S
        for second in range(1, duration_s + 1):
            values = {CPU: cpu(second), USED: memory(second), CACHE: cache}
            values |= {FPS: fps} if fps is not None and second >= start_s else {}
            values |= {GPU: gpu} if gpu else {}
            for one, value in values.items():
                times, numbers = series.setdefault(one, ([], []))
                times.append(begin + second * S)
                numbers.append(value)
        top = max(memory(second) for second in range(1, duration_s + 1)) + cache
        peak = int(top) if peaks is None else peaks[index]
        totals = Totals(
            source="cgroup v2",
            cpu_s=1.0,
            memory_peak_bytes=peak,
            missing={} if peak else {"memory_peak": "the kernel does not record a cgroup's peak here"},
        )
        done.append(Repeat(index + 1, begin, begin + 2 * S, begin + duration_s * S, reason, 0, totals=totals))
    data = {one: SeriesData(*columns) for one, columns in series.items()}
    run = Run(
        id="1",
        app=App("app"),
        target=Target("one"),
        clock=Clock(0, 0),
        started_ns=0,
        agent=Agent(cpu_count=4, jetson=Jetson() if jetson else None),
        exit_reason=reason,
        repeats=tuple(done),
        metrics=(MetricStatus("container", "measured"),),
        summary=summarise(data, done),
        growth=growing_series(data, done),
    )
    return JudgedRun(run, "passed", ExitCode.OK, (), Path(), data, "", (), (), ())


def proposed(judged: JudgedRun) -> Proposal:
    return propose(use_of(judged))


def square(low: float, high: float, every: int) -> Curve:
    return lambda second: high if int(second) % every == 0 else low


def start_up(top: float, then: float, until_s: float) -> Curve:
    return lambda second: top if second <= until_s else then


SHAPES = {
    "steady": profile(),
    "small": profile(lambda _: 2, lambda _: 9 * MIB),
    "one core": profile(lambda _: 100),
    "all cores": profile(lambda _: 400),
    "bursty CPU": profile(square(5, 180, 10)),
    "bursty memory": profile(memory=square(80 * MIB, 300 * MIB, 7)),
    "rare burst": profile(memory=square(80 * MIB, 400 * MIB, 59)),
    "slow start": profile(start_up(300, 40, 20), start_s=20),
    "start takes the most memory": profile(memory=start_up(500 * MIB, 200 * MIB, 5)),
    "warms a cache": profile(memory=lambda second: 200 * MIB * (1 - math.exp(-second / 8))),
    "multi-process": profile(lambda _: 250, lambda second: (4 * 60 + second % 3) * MIB),
    "no rate": profile(fps=None),
    "ends by itself": profile(reason="completed", duration_s=12),
    "short": profile(reason="completed", duration_s=3, repeats=5, fps=None),
    "one repeat": profile(repeats=1),
    "slow frames": profile(fps=0.2, start_s=5),
    "GPU": profile(gpu=700 * MIB),
    "GPU on a Jetson": profile(gpu=700 * MIB, jetson=True),
    "file cache": profile(cache=400 * MIB),
    "big": profile(memory=lambda _: 6000 * MIB),
}


@pytest.mark.parametrize("name", SHAPES)
def test_requests_match_the_use(name: str) -> None:
    judged = SHAPES[name]
    proposal = proposed(judged)
    peak = max(each.totals.memory_peak_bytes or 0 for each in judged.run.repeats if each.totals)
    shared = 700 * MIB if name == "GPU on a Jetson" else 0
    request, limit = proposal.request_memory.value, proposal.limit_memory.value
    assert request is not None and limit is not None
    assert request == pytest.approx(peak + shared, rel=0.10) and request % MIB == 0
    # It suffices with a margin, and 15 % less would not.
    assert peak + shared <= request < limit and (limit - shared) * 0.85 < max(peak, 8 * MIB)
    cpu = next(one for one in judged.run.summary if one.name == "container.cpu.util")
    assert proposal.request_cpu.value == pytest.approx(max(cpu.mean * 10, 10), rel=0.10, abs=1)
    assert proposal.limit_cpu.value is not None
    assert proposal.request_cpu.value is not None and proposal.request_cpu.value <= proposal.limit_cpu.value <= 4000
    assert proposal.limit_cpu.value >= min(cpu.max * 10, 4000)
    assert all(each.why for each in (proposal.request_cpu, proposal.limit_memory, proposal.gpu_memory))
    assert not any("grew" in line for line in proposal.warnings)


def test_a_leak_is_reported_and_calls_for_restarts() -> None:
    proposal = proposed(profile(memory=lambda second: (100 + second) * MIB, duration_s=240))
    (warning,) = [line for line in proposal.warnings if "still grew" in line]
    assert "by 60 MiB a minute" in warning and "for 34 s more" in warning
    assert (proposal.schedule, proposal.schedule_why) == ("cron", "its memory grows, and each start frees it")


@pytest.mark.parametrize(
    "memory",
    [
        lambda second: (100 + second % 20) * MIB,
        lambda second: 100 * MIB + 40 * MIB * (1 - math.exp(-second / 15)),
        lambda second: (100 + min(second, 30)) * MIB,
        lambda second: (360 - second) * MIB,
    ],
)
def test_growth_that_levels_off_is_no_leak(memory: Curve) -> None:
    assert use_of(profile(memory=memory, duration_s=240)).growth_bytes_per_s is None


def test_without_a_peak_no_memory_is_proposed() -> None:
    proposal = proposed(profile(peaks=[None, None, None]))
    assert proposal.request_memory.value is None and proposal.limit_memory.value is None
    assert proposal.limit_memory.why == "the kernel's peak is unknown: the kernel does not record a cgroup's peak here"
    nothing = propose(Use(missing={"memory": "x", "cpu": "y"}))
    assert nothing.is_empty and nothing.schedule is None and nothing.window_s is None


def test_some_peaks_are_enough_and_their_spread_is_reported() -> None:
    proposal = proposed(profile(peaks=[100 * MIB, None, 150 * MIB]))
    assert proposal.request_memory.value == 150 * MIB and "the highest of 2 repeats" in proposal.request_memory.why
    assert any("differ by 33 % between repeats" in line for line in proposal.warnings)
    assert any("one repeat shows nothing" in line for line in proposed(profile(repeats=1)).warnings)


def test_a_traced_repeat_and_one_that_is_cut_do_not_count() -> None:
    judged = profile()
    run = judged.run
    first, second, third = run.repeats
    big = Totals(source="cgroup v2", memory_peak_bytes=900 * MIB)
    repeats = (
        first,
        msgspec.structs.replace(second, traced=True, totals=big),
        msgspec.structs.replace(third, ended_ns=0),
    )
    changed = msgspec.structs.replace(judged, run=msgspec.structs.replace(run, repeats=repeats))
    assert proposed(changed).request_memory.value == 100 * MIB


def test_the_peak_of_a_process_is_no_peak() -> None:
    """`wait4` returns the peak of the largest process, not of all."""
    judged = profile(repeats=1)
    totals = Totals(source="wait4", memory_peak_bytes=5 * MIB, missing={"memory_peak": "no cgroup of its own"})
    repeat = msgspec.structs.replace(judged.run.repeats[0], totals=totals)
    changed = msgspec.structs.replace(judged, run=msgspec.structs.replace(judged.run, repeats=(repeat,)))
    assert proposed(changed).limit_memory.value is None


def test_gpu_memory() -> None:
    assert proposed(SHAPES["GPU"]).gpu_memory.value == 700 * MIB
    assert proposed(SHAPES["GPU"]).limit_memory.value == 110 * MIB
    assert proposed(SHAPES["steady"]).gpu_memory.why == "the metric gpu-memory was not asked for"
    jetson = proposed(SHAPES["GPU on a Jetson"])
    assert (jetson.request_memory.value, jetson.limit_memory.value) == (800 * MIB, 810 * MIB)
    assert "takes from the same memory" in jetson.request_memory.why


def test_the_window_is_the_cold_start_and_one_unit_of_work() -> None:
    proposal = proposed(SHAPES["slow frames"])
    assert proposal.window_s == pytest.approx(5 + 5) and "(fps)" in proposal.window_why
    assert proposed(SHAPES["ends by itself"]).window_s == pytest.approx(12)
    assert proposed(SHAPES["ends by itself"]).schedule == "cron"
    assert proposed(SHAPES["no rate"]).window_s is None
    assert proposed(SHAPES["steady"]).schedule == "continuous"
    assert proposed(SHAPES["slow start"]).schedule_why == "each start costs the time of 200 units of work"


def test_file_cache_in_the_peak_is_reported() -> None:
    assert any("400 MiB of file cache" in line for line in proposed(SHAPES["file cache"]).warnings)


amounts = st.one_of(st.none(), st.integers(0, 2**50))
numbers = st.one_of(st.none(), st.floats(0, 1e6))
works = st.one_of(st.none(), st.builds(Work, st.just("fps"), st.just(""), st.floats(0, 1e9), st.booleans()))
uses = st.builds(
    Use,
    st.lists(st.builds(RepeatUse, st.floats(0, 1e9), amounts, numbers, st.booleans()), max_size=4).map(tuple),
    numbers,
    numbers,
    st.integers(0, 512),
    st.integers(0, 2**50),
    st.one_of(st.none(), st.floats(1e-3, 1e9)),
    amounts,
    st.booleans(),
    works,
)


@given(uses)
def test_any_use_gives_a_valid_proposal(use: Use) -> None:
    proposal = propose(use)
    for low, high in (
        (proposal.request_memory.value, proposal.limit_memory.value),
        (proposal.request_cpu.value, proposal.limit_cpu.value),
    ):
        assert (low is None) == (high is None)
        assert low is None or high is None or 0 < low <= high


def an_app(needs_mib: int, cpus: float = 0.1) -> Callable[[int, float | None], Attempt]:
    def try_out(memory_bytes: int, limit: float | None) -> Attempt:
        if memory_bytes < needs_mib * MIB:
            return Attempt(memory_bytes, limit, "killed", is_memory=True)
        return Attempt(memory_bytes, limit, "fps is 5" if limit is not None and limit < cpus else "")

    return try_out


def test_limits_that_suffice_and_are_not_too_high_take_two_runs() -> None:
    verified = verify(proposed(SHAPES["steady"]), 4, an_app(100))
    assert [each.problem for each in verified.attempts] == ["", "killed"] and not verified.problem
    assert verified.proposal.limit_memory.value == 110 * MIB and verified.proposal.request_memory.value == 100 * MIB
    assert "holds at 110 MiB, and not at 94 MiB (killed)" in verified.proposal.limit_memory.why


def test_excess_memory_is_removed() -> None:
    verified = verify(proposed(SHAPES["file cache"]), 4, an_app(100))
    limit = verified.proposal.limit_memory.value or 0
    assert 100 * MIB <= limit <= 100 / 0.84 * MIB and len(verified.attempts) <= 8
    assert limit / 1.1 <= (verified.proposal.request_memory.value or 0) <= limit


def test_insufficient_limits_are_raised() -> None:
    memory = verify(proposed(SHAPES["steady"]), 4, an_app(130))
    assert not memory.problem and (memory.proposal.limit_memory.value or 0) >= 130 * MIB
    cpu = verify(proposed(SHAPES["steady"]), 4, an_app(100, cpus=0.8))
    assert (
        not cpu.problem
        and cpu.proposal.limit_cpu.value == 900
        and cpu.proposal.limit_cpu.why == "raised until the work held"
    )


def test_an_app_that_no_limit_suits_is_reported() -> None:
    verified = verify(proposed(SHAPES["steady"]), 4, an_app(100_000))
    assert verified.problem == "no limits were found that hold: killed" and len(verified.attempts) <= 4
    assert verified.proposal == proposed(SHAPES["steady"])


def test_the_outcome_of_a_run_under_limits() -> None:
    use = use_of(SHAPES["steady"])
    assert attempt_of(profile(fps=9.5), use, MIB, 1.0).problem == ""
    assert "fps is 5 frames/s, and 10 without limits" in attempt_of(profile(fps=5), use, MIB, 1.0).problem
    assert "no longer reports fps" in attempt_of(profile(fps=None), use, MIB, 1.0).problem
    killed = attempt_of(profile(reason="oom-killed", fps=None), use, MIB, 1.0)
    assert killed.is_memory and "below what it needs to start" in killed.problem
    late = attempt_of(profile(reason="oom-killed"), use, MIB, 1.0)
    assert late.is_memory and "to start" not in late.problem
    assert not attempt_of(profile(reason="not-measured"), use, MIB, 1.0).is_memory
    assert "it took 20 s, and 12 s" in slower(
        use_of(profile(reason="completed", duration_s=12, fps=None)),
        use_of(profile(reason="completed", duration_s=20, fps=None)),
    )
