"""The order of repeats, and what happens when a target fails or the run must stop."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from profileapp.errors import AgentError, ConfigError, ProfileappError
from profileapp.model.target import Target
from profileapp.run.interleave import measure_interleaved


class Log:
    """Records calls in order, and has the calls that must fail."""

    def __init__(self, wrong: dict[str, ProfileappError] | None = None, traced: str = "") -> None:
        self.done: list[str] = []
        self.wrong = wrong or {}
        self.traced = traced
        self.failures: list[str] = []

    def do(self, what: str) -> None:
        self.done.append(what)
        if what in self.wrong:
            raise self.wrong[what]

    def begin(self, target: Target) -> Fake:
        self.do(f"begin {target.name}")
        return Fake(self, target)

    def failed(self, target: Target, error: ProfileappError) -> None:
        self.failures.append(f"{target.name}: {error}")
        if isinstance(error, ConfigError):
            raise error

    def run(self, *targets: Target, is_stopped: Callable[[], bool] = lambda: False) -> list[str]:
        measure_interleaved(targets, self.begin, self.failed, is_stopped)
        return self.done


class Fake:
    def __init__(self, log: Log, target: Target) -> None:
        self._log, self._target = log, target

    def measure(self, index: int) -> bool:
        self._log.do(f"{self._target.name}{index}")
        return index < self._target.repeat or self._target.name in self._log.traced

    def trace(self) -> None:
        self._log.do(f"trace {self._target.name}")

    def end(self) -> None:
        self._log.do(f"end {self._target.name}")


A, B = Target("a", repeat=3), Target("b", repeat=2)


def test_repeats_are_interleaved_and_finished_targets_end() -> None:
    assert Log().run(A, B) == ["begin a", "a1", "begin b", "b1", "a2", "b2", "end b", "a3", "end a"]


def test_single_repeats_run_one_after_the_other() -> None:
    assert Log().run(Target("a"), Target("b")) == ["begin a", "a1", "end a", "begin b", "b1", "end b"]


def test_tracing_runs_after_all_measured_repeats() -> None:
    done = Log(traced="a").run(Target("a"), B)
    assert done == ["begin a", "a1", "begin b", "b1", "b2", "end b", "trace a", "end a"]


@pytest.mark.parametrize("step", ["begin a", "a1", "a2", "end a"])
def test_a_failing_target_ends_once_and_does_not_affect_others(step: str) -> None:
    log = Log({step: AgentError("no room")})
    done = log.run(A, B)
    assert log.failures == ["a: no room"]
    assert [each for each in done if "b" in each and "begin" not in each] == ["b1", "b2", "end b"]
    assert done.count("end a") == (0 if step == "begin a" else 1)


def test_an_error_that_stops_all_ends_started_targets() -> None:
    log = Log({"begin b": ConfigError("bad")})
    with pytest.raises(ConfigError):
        log.run(A, B)
    assert log.done == ["begin a", "a1", "begin b", "end a"]


def test_a_stop_starts_no_more_repeats_and_ends_started_targets() -> None:
    log = Log(traced="ab")
    assert log.run(A, B, is_stopped=lambda: "b1" in log.done) == ["begin a", "a1", "begin b", "b1", "end a", "end b"]


def test_nothing_to_do() -> None:
    assert Log().run() == []
