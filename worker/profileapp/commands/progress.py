"""Progress of a run: a bar on a terminal, occasional plain lines in a build log."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from profileapp.model.run import Repeat
from profileapp.model.target import Target
from profileapp.plan.table import format_duration
from profileapp.run.progress import Progress as RunProgress

PLAIN_EVERY_S = 10.0


class CommandProgress(RunProgress, Protocol):
    """A run's progress, shown for the duration of a `with` block."""

    def __enter__(self) -> CommandProgress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def make_progress(stream: TextIO) -> CommandProgress:
    """A bar if `stream` is a terminal, else plain lines."""
    return BarProgress(Console(file=stream)) if stream.isatty() else PlainProgress(stream)


class PlainProgress:
    """Plain lines: one at each event, and one every PLAIN_EVERY_S seconds while an app runs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next_s = 0.0

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_: object) -> None:
        """Does nothing: lines need no cleanup."""

    def waiting(self, text: str) -> None:
        self._print(text)

    def note(self, text: str) -> None:
        self._print(text)

    def pulling(self, image: str, done_bytes: int, total_bytes: int) -> None:
        if self._due():
            self._print(f"pulling {image}: {done_bytes // 1024**2} of {total_bytes // 1024**2} MiB")

    def started(self, target: Target, repeat: int) -> None:
        self._next_s = time.monotonic() + PLAIN_EVERY_S
        self._print(f"{describe(target, repeat)}: started")

    def tick(self, target: Target, elapsed_s: float) -> None:
        if self._due():
            end = f" of {format_duration(target.timeout_s)}" if target.timeout_s else ""
            self._print(f"{target.name}: {elapsed_s:.0f} s{end}")

    def ended(self, target: Target, repeat: Repeat) -> None:
        self._print(f"{describe(target, repeat.index)}: {repeat.message}")

    def _due(self) -> bool:
        if time.monotonic() < self._next_s:
            return False
        self._next_s = time.monotonic() + PLAIN_EVERY_S
        return True

    def _print(self, text: str) -> None:
        self._stream.write(f"profileapp: {text}\n")
        self._stream.flush()


class BarProgress:
    """One bar for the current step; finished steps are printed above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bars.add_task("", visible=False)

    def __enter__(self) -> BarProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def waiting(self, text: str) -> None:
        self._bars.reset(self._task, description=text, total=None, visible=True)

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def pulling(self, image: str, done_bytes: int, total_bytes: int) -> None:
        self._bars.update(
            self._task, description=f"pulling {image}", completed=done_bytes, total=total_bytes, visible=True
        )

    def started(self, target: Target, repeat: int) -> None:
        self._bars.reset(self._task, description=describe(target, repeat), total=target.timeout_s or None, visible=True)

    def tick(self, target: Target, elapsed_s: float) -> None:
        self._bars.update(self._task, completed=elapsed_s)

    def ended(self, target: Target, repeat: Repeat) -> None:
        self._bars.update(self._task, visible=False)
        self._console.print(f"{describe(target, repeat.index)}: {repeat.message}", markup=False, highlight=False)


def describe(target: Target, repeat: int) -> str:
    """`gpu`, or `gpu (2 of 5)`."""
    if repeat > target.repeat:
        return f"{target.name} (traced)"
    return f"{target.name} ({repeat} of {target.repeat})" if target.repeat > 1 else target.name
