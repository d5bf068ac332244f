"""The checkup opens and closes sources to find what an agent can measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from profileapp.collect.api import AppHandle, Emit, LaunchRequirements, RunContext, Trace
from profileapp.errors import AgentError, Unavailable
from profileapp.model.run import Network
from profileapp.run.agent.checkup import PrerequisiteCheck, check_metrics, check_prerequisites


class Source:
    """Opens, or fails with a reason; records whether it was closed."""

    metric = "system"
    preference = 10
    min_interval_s = 0.02

    def __init__(self, source: str, failure: Exception | None = None, part: str = "", traces: bool = False) -> None:
        self.source = source
        self.part = part
        self._failure = failure
        self._traces = traces
        self.closed = 0

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        assert run.scratch.is_dir()
        emit(None, 1.0, 0)  # type: ignore[arg-type]
        if self._failure:
            raise self._failure
        return (
            LaunchRequirements(trace=Trace(lambda argv: argv, lambda: None)) if self._traces else LaunchRequirements()
        )

    def attach(self, app: AppHandle) -> None:
        raise AssertionError("no app runs")

    sample = detach = attach

    def close(self) -> None:
        self.closed += 1
        raise RuntimeError("nobody listens")


def found(*sources: Source) -> Callable[[str, Any], list[Any]]:
    return lambda metric, _: [each for each in sources if each.metric == metric]


def test_the_first_source_that_opens_is_used_and_all_are_closed() -> None:
    sources = (
        Source("a", Unavailable("no a here")),
        Source("b", ZeroDivisionError("oh")),
        Source("c"),
        Source("d"),
        Source("e", part="kernels", traces=True),
    )
    looked: list[str] = []
    whole, kernels = check_metrics(["system"], found(*sources), looked.append)
    assert [(each.source, each.state, each.reason) for each in whole.sources] == [
        ("a", "unavailable", "no a here"),
        ("b", "unavailable", "failed (ZeroDivisionError: oh)"),
        ("c", "used", ""),
        ("d", "fallback", ""),
    ]
    assert (whole.available, whole.reason, whole.title) == (True, "", "system")
    assert (kernels.available, kernels.title, kernels.sources[0].traces) == (True, "system kernels", True)
    assert [each.closed for each in sources] == [1] * 5
    assert looked == [f"system: {name}" for name in "abcde"]


def test_unavailable_metrics_have_a_reason() -> None:
    none, failing = check_metrics(
        ["tau", "system"], found(Source("a", Unavailable("no a")), Source("b", Unavailable("no b"))), lambda _: None
    )
    assert (none.available, none.reason) == (False, "no source is installed")
    assert (failing.available, failing.reason) == (False, "a: no a; b: no b")


def test_no_files_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch: list[Path] = []

    class Noting(Source):
        def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
            scratch.append(run.scratch)
            (run.scratch / "file").touch()
            return LaunchRequirements()

    check_metrics(["system"], found(Noting("a")), lambda _: None)
    assert not scratch[0].exists()


def test_disk_space_is_checked_in_the_state_folder_and_not_in_tmp(tmp_path: Path) -> None:
    """/tmp may be in memory, and no run writes there."""

    def disk(folder: Path) -> PrerequisiteCheck:
        checks = check_prerequisites(lambda: "docker 1.2", True, lambda: 4096, Network, lambda: folder, lambda: "")
        return next(each for each in checks if each.name == "disk")

    free = disk(tmp_path)
    assert free.text.endswith(f" GiB free in {tmp_path}")
    gone = disk(tmp_path / "gone")
    assert (gone.available, str(tmp_path / "gone") in gone.text) == (False, True)


def test_other_prerequisites(tmp_path: Path) -> None:
    def no_daemon() -> str:
        raise AgentError("no Docker daemon answers")

    def no_state() -> Path:
        raise AgentError("/state: cannot be made")

    prerequisites = {
        each.name: each
        for each in check_prerequisites(
            no_daemon,
            has_pages=False,
            queue_datagrams=lambda: 10,
            network=Network,
            runs_folder=no_state,
            helper=lambda: "",
        )
    }
    assert "network" not in prerequisites, "without a daemon there is none to ask"
    assert (prerequisites["docker"].available, prerequisites["docker"].text) == (False, "no Docker daemon answers")
    assert not prerequisites["pages"].available
    assert (prerequisites["disk"].available, prerequisites["disk"].text) == (False, "/state: cannot be made")
    assert not prerequisites["datagrams"].available
    assert (
        "queues only 10" in prerequisites["datagrams"].text and "max_dgram_qlen=512" in prerequisites["datagrams"].text
    )
    good = check_prerequisites(
        lambda: "docker 1.2", True, lambda: 4096, lambda: Network(agent=False), lambda: tmp_path, lambda: ""
    )
    assert good[1].available and "reach neither this agent nor other containers" in good[1].text
    for agent, message in ((True, "reach what listens on all of this agent"), (None, "not visible from here")):
        bad = check_prerequisites(
            lambda: "docker 1.2",
            True,
            lambda: 4096,
            lambda: Network(agent=agent),  # noqa: B023
            lambda: tmp_path,
            lambda: "",
        )
        assert not bad[1].available and message in bad[1].text
    assert good[0].text == "docker 1.2" and good[-1].available


def test_the_helper_container_is_started(tmp_path: Path) -> None:
    def check(helper: Callable[[], str]) -> PrerequisiteCheck:
        found = check_prerequisites(lambda: "docker 1.2", True, lambda: 4096, Network, lambda: tmp_path, helper)
        return next(each for each in found if each.name == "helper container")

    def off() -> str:
        raise Unavailable("off on this agent")

    assert check(lambda: "reads") == PrerequisiteCheck("helper container", True, "reads")
    assert check(off) == PrerequisiteCheck("helper container", False, "off on this agent")
