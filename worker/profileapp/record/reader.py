"""Reads a run's `run.json` and `metrics.ndjson`, complete, truncated or garbled."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import BinaryIO

import msgspec

from profileapp.errors import AgentError
from profileapp.model.run import RUN_VERSION, Run
from profileapp.model.series import Series
from profileapp.model.target import NAME_PATTERN
from profileapp.model.text import printable
from profileapp.record.artifacts import APP_LOG_FILE, COMPRESSED_METRICS_FILE, METRICS_FILE, RUN_FILE
from profileapp.record.compressed import open_compressed
from profileapp.record.files import open_regular
from profileapp.record.sample_reader import LINE_LIMIT_BYTES, SERIES_LIMIT, SampleReader
from profileapp.record.series_data import SeriesData

RUN_LIMIT_BYTES = 64 * 1024**2
_BLOCK_BYTES = 256 * 1024


class Recording(msgspec.Struct, frozen=True):
    """The readable content of a target's folder. `problems` has one line, with the reason, per unreadable part."""

    folder: Path
    run: Run | None
    series: dict[Series, SeriesData]
    problems: tuple[str, ...]


def read_recording(folder: Path) -> Recording:
    """Reads a target's folder; anything unreadable becomes a line in `problems`, never an exception."""
    problems: list[str] = []
    run: Run | None = None
    series: dict[Series, SeriesData] = {}
    try:
        run = read_run(folder)
    except FileNotFoundError:
        problems.append(f"{RUN_FILE} is missing: the run and its result are unknown")
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
    """`run.json` of a target's folder. Raises FileNotFoundError; AgentError if it is not a run of this version."""
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
        if version < RUN_VERSION:
            raise AgentError(
                f"{path}: version {version} is older than this profileapp reads ({RUN_VERSION}); run the target again, "
                "or read it with the profileapp that wrote it"
            )
        run = msgspec.json.decode(content, type=Run)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AgentError(f"{path}: not a run of profileapp ({printable(str(error), 300)})") from error
    # It becomes part of paths, pages and test cases; a real run never has another name.
    if not re.fullmatch(NAME_PATTERN, run.target.name):
        shown = printable(run.target.name, 60)
        raise AgentError(f"{path}: not a run of profileapp (the name of its target is {shown!r})")
    return run


def read_series(folder: Path, problems: list[str]) -> dict[Series, SeriesData]:
    """Every series of `metrics.ndjson` (or `.gz`) with its samples.

    Lines that are not samples are skipped; `problems` gains one line that counts them. Raises FileNotFoundError where
    there is neither file, AgentError where it cannot be opened.
    """
    reader = SampleReader(folder)
    try:
        with _open_metrics(folder) as stream:
            _read_into(reader, stream)
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, FileNotFoundError):
            raise
        problems.append(f"{METRICS_FILE} ends early: {error}")
    if reader.bad_lines:
        problems.append(f"{METRICS_FILE}: {reader.bad_lines} of {reader.lines} lines are not samples and were skipped")
    if reader.over_limit:
        problems.append(
            f"{METRICS_FILE}: {reader.over_limit} samples beyond the first {SERIES_LIMIT} series were skipped"
        )
    return reader.series()


def read_log_tail(folder: Path, limit_bytes: int = 16 * 1024) -> str:
    """The end of `app.log`, decoded; "" if it is missing or not a regular file."""
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


def _open_metrics(folder: Path) -> BinaryIO:
    try:
        return open_regular(folder / METRICS_FILE)
    except FileNotFoundError:
        return open_compressed(open_regular(folder / COMPRESSED_METRICS_FILE))


def _read_into(reader: SampleReader, stream: BinaryIO) -> None:
    """Feeds the reader whole lines, many at a time; a line that is too long is skipped without being buffered."""
    rest = b""
    try:
        while block := stream.read(_BLOCK_BYTES):
            end = block.rfind(b"\n") + 1
            if end:
                if len(rest) > LINE_LIMIT_BYTES:
                    reader.take_line(None)
                    whole = block[block.find(b"\n") + 1 : end]
                else:
                    whole = rest + block[:end]
                if whole:
                    reader.take_block(whole)
                rest = block[end:]
            elif len(rest) <= LINE_LIMIT_BYTES:
                rest += block
    finally:
        # Everything before the truncation is still used.
        if rest.strip():
            reader.take_line(rest if len(rest) < LINE_LIMIT_BYTES else None)
