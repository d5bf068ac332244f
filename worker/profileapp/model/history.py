"""A headline number over many runs."""

from __future__ import annotations

import msgspec


class Point(msgspec.Struct, frozen=True):
    """One run's value. `started_ns` is UTC nanoseconds since 1970; `build` is JOB#NUMBER, "" outside Jenkins."""

    run_id: str
    started_ns: int
    value: float
    commit: str = ""
    build: str = ""
    build_url: str = ""


class Change(msgspec.Struct, frozen=True):
    """The level changed with the point at `index`. `before` and `after` are means up to the next change either way.

    `p_value` comes from a t-test between both sides. `commit` is the first one with the new level, `commit_before` the
    last one with the old level: the cause is after `commit_before`, up to and including `commit`.
    """

    index: int
    before: float
    after: float
    p_value: float
    run_id: str = ""
    started_ns: int = 0
    commit: str = ""
    commit_before: str = ""

    @property
    def ratio(self) -> float | None:
        """The change as a fraction of the old level: 0.1 is 10 % more; None if the old level was 0."""
        return (self.after - self.before) / abs(self.before) if self.before else None


class Trend(msgspec.Struct, frozen=True):
    """`statistic` of the series `title`, in `unit`, of one target on one kind of device, the oldest run first.

    `note` is the reason why changes were not searched for, else "".
    """

    app: str
    target: str
    device: str
    title: str
    statistic: str
    unit: str
    points: tuple[Point, ...]
    changes: tuple[Change, ...] = ()
    note: str = ""
