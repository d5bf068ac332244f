"""TAU's profiles: `profile.NODE.CONTEXT.THREAD`, one file per thread, one `MULTI__METRIC` folder per metric.

Source: TAU Reference Guide, "TAU profile format", and files of TAU 2.18 to 2.32:

    12 templated_functions_MULTI_TIME
    # Name Calls Subrs Excl Incl ProfileCalls # <metadata>…</metadata>
    "main [{/src/main.cpp} {31,0}]" 1 136 102017 335849041 0 GROUP="TAU_DEFAULT"
    "main => MPI_Init()" 1 0 120952 120952 0 GROUP="TAU_CALLPATH|MPI"       a callpath: MPI_Init called from main
    "[SAMPLE] f [{/src/f.c} {12}]" 3 0 30000 30000 0 GROUP="TAU_SAMPLE"     from event-based sampling
    0 aggregates
    2 userevents
    # eventname numevents max min mean sumsqr
    "Message size for broadcast" 1 4 4 4 16

Values of TIME and other clocks are in microseconds; those of hardware counters are counts.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from profileapp.errors import AgentError
from profileapp.record.files import open_regular

FILES_LIMIT = 4096
FILE_LIMIT_BYTES = 64 * 1024**2
TOTAL_LIMIT_BYTES = 256 * 1024**2
LINE_LIMIT_BYTES = 64 * 1024
NAMES_LIMIT = 20_000
"""Limit of timers, callpaths and events of one metric; any more are counted."""

_HEADER = re.compile(r"(\d{1,9}) templated_functions(?:_MULTI_(.{1,80}))?")
_SECTION = re.compile(r"(\d{1,9}) (aggregates|userevents)")
_METRIC_NAME = re.compile(rb"<name>Metric Name</name><value>([^<]{1,80})</value>")
_FILE_NAME = re.compile(r"profile\.(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
_FOLDER_PREFIX = "MULTI__"
# Thirty thousand years in microseconds: a garbled number; sums of smaller values stay finite.
_VALUE_LIMIT = 1e18


class TauTimer(msgspec.Struct, frozen=True):
    """A function, a part of it (`parameter`, callpath) or samples in it, summed over threads.

    `exclusive` and `inclusive` are in the unit of the metric; `threads` is the number of threads it ran in.
    """

    name: str
    groups: tuple[str, ...]
    calls: float
    exclusive: float
    inclusive: float
    threads: int

    @property
    def is_callpath(self) -> bool:
        """Whether it is the part of a function with one chain of callers: `A => B`."""
        return " => " in self.name

    @property
    def is_parameter(self) -> bool:
        """Whether it is the part of a function with one value of a parameter: `f() [ <size> = <100> ]`."""
        return "TAU_PARAM" in self.groups


class TauEvent(msgspec.Struct, frozen=True):
    """A user event over all threads, such as the sizes of messages; `stddev` is that of the whole population."""

    name: str
    count: int
    min: float
    max: float
    mean: float
    stddev: float


class TauProfile(msgspec.Struct, frozen=True):
    """One metric over all threads.

    `total` is the sum of each thread's largest inclusive value. `unread_lines` counts truncated and garbled lines,
    `missing_rows` rows that files announce but do not contain, `omitted` rows over a limit.
    """

    metric: str
    timers: tuple[TauTimer, ...]
    events: tuple[TauEvent, ...]
    total: float
    threads: int
    unread_lines: int = 0
    missing_rows: int = 0
    omitted: int = 0

    @property
    def is_time(self) -> bool:
        """Whether its values are microseconds from a clock, not counts of a hardware counter."""
        return "TIME" in self.metric.upper()


class TauProfiles(msgspec.Struct, frozen=True):
    """Every metric found in a folder, by name. `problems` has one line per file that could not be read."""

    metrics: tuple[TauProfile, ...]
    problems: tuple[str, ...]


def read_tau_profiles(folder: Path) -> TauProfiles:
    """All profiles of a folder and its `MULTI__METRIC` folders. Follows no links. Never raises."""
    problems: list[str] = []
    folds: dict[str, _Fold] = {}
    bytes_left = TOTAL_LIMIT_BYTES
    paths = list(_profile_paths(folder, problems))
    for path in paths[:FILES_LIMIT]:
        try:
            with open_regular(path) as stream:
                size = os.fstat(stream.fileno()).st_size
                if size > min(FILE_LIMIT_BYTES, bytes_left):
                    problems.append(f"{path.name} was not read: its {size} bytes exceed the limit")
                    continue
                bytes_left -= size
                file = parse_tau_file(stream, _metric_of_folder(path.parent))
        except (OSError, AgentError) as error:
            problems.append(str(error))
            continue
        folds.setdefault(file.metric, _Fold(file.metric)).add(file)
    if len(paths) > FILES_LIMIT:
        problems.append(f"{folder.name}: only the first {FILES_LIMIT} of {len(paths)} profiles were read")
    profiles = tuple(folds[metric].profile() for metric in sorted(folds))
    for each in profiles:
        problems += _problems_of(each)
    return TauProfiles(profiles, tuple(problems))


class TauFile(msgspec.Struct, frozen=True):
    """One thread's profile, from one file."""

    metric: str
    timers: tuple[TauTimer, ...]
    events: tuple[TauEvent, ...]
    unread_lines: int
    missing_rows: int
    omitted: int


def parse_tau_file(stream: BinaryIO, metric: str = "") -> TauFile:
    """Parses one `profile.N.C.T`; `metric` is used if the file names none. Raises only OSError.

    A truncated or garbled line is skipped; the others are parsed.
    """
    timers: list[TauTimer] = []
    events: list[TauEvent] = []
    unread = announced = omitted = 0
    section, lines_of_section = "functions", 0
    named = ""
    for number, (raw, whole) in enumerate(_lines(stream)):
        line = raw.decode("utf-8", errors="replace").strip()
        if number == 0 and (header := _HEADER.fullmatch(line)):
            announced = int(header[1])
            named = (header[2] or "TIME").strip()
            continue
        if line.startswith("#"):
            if not named and (found := _METRIC_NAME.search(raw)):
                named = found[1].decode("utf-8", errors="replace").strip()
            continue
        if change := _SECTION.fullmatch(line):
            section, lines_of_section = change[2], int(change[1])
            continue
        if section == "aggregates" and lines_of_section > 0:
            # Group totals of the same timers.
            lines_of_section -= 1
            continue
        timer = _timer(line) if whole else None
        event = _event(line) if whole and timer is None and section == "userevents" else None
        # Rows after the announced ones are remains of an earlier, longer file.
        is_beyond = section == "functions" and timer is not None and 0 < announced <= len(timers) + omitted
        if is_beyond or (timer is None and event is None):
            unread += 1
        elif len(timers) + len(events) >= NAMES_LIMIT:
            omitted += 1
        elif timer is not None:
            timers.append(timer)
        elif event is not None:
            events.append(event)
    missing = max(0, announced - len(timers) - omitted)
    return TauFile(named or metric or "TIME", tuple(timers), tuple(events), unread, missing, omitted)


class _Fold:
    """Sums the threads of one metric."""

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._timers: dict[str, TauTimer] = {}
        self._events: dict[str, TauEvent] = {}
        self._total = 0.0
        self._threads = self._unread = self._missing = self._omitted = 0

    def add(self, file: TauFile) -> None:
        self._threads += 1
        self._unread += file.unread_lines
        self._missing += file.missing_rows
        self._omitted += file.omitted
        self._total += max((timer.inclusive for timer in file.timers), default=0.0)
        for timer in file.timers:
            if existing := self._timers.get(timer.name):
                self._timers[timer.name] = _sum_of_timers(existing, timer)
            elif self._below_limit():
                self._timers[timer.name] = timer
        for event in file.events:
            if existing_event := self._events.get(event.name):
                self._events[event.name] = _sum_of_events(existing_event, event)
            elif self._below_limit():
                self._events[event.name] = event

    def profile(self) -> TauProfile:
        return TauProfile(
            metric=self._metric,
            timers=tuple(sorted(self._timers.values(), key=lambda timer: (-timer.exclusive, timer.name))),
            events=tuple(sorted(self._events.values(), key=lambda event: event.name)),
            total=self._total,
            threads=self._threads,
            unread_lines=self._unread,
            missing_rows=self._missing,
            omitted=self._omitted,
        )

    def _below_limit(self) -> bool:
        below = len(self._timers) + len(self._events) < NAMES_LIMIT
        self._omitted += not below
        return below


def _timer(line: str) -> TauTimer | None:
    """Parses `"NAME" calls subrs exclusive inclusive profilecalls GROUP="A | B"`; the name may contain quotes."""
    front, group_mark, group = line.rpartition(' GROUP="')
    words = front.rsplit(None, 5)
    name = _quoted(words[0]) if len(words) == 6 else ""
    if not group_mark or not group.endswith('"') or not name:
        return None
    try:
        calls, subroutines, exclusive, inclusive, _ = map(float, words[1:])
    except ValueError:
        return None
    if not all(0 <= number <= _VALUE_LIMIT for number in (calls, subroutines, exclusive, inclusive)):
        return None
    groups = tuple(part for part in map(str.strip, group[:-1].split("|")) if part)
    return TauTimer(name, groups, calls, exclusive, inclusive, 1)


def _event(line: str) -> TauEvent | None:
    """Parses `"NAME" count max min mean sumsqr`."""
    words = line.rsplit(None, 5)
    name = _quoted(words[0]) if len(words) == 6 else ""
    if not name:
        return None
    try:
        count, largest, smallest, mean, squares = numbers = [float(word) for word in words[1:]]
    except ValueError:
        return None
    if not all(map(math.isfinite, numbers)) or not 1 <= count <= _VALUE_LIMIT:
        return None
    return TauEvent(name, int(count), smallest, largest, mean, _stddev(squares / count, mean))


def _quoted(text: str) -> str:
    """The text between the first and the last quote; "" if it is empty or not quoted."""
    text = text.strip()
    return text[1:-1].strip() if len(text) > 2 and text[0] == text[-1] == '"' else ""


def _sum_of_timers(a: TauTimer, b: TauTimer) -> TauTimer:
    return TauTimer(
        a.name,
        a.groups,
        a.calls + b.calls,
        a.exclusive + b.exclusive,
        a.inclusive + b.inclusive,
        a.threads + b.threads,
    )


def _sum_of_events(a: TauEvent, b: TauEvent) -> TauEvent:
    count = a.count + b.count
    share_a, share_b = a.count / count, b.count / count
    mean = a.mean * share_a + b.mean * share_b
    square = (_squared(a.stddev) + _squared(a.mean)) * share_a + (_squared(b.stddev) + _squared(b.mean)) * share_b
    return TauEvent(a.name, count, min(a.min, b.min), max(a.max, b.max), mean, _stddev(square, mean))


def _stddev(mean_square: float, mean: float) -> float:
    # Rounding can make a constant's variance negative; huge garbled numbers make it infinite.
    variance = mean_square - _squared(mean)
    return math.sqrt(variance) if 0 < variance < math.inf else 0.0


def _squared(value: float) -> float:
    # Not `**`, which raises OverflowError.
    return value * value


def _lines(stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Each line that is not empty, and whether it is complete: long lines are truncated."""
    while line := stream.readline(LINE_LIMIT_BYTES):
        whole = len(line) < LINE_LIMIT_BYTES or line.endswith(b"\n")
        rest = line
        while not rest.endswith(b"\n") and (rest := stream.readline(LINE_LIMIT_BYTES)):
            pass
        if line.strip():
            yield line, whole


def _profile_paths(folder: Path, problems: list[str]) -> Iterator[Path]:
    """Profiles by node, context and thread; first those of the folder itself, then of each metric's folder."""
    for place in (folder, *_metric_folders(folder, problems)):
        found = sorted((place / name for name in _entries(place, problems)), key=_thread_of)
        yield from (path for path in found if _FILE_NAME.fullmatch(path.name))


def _metric_folders(folder: Path, problems: list[str]) -> list[Path]:
    found = (folder / name for name in sorted(_entries(folder, problems)) if name.startswith(_FOLDER_PREFIX))
    return [path for path in found if not path.is_symlink() and path.is_dir()]


def _entries(folder: Path, problems: list[str]) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for _, entry in zip(range(4 * FILES_LIMIT), entries, strict=False)]
    except OSError as error:
        problems.append(f"{folder}: cannot be read ({error.strerror})")
        return []


def _thread_of(path: Path) -> tuple[int, ...]:
    match = _FILE_NAME.fullmatch(path.name)
    return tuple(map(int, match.groups())) if match else ()


def _metric_of_folder(folder: Path) -> str:
    return folder.name.removeprefix(_FOLDER_PREFIX)[:80] if folder.name.startswith(_FOLDER_PREFIX) else ""


def _problems_of(profile: TauProfile) -> Iterator[str]:
    if profile.unread_lines:
        yield f"TAU {profile.metric}: {profile.unread_lines} lines are truncated or garbled and were skipped"
    if profile.missing_rows:
        yield f"TAU {profile.metric}: {profile.missing_rows} functions are announced but missing"
    if profile.omitted:
        yield f"TAU {profile.metric}: {profile.omitted} rows beyond the first {NAMES_LIMIT} were omitted"
