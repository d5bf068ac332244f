"""The seam of the ways by which an app speaks: sockets, and a file that is followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Ingest = Callable[[bytes], None]
"""Takes lines in one piece, divided by line ends. Never raises."""
Note = Callable[[str, str], None]
"""Something of which the report shall tell, though no whole line is lost: a reason, one of a few, and an example."""
Refuse = Callable[[str, str, int], None]
"""So many lines are lost: a reason, one of a few, an example, and their number."""
Skip = Callable[[str, int, int], None]
"""What was never read: a reason, one of a few, how many lines, and how many bytes they take."""


class Listener(Protocol):
    """Gives what the app says, until it is stopped, in bounded memory."""

    def start(self) -> None:
        """It is open from now on. Raises OSError where it cannot be."""

    def stop(self) -> bool:
        """Gives what was said until now, then closes. False where that did not come to an end in time."""
