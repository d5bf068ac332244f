"""Whether a service is ready: one look, which takes no longer than profileapp.probe.LOOK_TIMEOUT_S."""

from __future__ import annotations

from profileapp.model.target import Ready
from profileapp.run.service_host import RunningService


class LogMatcher:
    """Whether a text has been printed; fed with what is printed, in whatever pieces."""

    def __init__(self, text: str) -> None:
        self._wanted = text.encode()
        self._tail = b""
        self.found = False

    def feed(self, content: bytes) -> None:
        """Takes what was printed next."""
        if not self.found:
            self._tail += content
            self.found = self._wanted in self._tail
            self._tail = self._tail[-len(self._wanted) :]


def is_ready(ready: Ready, service: RunningService, log_matcher: LogMatcher) -> bool:
    """One look. Never raises."""
    if ready.log:
        return log_matcher.found
    if ready.file:
        return service.has_file(ready.file)
    return service.answers(ready)
