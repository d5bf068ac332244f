"""A snapshot of all targets, for the views and `live --json`."""

from __future__ import annotations

from typing import Literal

import msgspec

from profileapp.model.clock import format_utc

TargetState = Literal["waiting", "running", "ended"]
VERSION = 1


class TargetRow(msgspec.Struct, frozen=True):
    """One target. `values` maps titles of series (`container.cpu.util`) to their newest value, in the series' unit
    (`units`); a series that is not measured now is absent. `missing` has reasons by metric.

    `starts`: how often it was attached. `since_ns`: UTC ns since 1970 of its last start or end, 0 for neither.
    `throttled`: its CPU quota throttled it in the last interval. `cpu_history` and `memory_history` have the last
    values of `container.cpu.util` and `container.memory.used`, the oldest first.
    """

    name: str
    title: str
    state: TargetState
    container_id: str = ""
    pid: int = 0
    image: str = ""
    starts: int = 0
    since_ns: int = 0
    message: str = ""
    values: dict[str, float] = {}
    units: dict[str, str] = {}
    missing: dict[str, str] = {}
    throttled: bool = False
    cpu_history: tuple[float, ...] = ()
    memory_history: tuple[float, ...] = ()


class Snapshot(msgspec.Struct, frozen=True):
    """All targets at `at_ns` (UTC ns since 1970). `beside_run`: a `profileapp run` measures on this agent now, so
    sources sample no more often than once a second.
    """

    at_ns: int
    interval_s: float
    device: dict[str, float] = {}
    device_missing: dict[str, str] = {}
    targets: tuple[TargetRow, ...] = ()
    beside_run: bool = False


class _JsonTarget(msgspec.Struct, frozen=True):
    name: str
    title: str
    state: TargetState
    container_id: str
    pid: int
    image: str
    starts: int
    since: str | None
    message: str
    values: dict[str, float]
    missing: dict[str, str]
    throttled: bool


class JsonLine(msgspec.Struct, frozen=True):
    """A line of `live --json`."""

    time: str
    interval_s: float
    beside_run: bool
    device: dict[str, float]
    device_missing: dict[str, str]
    targets: tuple[_JsonTarget, ...]
    version: int = VERSION


def json_line(snapshot: Snapshot) -> bytes:
    """A snapshot as one line of JSON, without a newline at the end."""
    targets = tuple(
        _JsonTarget(
            name=row.name,
            title=row.title,
            state=row.state,
            container_id=row.container_id,
            pid=row.pid,
            image=row.image,
            starts=row.starts,
            since=format_utc(row.since_ns) if row.since_ns else None,
            message=row.message,
            values=row.values,
            missing=row.missing,
            throttled=row.throttled,
        )
        for row in snapshot.targets
    )
    line = JsonLine(
        time=format_utc(snapshot.at_ns),
        interval_s=snapshot.interval_s,
        beside_run=snapshot.beside_run,
        device=snapshot.device,
        device_missing=snapshot.device_missing,
        targets=targets,
    )
    return msgspec.json.encode(line)
