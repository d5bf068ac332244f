"""Reads what a run left: `run.json` and `metrics.ndjson`, whole, cut or garbled."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast, get_args

import msgspec

from profileapp.errors import AgentError
from profileapp.model.clock import parse_utc
from profileapp.model.run import RUN_VERSION, Run
from profileapp.model.series import Kind, Series
from profileapp.record.files import open_regular
from profileapp.record.folder import APP_LOG_FILE, METRICS_FILE, PACKED_METRICS_FILE, RUN_FILE
from profileapp.record.packed import open_packed

RUN_LIMIT_BYTES = 64 * 1024**2
LINE_LIMIT_BYTES = 256 * 1024
SERIES_LIMIT = 20_000


class SampleLine(msgspec.Struct, frozen=True):
    """One line of `metrics.ndjson`, in the shape of the Sage data API.

    `timestamp` is RFC 3339 in UTC with nanoseconds. `meta` holds `metric`, `unit` and, for what is no gauge, `kind`;
    all else in it are labels.
    """

    name: str
    value: float
    timestamp: str
    meta: dict[str, str] = {}


class SeriesData:
    """The samples of a series: `times_ns` (UTC nanoseconds since 1970) and `values`, of one length, in file order."""

    __slots__ = ("times_ns", "values")

    def __init__(self) -> None:
        self.times_ns: array[int] = array("q")
        self.values: array[float] = array("d")

    def __len__(self) -> int:
        return len(self.values)


class Recording(msgspec.Struct, frozen=True):
    """All that was found in a target's folder. `problems` says, a line each, what could not be read and why."""

    folder: Path
    run: Run | None
    series: dict[Series, SeriesData]
    problems: tuple[str, ...]


def read_recording(folder: Path) -> Recording:
    """Everything of a target's folder that can be read; what cannot is a line in `problems`, never an exception."""
    problems: list[str] = []
    run: Run | None = None
    series: dict[Series, SeriesData] = {}
    try:
        run = read_run(folder)
    except FileNotFoundError:
        problems.append(f"{RUN_FILE} is missing: what was run, and how it ended, is not known")
    except AgentError as error:
        problems.append(str(error))
    try:
        series = read_series(folder, problems)
    except FileNotFoundError:
        problems.append(f"{METRICS_FILE} is missing: nothing was measured")
    except AgentError as error:
        problems.append(str(error))
    return Recording(folder, run, series, tuple(problems))


def read_run(folder: Path) -> Run:
    """`run.json` of a target's folder. Raises FileNotFoundError, and AgentError where it is no run of this version."""
    path = folder / RUN_FILE
    with open_regular(path) as stream:
        content = stream.read(RUN_LIMIT_BYTES + 1)
    if len(content) > RUN_LIMIT_BYTES:
        raise AgentError(f"{path}: larger than {RUN_LIMIT_BYTES} bytes, so it is not read")
    try:
        version = msgspec.json.decode(content, type=_Versioned).version
        if version > RUN_VERSION:
            raise AgentError(
                f"{path}: version {version} is newer than this profileapp knows ({RUN_VERSION}); update it"
            )
        return msgspec.json.decode(content, type=Run)
    except (msgspec.DecodeError, RecursionError) as error:
        raise AgentError(f"{path}: not a run of profileapp ({error})") from error


def read_series(folder: Path, problems: list[str]) -> dict[Series, SeriesData]:
    """Every series of `metrics.ndjson` (or `.gz`) with its samples.

    Lines that are not samples are left out; `problems` gains one line that counts them. Raises FileNotFoundError where
    there is neither file, AgentError where it cannot be opened.
    """
    reader = _SeriesReader()
    try:
        with _open_metrics(folder) as stream:
            for line in _lines(stream):
                reader.take(line)
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, FileNotFoundError):
            raise
        problems.append(f"{METRICS_FILE} ends early: {error}")
    if reader.bad_lines:
        problems.append(f"{METRICS_FILE}: {reader.bad_lines} of {reader.lines} lines are no samples and were left out")
    if reader.over_limit:
        problems.append(
            f"{METRICS_FILE}: {reader.over_limit} samples beyond the first {SERIES_LIMIT} series were left out"
        )
    return reader.series


def read_log_tail(folder: Path, limit_bytes: int = 16 * 1024) -> str:
    """The end of `app.log`, decoded; "" where there is none or it is no ordinary file."""
    try:
        with open_regular(folder / APP_LOG_FILE) as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - limit_bytes))
            tail = stream.read(limit_bytes)
    except (OSError, AgentError):
        return ""
    return tail.decode("utf-8", errors="replace")


class _Versioned(msgspec.Struct):
    version: int


class _SeriesReader:
    """Sorts lines into series; times and series that repeat are decoded once."""

    def __init__(self) -> None:
        self.series: dict[Series, SeriesData] = {}
        self.lines = 0
        self.bad_lines = 0
        self.over_limit = 0
        self._decode = msgspec.json.Decoder(SampleLine).decode
        self._seconds: dict[str, int] = {}

    def take(self, line: bytes | None) -> None:
        """Takes one line; None stands for a line that was too long to be one."""
        self.lines += 1
        try:
            sample = self._decode(line or b"")
            time_ns = self._time_ns(sample.timestamp)
            series = _series_of(sample)
        except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
            self.bad_lines += 1
            return
        data = self.series.get(series)
        if data is None:
            if len(self.series) >= SERIES_LIMIT:
                self.over_limit += 1
                return
            data = self.series[series] = SeriesData()
        data.times_ns.append(time_ns)
        data.values.append(sample.value)

    def _time_ns(self, timestamp: str) -> int:
        """As `parse_utc`, with the second looked up where the text is in the form that we write ourselves."""
        if len(timestamp) != 30 or timestamp[19] != "." or timestamp[29] != "Z" or not timestamp[20:29].isdecimal():
            return _in_range(parse_utc(timestamp))
        second = timestamp[:19]
        known = self._seconds.get(second)
        if known is None:
            if len(self._seconds) > 10_000:
                self._seconds.clear()
            known = self._seconds[second] = _in_range(parse_utc(f"{second}Z"))
        return known + int(timestamp[20:29])


def _in_range(time_ns: int) -> int:
    if not 0 <= time_ns < 2**62:
        raise ValueError("a time before 1970 or after 2116")
    return time_ns


def _series_of(sample: SampleLine) -> Series:
    meta = dict(sample.meta)
    metric, unit, kind = meta.pop("metric", "custom"), meta.pop("unit", ""), meta.pop("kind", "gauge")
    if kind not in get_args(Kind):
        raise ValueError(f"unknown kind {kind!r}")
    return Series(sample.name, unit, metric, tuple(sorted(meta.items())), cast(Kind, kind))


def _open_metrics(folder: Path) -> BinaryIO:
    try:
        return open_regular(folder / METRICS_FILE)
    except FileNotFoundError:
        return open_packed(open_regular(folder / PACKED_METRICS_FILE))


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Each line; None for one of more than LINE_LIMIT_BYTES, which is skipped without being held in memory."""
    while line := stream.readline(LINE_LIMIT_BYTES):
        if len(line) < LINE_LIMIT_BYTES or line.endswith(b"\n"):
            if line.strip():
                yield line
            continue
        while (rest := stream.readline(LINE_LIMIT_BYTES)) and not rest.endswith(b"\n"):
            pass
        yield None
