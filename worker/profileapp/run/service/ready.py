"""Checks whether a service is ready; one check takes at most profileapp.probe.CHECK_TIMEOUT_S."""

from __future__ import annotations

from profileapp.model.target import Ready
from profileapp.run.service_host import RunningService


class LogMatcher:
    """Whether a text has been printed; receives the output in any chunks."""

    def __init__(self, text: str) -> None:
        self._wanted = text.encode()
        self._tail = b""
        self.found = False

    def feed(self, content: bytes) -> None:
        """Adds the next output."""
        if not self.found:
            self._tail += content
            self.found = self._wanted in self._tail
            self._tail = self._tail[-len(self._wanted) :]


def is_ready(ready: Ready, service: RunningService, log_matcher: LogMatcher) -> bool:
    """Checks once. Never raises."""
    if ready.log:
        return log_matcher.found
    if ready.file:
        return service.has_file(ready.file)
    return service.answers(ready)
