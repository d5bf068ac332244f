"""What the app itself says, over a unix socket that takes newline-delimited JSON from any of its processes."""

from __future__ import annotations

import math
import time
from collections import Counter

from profileapp.collect.custom_line import CustomSample, Refused, parse_line
from profileapp.collect.line_server import LineServer
from profileapp.collect.seam import Emit, Mount, Provision, RunContext, Subject
from profileapp.errors import Unavailable
from profileapp.model.series import Series

CONTAINER_FOLDER = "/run/profileapp"
SOCKET_NAME = "metrics.sock"
SOCKET_VARIABLE = "PROFILEAPP_SOCKET"

SERIES_LIMIT = 1000
RATE_LIMIT_PER_S = 50_000
"""Values a second that are kept; what an app sends beyond is read, counted and dropped."""
PLAUSIBLE_NS = 3_600_000_000_000
"""A timestamp more than this before the run or after now is not believed."""


class CustomSocket:
    """Metric `custom`, from the socket that `PROFILEAPP_SOCKET` names in the app's environment.

    It takes what the app says from `open` to `close`. Whatever the app sends, memory stays bounded: lines,
    connections, series and values a second have limits; what goes beyond is counted by reason and told at the end.
    """

    metric = "custom"
    source = "socket"
    part = ""
    preference = 10
    fastest_s = 0.01

    def __init__(self) -> None:
        self._server: LineServer | None = None
        self._noted: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._totals: dict[Series, float] = {}
        self._known: set[Series] = set()
        self._second = 0
        self._in_second = 0

    def open(self, run: RunContext, emit: Emit) -> Provision:
        self._run, self._emit = run, emit
        folder = run.scratch / "app"
        path = folder / SOCKET_NAME
        server: LineServer | None = None
        try:
            # The folder above is private (0700): only who is given this one by a mount, or is us, gets to the socket.
            folder.mkdir(mode=0o755, exist_ok=True)
            folder.chmod(0o755)
            server = LineServer(path, self._take_line, self._note)
            server.start()
        except OSError as error:
            raise Unavailable(f"no socket can be made at {path} ({error.strerror or error})") from error
        self._server = server
        if run.contained:
            mounts = (Mount(str(folder), CONTAINER_FOLDER),)
            return Provision({SOCKET_VARIABLE: f"{CONTAINER_FOLDER}/{SOCKET_NAME}"}, mounts)
        return Provision({SOCKET_VARIABLE: str(path)})

    def attach(self, subject: Subject) -> None:
        """The socket listens already: an app may speak from its first moment."""

    def sample(self, now_ns: int) -> None:
        """Samples come when the app sends them."""

    def detach(self) -> None:
        """What was sent before the end of the app is still read."""

    def close(self) -> None:
        if self._server is None:
            return
        if not self._server.stop():
            self._note("the end of what the app sent was not read in time", "")
        self._server = None
        for reason, count in self._noted.most_common():
            times = f"{count} times" if count > 1 else "once"
            example = f", such as {self._examples[reason]}" if self._examples[reason] else ""
            self._run.warn(f"custom: {reason} ({times}{example})")

    def _take_line(self, line: bytes) -> None:
        now_ns = time.monotonic_ns()
        if not self._is_within_rate(now_ns):
            self._note(f"more than {RATE_LIMIT_PER_S} values a second, those on top were dropped", "")
            return
        try:
            sample = parse_line(line)
            value = self._value(sample)
        except Refused as reason:
            self._note(f"refused: {reason}", repr(line[:80]))
            return
        self._emit(sample.series, value, self._at_ns(sample, now_ns))

    def _is_within_rate(self, now_ns: int) -> bool:
        second = now_ns // 1_000_000_000
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return self._in_second <= RATE_LIMIT_PER_S

    def _value(self, sample: CustomSample) -> float:
        """Of a counter the running total, over all repeats. Raises Refused."""
        series = sample.series
        if series not in self._known:
            if len(self._known) >= SERIES_LIMIT:
                raise Refused(f"more than {SERIES_LIMIT} different series")
            self._known.add(series)
        if series.kind != "counter":
            return sample.value
        total = self._totals.get(series, 0.0) + sample.value
        if not math.isfinite(total):
            raise Refused("a counter that grew beyond all numbers")
        self._totals[series] = total
        return total

    def _at_ns(self, sample: CustomSample, now_ns: int) -> int:
        """The app's own time where it is plausible, else the time of arrival; both on the monotonic clock."""
        if sample.timestamp_fault:
            self._note(f"{sample.timestamp_fault}; the time of arrival was taken", repr(sample.series.name))
        if sample.wall_ns is None:
            return now_ns
        clock = self._run.clock
        at_ns = clock.monotonic_ns(sample.wall_ns)
        if clock.anchor_monotonic_ns - PLAUSIBLE_NS <= at_ns <= now_ns + PLAUSIBLE_NS:
            return at_ns
        self._note(
            "a timestamp more than an hour before the run or after now; the time of arrival was taken",
            f"{sample.wall_ns} ns since 1970 for {sample.series.name!r}",
        )
        return now_ns

    def _note(self, reason: str, example: str) -> None:
        self._noted[reason] += 1
        self._examples.setdefault(reason, example)
