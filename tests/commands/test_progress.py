"""Progress: plain lines in a build log, a bar on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from profileapp.commands import progress as module
from profileapp.commands.progress import BarProgress, PlainProgress, make_progress
from profileapp.model.run import Repeat
from profileapp.model.target import Target

TARGET = Target("gpu", timeout_s=120, repeat=2)
ENDED = Repeat(1, 0, 0, 1, "timeout", message="ran for its 120 s")


def report(progress: module.CommandProgress) -> None:
    with progress:
        progress.waiting("waiting for run x")
        progress.note("swept run y")
        progress.pulling("app:1", 3 * 1024**2, 9 * 1024**2)
        progress.started(TARGET, 1)
        progress.tick(TARGET, 10)
        progress.tick(TARGET, 11)
        progress.ended(TARGET, ENDED)


def test_plain_lines_are_written_at_events_and_periodically(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now_s[0])
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.waiting("waiting for run x")
    progress.started(TARGET, 1)
    for _ in range(25):
        now_s[0] += 1
        progress.tick(TARGET, now_s[0])
    progress.ended(TARGET, ENDED)
    assert stream.getvalue().splitlines() == [
        "profileapp: waiting for run x",
        "profileapp: gpu (1 of 2): started",
        "profileapp: gpu: 10 s of 2 min",
        "profileapp: gpu: 20 s of 2 min",
        "profileapp: gpu (1 of 2): ran for its 120 s",
    ]


def test_a_terminal_shows_a_bar_and_keeps_only_finished_targets() -> None:
    stream = io.StringIO()
    report(BarProgress(Console(file=stream, force_terminal=True, width=100)))
    assert "gpu (1 of 2): ran for its 120 s" in stream.getvalue() and "swept run y" in stream.getvalue()
    assert "━" in stream.getvalue()


def test_the_stream_selects_the_format() -> None:
    assert isinstance(make_progress(io.StringIO()), PlainProgress)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(make_progress(Terminal()), BarProgress)
