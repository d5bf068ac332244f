"""Selection of a metric's source; sources that fail or hang affect nothing else."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from profileapp.collect import schedule
from profileapp.collect.api import AppHandle, LaunchRequirements, Mount, RunContext
from profileapp.errors import AppEnded, Unavailable
from profileapp.model.clock import Clock
from profileapp.model.target import Target
from profileapp.run.sources import WARNING_LIMIT, Sources, Warnings


class FakeSource:
    """A source that succeeds, fails or hangs as configured."""

    metric = "system"

    def __init__(self, source: str, fail_in: str = "", error: Exception | None = None, hangs: bool = False) -> None:
        self.source = source
        self.part = ""
        self.min_interval_s = 0.0
        self.preference = 1
        self.calls: list[str] = []
        self._fail_in, self._error, self._hangs = fail_in, error or RuntimeError("broken"), hangs
        self.sampling, self.hung_long_enough = threading.Event(), threading.Event()

    def _did(self, call: str) -> None:
        self.calls.append(call)
        if call == self._fail_in:
            raise self._error

    def open(self, run: RunContext, emit: Any) -> LaunchRequirements:
        self._did("open")
        return LaunchRequirements(env={"SOURCE": self.source}, mounts=(Mount("/a", "/b"),))

    def attach(self, app: AppHandle) -> None:
        self._did("attach")

    def sample(self, now_ns: int) -> None:
        self.sampling.set()
        if self._hangs:
            self.hung_long_enough.wait(60)
        self._did("sample")

    def detach(self) -> None:
        self._did("detach")

    def close(self) -> None:
        self._did("close")


class TestSources:
    def sources(self, tmp_path: Path, *candidates: FakeSource) -> tuple[Sources, Warnings]:
        warnings = Warnings()
        run = RunContext(
            run_id="r",
            target=Target("t", metrics=("system",), interval_s=0.01),
            clock=Clock.now(),
            scratch=tmp_path,
            artifacts=tmp_path,
            contained=False,
            warn=warnings.add,
        )
        found = {"system": list(candidates), "custom": []}
        return Sources(run, lambda series, value, at_ns: None, lambda metric, warn: found[metric]), warnings

    def test_the_preferred_available_source_is_used(self, tmp_path: Path) -> None:
        first = FakeSource("first", "open", Unavailable("no such file"))
        second = FakeSource("second", "attach", Unavailable("no such process"))
        third = FakeSource("third")
        sources, _ = self.sources(tmp_path, first, second, third)
        assert sources.env == {"SOURCE": "second"} and len(sources.mounts) == 1
        sources.attach(AppHandle(1))
        sources.detach()
        sources.close()
        status = sources.statuses(lambda metric: 5)[0]
        assert (status.state, status.source, status.samples) == ("measured", "third", 5)
        assert first.calls == ["open", "close"] and second.calls == ["open", "attach", "close"]
        assert third.calls[:2] == ["open", "attach"] and third.calls[-2:] == ["detach", "close"]

    @pytest.mark.parametrize(
        ("names", "state", "reason"),
        [
            ({"gpu.util", "gpu.clock.sm"}, "measured", ""),
            ({"gpu.clock.sm", "gpu.temperature"}, "skipped", "only: recorded no gpu.util"),
            (set(), "skipped", "only: recorded no gpu.util"),
        ],
    )
    def test_a_metric_without_its_main_series_is_not_measured(
        self, names: set[str], state: str, reason: str, tmp_path: Path
    ) -> None:
        sources, _ = self.sources(tmp_path, FakeSource("only"))
        sources._all[0].metric = "gpu-summary"
        sources.attach(AppHandle(1))
        sources.close()
        status = sources.statuses(lambda metric: len(names), lambda metric: frozenset(names))[0]
        assert (status.state, status.reason) == (state, reason)

    def test_an_app_that_exits_at_once_costs_one_repeat_and_no_source(self, tmp_path: Path) -> None:
        source = FakeSource("only", "attach", AppEnded())
        sources, _ = self.sources(tmp_path, source)
        sources.attach(AppHandle(1))
        sources.detach()
        assert sources.statuses(lambda metric: 0)[0].state == "skipped"
        source.calls.clear()
        source._fail_in = ""
        sources.attach(AppHandle(2))
        sources.detach()
        sources.close()
        status = sources.statuses(lambda metric: 3)[0]
        assert (status.state, status.source) == ("measured", "only") and source.calls[0] == "attach"

    def test_without_a_source_the_metric_is_skipped_with_all_reasons(self, tmp_path: Path) -> None:
        sources, _ = self.sources(
            tmp_path, FakeSource("first", "open", Unavailable("no such file")), FakeSource("b", "open")
        )
        sources.attach(AppHandle(1))
        sources.close()
        system, custom = sources.statuses(lambda metric: 0)
        assert system.state == "skipped"
        assert system.reason == "first: no such file; b: failed (RuntimeError: broken)"
        assert custom.state == "skipped" and "no source of 'custom'" in custom.reason

    def test_a_source_that_keeps_failing_is_stopped_alone(self, tmp_path: Path) -> None:
        broken = FakeSource("broken", "sample")
        sources, warnings = self.sources(tmp_path, broken)
        sources.attach(AppHandle(1))
        deadline_s = time.monotonic() + 20
        while broken.calls.count("sample") < 5 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        sources.detach()
        sources.close()
        assert broken.calls.count("sample") == 5
        status = sources.statuses(lambda metric: 0)[0]
        assert status.state == "failed" and status.reason == "broken: RuntimeError: broken"
        assert any("source broken of system failed" in line for line in warnings.lines())

    def test_a_hanging_source_is_abandoned_and_reported(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(schedule, "JOIN_TIMEOUT_S", 0.05)
        slow = FakeSource("slow", hangs=True)
        sources, _ = self.sources(tmp_path, slow)
        sources.attach(AppHandle(1))
        assert slow.sampling.wait(20)
        sources.detach()
        assert "sample" not in slow.calls, "detach waited for it"
        slow.hung_long_enough.set()
        assert sources.statuses(lambda metric: 0)[0].reason == "slow: hung while taking a sample"

    @pytest.mark.parametrize("call", ["attach", "detach", "close"])
    def test_a_source_that_fails_in_another_call_affects_nothing_else(self, tmp_path: Path, call: str) -> None:
        sources, warnings = self.sources(tmp_path, FakeSource("odd", call))
        sources.attach(AppHandle(1))
        sources.detach()
        sources.close()
        status = sources.statuses(lambda metric: 0)[0]
        assert status.state == ("failed" if call == "attach" else "measured")
        assert call == "attach" or warnings.lines()


def test_warnings_are_bounded_and_reported_once() -> None:
    warnings = Warnings()
    threads = [threading.Thread(target=lambda: [warnings.add(f"line {n}") for n in range(300)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = warnings.lines()
    assert len(lines) == WARNING_LIMIT + 1 and lines[-1].startswith("and ")
