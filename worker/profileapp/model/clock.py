"""The clock of a run: one wall-clock anchor plus the monotonic clock, so that clock steps have no effect."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone

import msgspec

# fromisoformat alone accepts more: 12:27.5, or a date of another calendar.
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Clock(msgspec.Struct, frozen=True):
    """Converts monotonic nanoseconds to UTC nanoseconds since 1970.

    `anchor_wall_ns` is `time.time_ns()` and `anchor_monotonic_ns` is `time.monotonic_ns()`, read together.
    """

    anchor_wall_ns: int
    anchor_monotonic_ns: int

    @classmethod
    def now(cls) -> Clock:
        """A clock anchored at the current time."""
        return cls(time.time_ns(), time.monotonic_ns())

    def wall_ns(self, monotonic_ns: int) -> int:
        """Converts a time of the monotonic clock to UTC nanoseconds since 1970."""
        return self.anchor_wall_ns + (monotonic_ns - self.anchor_monotonic_ns)

    def monotonic_ns(self, wall_ns: int) -> int:
        """Converts UTC nanoseconds since 1970 to the monotonic clock."""
        return self.anchor_monotonic_ns + (wall_ns - self.anchor_wall_ns)


def format_utc(wall_ns: int) -> str:
    """RFC 3339 in UTC with nanoseconds: `2026-11-23T12:27:25.123456789Z`.

    `wall_ns` is UTC nanoseconds since 1970 in the years 1 to 9999 (else ValueError or OverflowError).
    """
    seconds, nanoseconds = divmod(wall_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def parse_utc(text: str) -> int:
    """UTC nanoseconds since 1970 of an RFC 3339 timestamp with any zone and up to 9 fractional digits.

    Raises ValueError for any other text.
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 timestamp with its time zone: {text[:40]!r}")
    whole, fraction, zone = match.groups(default="")
    # Python 3.10 does not accept the Z.
    moment = datetime.fromisoformat(f"{whole}{'+00:00' if zone == 'Z' else zone}")
    elapsed = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (elapsed.days * 86400 + elapsed.seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))
