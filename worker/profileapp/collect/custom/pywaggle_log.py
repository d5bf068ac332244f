"""Follows what an unmodified pywaggle plugin writes into PYWAGGLE_LOG_DIR.

The format is that of pywaggle 0.56 (`FilesystemPublisher`): `data.ndjson`, one line per `publish`, with local time
without a zone; `timeit` publishes integer nanoseconds; uploads are copied to `uploads/`, with a line `upload`.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
import time
from pathlib import Path

from profileapp.collect.custom.line import (
    LABEL_LIMIT,
    LABEL_TEXT_LIMIT,
    NAME_LIMIT,
    RESERVED_PREFIXES,
    UNIT_LIMIT,
    CustomSample,
    InvalidSample,
    check_text,
)
from profileapp.collect.custom.listener import Ingest, Note, Refuse, Skip
from profileapp.collect.line_splitter import LineSplitter
from profileapp.errors import AgentError
from profileapp.model.clock import parse_utc
from profileapp.model.series import Series
from profileapp.record.files import open_regular

DATA_FILE = "data.ndjson"
UPLOADS_FOLDER = "uploads"
POLL_INTERVAL_S = 0.2
LINE_LIMIT_BYTES = 64 * 1024
DRAIN_LIMIT_S = 2.0
"""Deadline for ingesting lines once the app has ended; the remaining ones are only counted."""
COUNT_LIMIT_S = 5.0
"""Deadline for counting lines; for the rest, the size and an estimated number are reported."""

_READ_BYTES = 256 * 1024
_COUNT_BYTES = 1024 * 1024
# For a whole second Python omits the fraction, but pywaggle still adds its three digits.
_LOCAL_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{6})(\d{3})|(\d{3}))")
_QUARTER_NS = 900 * 1_000_000_000
_OFFSET_LIMIT_NS = 15 * 3600 * 1_000_000_000
_OFFSET_SLACK_NS = 60 * 1_000_000_000


class PywaggleParser:
    """Parses lines of data.ndjson; infers the app's time zone from the first line that is read as it is written."""

    def __init__(self) -> None:
        self._offset_ns: int | None = None

    def parse(self, line: bytes, now_wall_ns: int) -> CustomSample:
        """Parses a line without its line end, read at `now_wall_ns` (UTC ns since 1970). Raises InvalidSample."""
        try:
            parsed = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidSample("a line of pywaggle's log that is not JSON") from error
        if not isinstance(parsed, dict) or not isinstance(parsed.get("name"), str):
            raise InvalidSample("a line of pywaggle's log without a name")
        name, value, meta = parsed["name"], parsed.get("value"), parsed.get("meta", {})
        if isinstance(value, str) and name != "upload":
            raise InvalidSample("a string published by pywaggle: only numbers can be shown as series")
        if name == "upload":
            value, meta = 1, {}
        if isinstance(value, bool):
            value = int(value)
        if not isinstance(value, int | float) or not isinstance(meta, dict):
            raise InvalidSample("a line of pywaggle's log whose value is not a number")
        try:
            number = float(value)
        except OverflowError as error:
            raise InvalidSample("a value that is not finite") from error
        if not math.isfinite(number):
            raise InvalidSample("a value that is not finite")
        wall_ns, fault = self._wall_ns(parsed.get("timestamp"), now_wall_ns)
        return CustomSample(*_series(name, number, meta, is_whole=isinstance(value, int)), wall_ns, fault)

    def _wall_ns(self, timestamp: object, now_wall_ns: int) -> tuple[int | None, str]:
        local_ns = _local_ns(timestamp)
        if local_ns is None:
            return None, "an invalid timestamp of pywaggle"
        if self._offset_ns is None:
            ahead_ns = local_ns - now_wall_ns
            offset_ns = round(ahead_ns / _QUARTER_NS) * _QUARTER_NS
            if abs(ahead_ns) > _OFFSET_LIMIT_NS or abs(ahead_ns - offset_ns) > _OFFSET_SLACK_NS:
                return None, "a timestamp of pywaggle, which has no time zone, before a current one was read"
            self._offset_ns = offset_ns
        return local_ns - self._offset_ns, ""


def _series(name: str, value: float, meta: dict[str, object], *, is_whole: bool) -> tuple[Series, float]:
    """By pywaggle's convention, durations from `timeit` are named `plugin.duration.…`, in nanoseconds."""
    check_text(name, "a name", NAME_LIMIT)
    if not name:
        raise InvalidSample("an empty name")
    if name.startswith(RESERVED_PREFIXES):
        raise InvalidSample(f"a name that begins with {', '.join(RESERVED_PREFIXES[:-1])} or {RESERVED_PREFIXES[-1]}")
    unit = ""
    labels = []
    for key, text in meta.items():
        if not isinstance(text, str):
            raise InvalidSample("a meta of pywaggle that is not a string")
        if key in ("unit", "units"):
            check_text(text, "a unit", UNIT_LIMIT)
            unit = text
        elif key not in ("metric", "kind"):
            check_text(key, "a label", LABEL_TEXT_LIMIT)
            check_text(text, "a label", LABEL_TEXT_LIMIT)
            labels.append((key, text))
    if len(labels) > LABEL_LIMIT:
        raise InvalidSample(f"more than {LABEL_LIMIT} labels")
    if name == "upload":
        return Series("uploads", "files", "custom", (), "counter"), value
    if is_whole and not unit and value >= 0 and "duration" in name.split("."):
        return Series(name, "s", "custom", tuple(sorted(labels)), "timer"), value / 1e9
    return Series(name, unit, "custom", tuple(sorted(labels))), value


def _local_ns(timestamp: object) -> int | None:
    match = _LOCAL_TIME.fullmatch(timestamp) if isinstance(timestamp, str) else None
    if match is None:
        return None
    whole, micro, nano, nano_alone = match.groups()
    try:
        return parse_utc(f"{whole}Z") + int(micro or 0) * 1000 + int(nano or nano_alone)
    except ValueError:
        return None


class LogFollower:
    """Follows `data.ndjson` in a folder that the app may write to: lines may be partial, files replaced or truncated.

    `ingest` receives blocks of lines; `refuse` and `note` faults of the file, and `skip` what was never read. The
    follower's single thread calls all of them.
    """

    def __init__(self, folder: Path, ingest: Ingest, refuse: Refuse, note: Note, skip: Skip) -> None:
        self._path = folder / DATA_FILE
        self._ingest = ingest
        self._refuse = refuse
        self._note = note
        self._skip = skip
        self._file_id = (0, 0)
        self._read_bytes = 0
        self._seen_bytes = 0
        self._lines = 0
        self._lines_bytes = 0
        self._splitter = LineSplitter(LINE_LIMIT_BYTES)
        self._descriptor: int | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="pywaggle-log", daemon=True)

    def start(self) -> None:
        """Starts to read."""
        self._thread.start()

    def stop(self) -> bool:
        """Reads what was written until now. False if the thread did not end in time."""
        self._stopping.set()
        self._thread.join(DRAIN_LIMIT_S + COUNT_LIMIT_S + 3)
        return not self._thread.is_alive()

    def _follow(self) -> None:
        try:
            while not self._stopping.wait(POLL_INTERVAL_S):
                self._read()
            self._read(time.monotonic() + DRAIN_LIMIT_S)
            self._count_rest(time.monotonic() + COUNT_LIMIT_S)
            self._end_file()
        finally:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _read(self, deadline_s: float = math.inf) -> None:
        """Reads the rest of the open file, then a file that replaced it."""
        self._drain(deadline_s)
        try:
            status = self._path.lstat()
        except OSError:
            return
        file_id = (status.st_dev, status.st_ino)
        if self._descriptor is not None and file_id == self._file_id:
            if status.st_size >= self._read_bytes:
                return
            self._note("pywaggle's log was truncated and is read from the start", "")
            # Data written and truncated between two reads cannot be known.
            lost_bytes = self._seen_bytes - self._read_bytes
            if lost_bytes > 0:
                self._skip(
                    "pywaggle's log was truncated before it was read, at least",
                    self._estimated_lines(lost_bytes),
                    lost_bytes,
                )
        self._end_file()
        try:
            # No symbolic link, pipe or device: the folder is the app's.
            with open_regular(self._path) as stream:
                self._descriptor = os.dup(stream.fileno())
                opened = os.fstat(self._descriptor)
                os.lseek(self._descriptor, 0, os.SEEK_SET)
        except (OSError, AgentError):
            self._note("pywaggle's log cannot be read: it is not a regular file", "")
            return
        self._file_id = (opened.st_dev, opened.st_ino)
        self._read_bytes = self._seen_bytes = 0
        self._drain(deadline_s)

    def _drain(self, deadline_s: float) -> None:
        # After `stop`, a file that still grows must not delay the end.
        while self._descriptor is not None and time.monotonic() < deadline_s:
            try:
                self._seen_bytes = max(self._seen_bytes, os.fstat(self._descriptor).st_size)
                content = os.read(self._descriptor, _READ_BYTES)
            except OSError as error:
                self._note("pywaggle's log cannot be read", error.strerror or "")
                return
            if not content:
                return
            self._read_bytes += len(content)
            block, too_long = self._splitter.feed_block(content)
            for start in too_long:
                reason = f"a line of pywaggle's log of more than {LINE_LIMIT_BYTES // 1024} KiB"
                self._refuse(reason, repr(start[:40]), 1)
            if block:
                self._lines += block.count(b"\n")
                self._lines_bytes += len(block)
                self._ingest(block)
            if self._stopping.is_set() and deadline_s == math.inf:
                return

    def _count_rest(self, deadline_s: float) -> None:
        """Counts the rest of the file, which grew faster than it could be ingested."""
        if self._descriptor is None:
            return
        left_bytes = os.fstat(self._descriptor).st_size - self._read_bytes
        if left_bytes <= 0:
            return
        reason = "pywaggle's log grew faster than it is read, and its end was not read"
        counted = counted_bytes = 0
        ends_line = True
        while counted_bytes < left_bytes and time.monotonic() < deadline_s:
            content = os.read(self._descriptor, min(_COUNT_BYTES, left_bytes - counted_bytes))
            if not content:
                break
            counted += content.count(b"\n")
            counted_bytes += len(content)
            ends_line = content.endswith(b"\n")
        # The buffered start of a line belongs to the first of these lines; an overlong line was already reported.
        counted -= self._splitter.is_skipping
        self._splitter = LineSplitter(LINE_LIMIT_BYTES)
        self._skip(reason, counted + (not ends_line), counted_bytes)
        beyond_bytes = left_bytes - counted_bytes
        if beyond_bytes > 0:
            about = beyond_bytes * counted // counted_bytes if counted_bytes else self._estimated_lines(beyond_bytes)
            self._skip(f"{reason} nor counted, about", about, beyond_bytes)

    def _estimated_lines(self, size_bytes: int) -> int:
        """The estimated number of lines in so many bytes."""
        return size_bytes * self._lines // self._lines_bytes if self._lines_bytes else 0

    def _end_file(self) -> None:
        left = self._splitter.end()
        self._splitter = LineSplitter(LINE_LIMIT_BYTES)
        if left.endswith(b"}"):
            self._ingest(left)
        elif left:
            self._refuse("an incomplete line at the end of pywaggle's log", repr(left[:40]), 1)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
