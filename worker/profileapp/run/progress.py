"""Progress events of a run; a listener shows them on a terminal or in a build log."""

from __future__ import annotations

from typing import Protocol

from profileapp.model.run import Repeat
from profileapp.model.target import Target


class Progress(Protocol):
    """Called from the run's own thread; must not block."""

    def waiting(self, text: str) -> None:
        """Another profile holds the agent's lock: `text` names it and the time since when."""

    def note(self, text: str) -> None:
        """One line of information, such as what was swept."""

    def pulling(self, image: str, done_bytes: int, total_bytes: int) -> None:
        """The image is being pulled; `total_bytes` grows as layers become known."""

    def started(self, target: Target, repeat: int) -> None:
        """The app has been started for the `repeat`th time, from 1."""

    def tick(self, target: Target, elapsed_s: float) -> None:
        """The app runs; called about once a second."""

    def ended(self, target: Target, repeat: Repeat) -> None:
        """The app has ended."""
