"""The interface of listeners for app-reported metrics: sockets, and a file that is followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Ingest = Callable[[bytes], None]
"""Ingests a block of lines, separated by line ends. Never raises."""
Note = Callable[[str, str], None]
"""Adds a finding to the report that is not the loss of a whole line: a reason, one of a few, and an example."""
Refuse = Callable[[str, str, int], None]
"""Reports lost lines: a reason, one of a few, an example, and their number."""
Skip = Callable[[str, int, int], None]
"""Reports lines that were never read: a reason, one of a few, their number, and their size in bytes."""


class Listener(Protocol):
    """Receives what the app sends until it is stopped, in bounded memory."""

    def start(self) -> None:
        """Opens it. Raises OSError if that fails."""

    def stop(self) -> bool:
        """Passes on what was sent until now, then closes. False if that did not end in time."""
